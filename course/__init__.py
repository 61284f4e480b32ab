"""The tools that build the course: notebooks, assignments, the lab."""

from pathlib import Path

from tutorial_lib.language import add_catalogues

add_catalogues(Path(__file__).parent / "locale")
