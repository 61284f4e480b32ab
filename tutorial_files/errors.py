"""The one exception that is meant for the reader's eyes."""

from tutorial_files.language import say


class TutorialError(ValueError):
    """Something the user can mend: the message says what was got, what was wanted and what to do.

    `TutorialError("cannot read {path}", path=path)` speaks the reader's language: see `say`.
    Command lines print the message alone (no traceback) and exit with code 2.
    """

    def __init__(self, message: str = "", /, **values: object):
        super().__init__(say(message, **values))
