"""The one exception that is meant for the reader's eyes."""

from tutorial_files.errors import TutorialError

__all__ = ["TutorialError"]
