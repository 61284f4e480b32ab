"""Draw the models: notebooks/figures/en/NAME.svg and zh/NAME.svg, the same bytes every time.

python -m notebooks.figures                 write the files that changed
python -m notebooks.figures --check         write nothing, fail where a file is stale or a drawing
    has a fault
python -m notebooks.figures --prose NAME    the line that shows a drawing, in both languages, for
    its lesson
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path

from notebooks.figures.draw import LANGUAGES, Drawing
from notebooks.figures.faults import faults

HERE = Path(__file__).parent
# a drawing is a module that says which lesson shows it
NAMES = tuple(sorted(p.stem for p in HERE.glob("*.py") if "\nLESSON = " in p.read_text("utf-8")))


def drawing(name: str, language: str) -> Drawing:
    """The finished drawing of that name."""
    module = import_module(f"notebooks.figures.{name}")
    made = Drawing(name, language, module.TEXT)
    made.used |= {"title", "alt"}
    module.draw(made)
    made.legend()
    return made


def prose(name: str, language: str) -> str:
    """What shows the drawing in a lesson."""
    made = drawing(name, language)
    return f"![{made('alt')}](../figures/{language}/{name}.svg)"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m notebooks.figures", description="Draw the models."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (all)")
    parser.add_argument("--check", action="store_true", help="write nothing; name what is wrong")
    parser.add_argument("--prose", action="store_true", help="print the line for the lesson")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"there is no drawing {', '.join(sorted(unknown))}; known: {', '.join(NAMES)}")
    wrong = 0
    for name in options.names or NAMES:
        for language in LANGUAGES:
            if options.prose:
                print(prose(name, language))
                continue
            made, path = drawing(name, language), HERE / language / f"{name}.svg"
            text, found = made.svg(), [f"{language}/{name}: {fault}" for fault in faults(made)]
            old = path.read_text(encoding="utf-8") if path.exists() else ""
            if options.check and old != text:
                found.append(
                    f"{path.name} in {language}/ is stale; run python -m notebooks.figures"
                )
            elif old != text:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="\n")
            print(*found, sep="\n", end="\n" * bool(found))
            wrong += len(found)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
