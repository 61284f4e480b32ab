"""Checkers of the exercises, one file a lesson. Each prints *not attempted yet*, *wrong, because
...* or *right*.
"""

from tutorial_lib.checks import Wrong


def compare_letters(answer, want: set[str], hints: dict[str, str]) -> None:
    """For checkers of multiple choice: the first letter that is wrongly in or out gets its hint.
    Raises Wrong.
    """
    if isinstance(answer, str):
        answer = set(answer)
    if not isinstance(answer, set | frozenset | list | tuple) or not set(answer) <= set(hints):
        raise Wrong(
            f'the answer is a set of letters from {min(hints)} to {max(hints)}, such as {{"A",'
            ' "B"}'
        )
    for letter, hint in hints.items():
        if (letter in answer) != (letter in want):
            raise Wrong(f"look at {letter} again: {hint}")
