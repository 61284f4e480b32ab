"""The Chinese font of the plots: Noto Sans CJK SC with the usual characters and those that occur.

    python -m course.font [path of NotoSansCJK-Regular.ttc]

Writes tutorial_lib/fonts/CourseSansSC.otf; the same characters and source font give the same bytes.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

from course.lessons import Course, LessonError, Problem, load_course
from tutorial_files.language import read_catalogue
from tutorial_lib.language import FONT

SOURCE = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")  # Debian: fonts-noto-cjk
FACE = "Noto Sans CJK SC"
LIMIT = 1_000_000  # bytes
PLAIN = {chr(code) for code in range(0x20, 0x2000)}  # DejaVu Sans, which comes first, has these


def wanted(root: Path) -> dict[str, str]:
    """Each character beyond plain Latin that may stand in a plot, and the file that holds it."""
    found: dict[str, str] = {}
    for path in sorted((root / "locale" / "zh").glob("*/*.po")):
        for text in read_catalogue(path).values():
            found |= dict.fromkeys(
                set(text) - PLAIN - set(found), path.relative_to(root).as_posix()
            )
    table = root / "notebooks" / "lessons.csv"
    text = table.read_text(encoding="utf-8") if table.exists() else ""
    return found | dict.fromkeys(set(text) - PLAIN - set(found), "notebooks/lessons.csv")


def usual() -> set[str]:
    """The marks and the 3,755 usual characters of GB 2312, so that few texts need a new subset."""
    rows = [*range(1, 4), *range(16, 56)]
    found = {
        bytes((0xA0 + row, 0xA0 + cell)).decode("gb2312", "ignore")
        for row in rows
        for cell in range(1, 95)
    }
    return found - {""} - PLAIN


def drawable() -> set[str]:
    """The characters that a plot can draw: those of the subset and of matplotlib's own font."""
    import matplotlib
    from fontTools.ttLib import TTFont

    own = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    files = [own, *([FONT] if FONT.exists() else [])]
    return {chr(code) for path in files for code in TTFont(path, lazy=True).getBestCmap()}


def glyph_faults(course: Course) -> list[Problem]:
    """Characters of the catalogues that the plots could not draw."""
    known = drawable()
    missing: dict[str, str] = {}
    for mark, file in wanted(course.root).items():
        if mark not in known and mark.isprintable():
            missing[file] = missing.get(file, "") + mark
    return [
        Problem(file, None, f"has characters without a glyph: {marks}; run `python -m course.font`")
        for file, marks in missing.items()
    ]


def subset(source: Path, characters: set[str]) -> bytes:
    """The font file with the glyphs of these characters alone, under a name of its own."""
    from fontTools import subset
    from fontTools.ttLib import TTCollection

    with TTCollection(source, lazy=True) as collection:
        font = next((one for one in collection if one["name"].getDebugName(1) == FACE), None)
        if font is None:
            raise LessonError(f"{source} holds no {FACE}; give NotoSansCJK-Regular.ttc")
        options = subset.Options()
        options.layout_features, options.hinting, options.desubroutinize = [], False, True
        options.name_IDs, options.name_languages = [0, 1, 2, 13, 14], [0x409]
        options.drop_tables += ["VORG", "vmtx", "vhea", "BASE", "GSUB", "GPOS", "GDEF"]
        options.recalc_timestamp = False
        maker = subset.Subsetter(options)
        maker.populate(unicodes={ord(mark) for mark in characters})
        maker.subset(font)
        for record in font["name"].names:
            if record.nameID in (1, 4, 6):
                record.string = "Course Sans SC" if record.nameID != 6 else "CourseSansSC"
        top = font["CFF "].cff
        top.fontNames = ["CourseSansSC"]
        top.topDictIndex[0].FullName = top.topDictIndex[0].FamilyName = "Course Sans SC"
        out = io.BytesIO()
        font.recalcTimestamp = False
        font.save(out, reorderTables=True)
    return out.getvalue()


def main(arguments: list[str] | None = None) -> int:
    top = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    top.add_argument("source", nargs="?", type=Path, default=SOURCE, help=f"default: {SOURCE}")
    options = top.parse_args(arguments)
    course = load_course(Path(__file__).resolve().parents[1])
    try:
        if not options.source.exists():
            raise LessonError(
                f"{options.source} is not there: install Noto Sans CJK (Debian: apt install"
                " fonts-noto-cjk) or give its NotoSansCJK-Regular.ttc"
            )
        made = subset(options.source, set(wanted(course.root)) | usual())
        if len(made) > LIMIT:
            raise LessonError(f"the font would have {len(made):,} bytes of at most {LIMIT:,}")
    except LessonError as error:
        print(error, file=sys.stderr)
        return 1
    FONT.parent.mkdir(exist_ok=True)
    FONT.write_bytes(made)
    print(f"{FONT.name}: {len(made):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
