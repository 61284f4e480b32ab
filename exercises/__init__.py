"""The exercises of the lessons, one file a lesson: checkers with points and minutes, and below them the
answers on which the tests try them."""

from pathlib import Path

from tutorial_lib.language import add_catalogues

add_catalogues(Path(__file__).parent / "locale")
