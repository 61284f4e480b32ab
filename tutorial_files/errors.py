"""The one exception that is meant for the reader's eyes."""


class TutorialError(ValueError):
    """Something the user can mend: the message says what was got, what was wanted and what to do.

    Command lines print the message alone (no traceback) and exit with code 2.
    """
