"""The language in which the library speaks to its reader: `use_language("zh")`."""

from pathlib import Path

import pandas as pd

from tutorial_files.errors import TutorialError
from tutorial_files.language import (
    LANGUAGES,
    choose,
    columns,
    language,
    mark,
    retold,
    say,
    speaking,
    spoken,
)

FONT = Path(__file__).parent / "fonts" / "CourseSansSC.otf"  # of plots; made by course/font.py

__all__ = [
    "FONT",
    "LANGUAGES",
    "columns",
    "language",
    "mark",
    "retold",
    "say",
    "speaking",
    "spoken",
    "use_language",
]


def use_language(code: str) -> None:
    """Speak English ("en") or Chinese ("zh") from now on.

    Without this call the environment variable TUTORIAL_LANGUAGE decides, and English where it is
    not set. In Chinese, tables of pandas count a Chinese character as two columns.
    """
    if code not in LANGUAGES:
        raise TutorialError("the language is {code!r}: choose en or zh", code=code)
    choose(code)
    pd.set_option("display.unicode.east_asian_width", code == "zh")
