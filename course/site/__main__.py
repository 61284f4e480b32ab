"""python -m course.site: build the pages of the book into build/site."""

import argparse
import sys
import time
from pathlib import Path

from course.site.build import ROOT, build
from tutorial_lib.errors import TutorialError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m course.site",
        description="Build the web pages of both languages from the executed notebooks; nothing is"
        " executed and nothing is fetched.",
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the project")
    parser.add_argument(
        "--out", type=Path, default=None, help="where the pages go (default: build/site)"
    )
    options = parser.parse_args(arguments)
    out = options.out or options.root / "build" / "site"
    began = time.perf_counter()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        sizes = build(options.root.resolve(), out.resolve())
    except TutorialError as error:
        print(error, file=sys.stderr)
        return 1
    total = sum(sizes.values()) / 1e6
    print(f"{out}: {total:.0f} MB in {time.perf_counter() - began:.0f} s; open {out}/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
