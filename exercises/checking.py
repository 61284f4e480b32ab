"""How an exercise is judged: a checker says *not attempted yet*, *wrong, because ...* or *right*."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tutorial_lib.checks import as_array, worst_difference

NOT_ATTEMPTED, WRONG, RIGHT = "not attempted yet", "wrong", "right"


class Wrong(Exception):
    """Raised by a checker: the answer is wrong, because of this message."""


class NotAttempted(Exception):
    """Raised by a checker: there is no answer yet."""


@dataclass(frozen=True)
class Verdict:
    """What a checker found: status is "not attempted yet", "wrong" or "right"."""

    status: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.status}, because {self.reason}" if self.reason else self.status

    def _ipython_display_(self) -> None:
        """The checker has printed the verdict; a notebook must not show it twice."""


def exercise(points: int, minutes: int) -> Callable[[Callable[..., None]], Callable[..., Verdict]]:
    """Decorator: turns `test(answer)`, which raises Wrong("...") for a wrong answer, into a checker
    that is worth `points` and takes about `minutes`.

    The checker prints exactly one line and returns the Verdict; it never raises. Not attempted: the
    answer is None or `...` (or a list of these), or a function that returns one of these or raises
    NotImplementedError. An answer that raises anything else is wrong.
    """

    def decorate(test: Callable[..., None]) -> Callable[..., Verdict]:
        @functools.wraps(test)
        def checker(*answers: Any) -> Verdict:
            try:
                if any(map(_is_empty, answers)):
                    raise NotAttempted
                test(*map(_probe, answers))
                verdict = Verdict(RIGHT)
            except NotAttempted:
                verdict = Verdict(NOT_ATTEMPTED)
            except Wrong as error:
                verdict = Verdict(WRONG, " ".join(str(error).split()))
            except Exception as error:
                verdict = (
                    Verdict(NOT_ATTEMPTED) if _is_stub(error) else Verdict(WRONG, _raised(error))
                )
            print(verdict)
            return verdict

        checker.points, checker.minutes = points, minutes
        return checker

    return decorate


def _is_empty(answer: Any) -> bool:
    if isinstance(answer, (tuple, list)):
        return len(answer) > 0 and all(map(_is_empty, answer))
    return answer is None or answer is Ellipsis


def _is_stub(error: Exception) -> bool:
    """`raise NotImplementedError` of an empty exercise; not torch's "not implemented for 'Long'",
    which is a mistake.
    """
    return isinstance(error, NotImplementedError) and "not implemented for" not in str(error)


def _raised(error: Exception) -> str:
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"it raised {type(error).__name__}" + (f": {first[:200]}" if first else "")


def _probe(answer: Any) -> Any:
    """A function that watches what the reader's function returns and raises; other answers pass as
    they are.
    """
    if not (inspect.isroutine(answer) or isinstance(answer, functools.partial)):
        return answer
    answered = False

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal answered
        try:
            result = answer(*args, **kwargs)
        except Exception as error:
            raise (NotAttempted() if _is_stub(error) else Wrong(_raised(error))) from error
        if _is_empty(result):
            raise (
                Wrong("it returned None: is a return missing on one of its paths?")
                if answered
                else NotAttempted()
            )
        answered = True
        return result

    return functools.update_wrapper(call, answer) if inspect.isroutine(answer) else call


def want_tensor(
    got: Any,
    shape: tuple[int, ...] | None = None,
    dtype: torch.dtype | None = None,
    name: str = "your result",
) -> None:
    """For checkers: `got` must be a tensor of this shape and dtype (None: any), else Wrong;
    NotAttempted if it is empty.
    """
    if _is_empty(got):
        raise NotAttempted
    if not isinstance(got, torch.Tensor):
        raise Wrong(f"{name} is a {type(got).__name__}, wanted a torch.Tensor")
    if shape is not None and tuple(got.shape) != tuple(shape):
        raise Wrong(f"{name} has shape {tuple(got.shape)}, wanted {tuple(shape)}")
    if dtype is not None and got.dtype != dtype:
        raise Wrong(f"{name} has dtype {got.dtype}, wanted {dtype}")


def _kind(dtype: torch.dtype) -> str:
    return "bool" if dtype == torch.bool else "float" if dtype.is_floating_point else "int"


def want_number(got: object, name: str) -> float:
    """`got` as one number; NotAttempted where nothing was written, Wrong where it is something
    else.
    """
    if got is None or got is Ellipsis:
        raise NotAttempted
    try:
        return float(got)
    except (TypeError, ValueError):
        raise Wrong(f"{name} is {str(got)[:80]}; one number is wanted") from None


def want_equal(got: Any, want: Any, tol: float = 1e-5, name: str = "your result") -> None:
    """For checkers: `got` must equal `want` (tensor, array, list or number) entry by entry within
    `tol`.

    A tensor must also be of the same kind (truth values, whole numbers or decimals), whatever its
    precision.
    """
    if _is_empty(got):
        raise NotAttempted
    if isinstance(want, torch.Tensor):
        want_tensor(got, want.shape, name=name)
        if _kind(got.dtype) != _kind(want.dtype):
            raise Wrong(f"{name} has dtype {got.dtype}, wanted {want.dtype}")
    try:
        got, want = as_array(got), as_array(want)
    except (TypeError, ValueError):
        raise Wrong(
            f"{name} is a {type(got).__name__}, wanted"
            f" {'a number' if np.ndim(want) == 0 else 'numbers'}"
        ) from None
    if got.shape != want.shape:
        raise Wrong(f"{name} has shape {got.shape}, wanted {want.shape}")
    worst, place = worst_difference(got, want)
    if worst > tol:
        where = f"{name}[{', '.join(map(str, place))}]" if place else name
        raise Wrong(f"{where} is {got[place]:.4g}, wanted {want[place]:.4g}")


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
