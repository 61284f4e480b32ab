"""What a release carries beside wheel and sdist.

python -m course.archive package        dist/: sdist, and the wheel built from it
python -m course.archive notebooks      dist/notebooks.zip: all lessons of both languages
python -m course.archive notes v0.2.0   what CHANGELOG.md says of this version; stops where the tag,
    the package and the citation do not name the same one
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import tutorial_lib
from course.buttons import ARCHIVE
from course.lessons import LANGUAGES, LessonError

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ("*.png", "*.svg")
LETTER = """\
Recommendation in Continuous Time {version}: all lessons, en/ in English, zh/ in Chinese.
连续时间推荐 {version}：全部课程，en/ 是英文版，zh/ 是中文版。

1. Install the library with Python 3.11 or newer; the wheel lies beside this file in the release.
   用 Python 3.11 或更高版本安装程序库；wheel 文件与本压缩包在同一个发布页面。

   python -m pip install "tutorial_lib-{version}-py3-none-any.whl[lab]"

2. In the folder that holds `notebooks`, open the first lesson (LESSONS=zh: in Chinese):
   在包含 `notebooks` 的文件夹里打开第一课（设 LESSONS=zh 则打开中文版）：

   continuous-time lab
"""


def package(root: Path, out: Path) -> list[Path]:
    """Builds the sdist from the files that git knows, and the wheel from the sdist; returns both.

    Not in place: what an earlier build or installation has left there would get into the new one.
    """
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True
    )
    if listing.returncode:
        raise LessonError(f"{root} is not a git checkout, from which alone packages are built")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        for name in listing.stdout.splitlines():
            if (root / name).is_file():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / name, source / name)
        sdist = out / build("sdist", source, out)
        with tarfile.open(sdist) as archive:
            archive.extractall(Path(folder) / "unpacked", filter="data")
        (unpacked,) = (Path(folder) / "unpacked").iterdir()
        return [sdist, out / build("wheel", unpacked, out)]


def build(kind: str, source: Path, out: Path) -> str:
    """Name of the sdist or wheel that setuptools made in `out`; offline."""
    code = (
        f"from setuptools import build_meta; print(build_meta.build_{kind}({str(out.resolve())!r}))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True)
    if run.returncode:
        raise LessonError(f"setuptools could not build the {kind}:\n{run.stderr}")
    return run.stdout.splitlines()[-1]


def notebooks(root: Path, out: Path) -> Path:
    """Writes the zip file of all lessons, the same bytes for the same notebooks; returns its path."""
    folder = root / "notebooks"
    files = [path for language in LANGUAGES for path in (folder / language).glob("*.ipynb")]
    if not files:
        raise LessonError(f"{folder} holds no notebook yet: run `make build` first")
    files += [folder / "lessons.csv"]
    files += [path for pattern in PICTURES for path in (folder / "figures").glob(pattern)]
    out.mkdir(parents=True, exist_ok=True)
    part = out / f"{ARCHIVE}.part"
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        letter = LETTER.format(version=tutorial_lib.__version__).encode()
        archive.writestr(entry("notebooks/READ-ME.txt"), letter)
        for path in sorted(files):
            archive.writestr(entry(path.relative_to(root).as_posix()), path.read_bytes())
    part.replace(out / ARCHIVE)
    return out / ARCHIVE


def entry(name: str) -> zipfile.ZipInfo:
    """A member without the time at which it was packed."""
    info = zipfile.ZipInfo(name)
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return info


def notes(root: Path, tag: str) -> str:
    """The section of CHANGELOG.md about the version of this tag."""
    version = tutorial_lib.__version__
    cited = re.search(r"^version: (\S+)$", (root / "CITATION.cff").read_text("utf-8"), re.M)
    if not (cited and tag == f"v{version}" == f"v{cited[1]}"):
        raise LessonError(
            f"the tag is {tag}, tutorial_lib/__init__.py says {version} and CITATION.cff"
            f" {cited and cited[1]}: give all three the same version"
        )
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {re.escape(version)}\b.*?\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    if not (section and section[1].strip()):
        raise LessonError(f"CHANGELOG.md has no section {version}: write what changed")
    return section[1].strip() + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("package", "sdist and wheel"),
        ("notebooks", "all lessons of both languages as a zip file"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument(
            "--out", type=Path, default=ROOT / "dist", help="folder (default: dist)"
        )
    about = commands.add_parser("notes", help="what the change log says of a version")
    about.add_argument("tag", help="the tag of the release, such as v0.2.0")
    options = parser.parse_args(arguments)
    try:
        if options.command == "package":
            print(*package(ROOT, options.out), sep="\n")
        elif options.command == "notebooks":
            print(notebooks(ROOT, options.out))
        else:
            print(notes(ROOT, options.tag), end="")
    except LessonError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
