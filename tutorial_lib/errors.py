"""The exceptions that are meant for the reader's eyes."""

from tutorial_files.errors import TutorialError


class Diverged(TutorialError):
    """The loss is no longer a number: the learning rate was too high."""


__all__ = ["Diverged", "TutorialError"]
