"""The language in which the library speaks to its reader: `use_language("zh")`."""

from pathlib import Path

from tutorial_files.language import LANGUAGES, language, mark, say, spoken, use_language

FONT = Path(__file__).parent / "fonts" / "CourseSansSC.otf"  # of plots; made by course/font.py

__all__ = ["FONT", "LANGUAGES", "language", "mark", "say", "spoken", "use_language"]
