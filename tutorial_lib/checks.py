"""What lessons use to keep their word: numbers in the text are checked, settings
come from one place.

Everything printed here is the same on every machine: wanted values and tolerances, never raw
results. A notebook gathers the lines of a cell in one (`tutorial_files.quiet`).
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from tutorial_files.quiet import note
from tutorial_lib.errors import TutorialError
from tutorial_lib.language import columns, say


def expect(name: str, value: float, want: float, tol: float, when: bool = True) -> None:
    """Check a number that the text states; prints "ok  NDCG@10 = 0.21 ± 0.02".

    Raises AssertionError with the value if it lies more than `tol` from `want`. A tolerance as
    large as the number itself would accept anything, hence TutorialError (unless want = 0).
    `when=False`: the reader runs other data than the text speaks of, so nothing is checked.
    """
    if not (0 < tol < abs(want) or (want == 0 and 0 < tol < np.inf)):
        raise TutorialError(
            "{name}: the tolerance {tol:g} must be positive and smaller than the number it"
            " guards, {want:g}",
            name=name,
            tol=tol,
            want=want,
        )
    _report(
        name, f"{name} = {want:g} ± {tol:g}", abs(float(value) - want) <= tol, float(value), when
    )


def expect_between(name: str, value: float, low: float, high: float, when: bool = True) -> None:
    """Check low <= value <= high; prints "ok  name: between low and high"."""
    if not low < high:
        raise TutorialError(
            "{name}: {low:g} to {high:g} is no range", name=name, low=low, high=high
        )
    _report(
        name,
        say("{name}: between {low:g} and {high:g}", name=name, low=low, high=high),
        low <= float(value) <= high,
        float(value),
        when,
    )


def expect_true(name: str, condition: bool, when: bool = True) -> None:
    """Check a statement; prints "ok  statement"."""
    _report(name, name, bool(condition), say("false"), when)


def expect_close(name: str, got: Any, want: Any, tol: float = 1e-6, when: bool = True) -> None:
    """Check two arrays of the same shape, entry by entry; prints "ok  ours equals torch's (max
    difference below 1e-06)".

    Infinities must stand in the same places; NaN equals nothing. The tolerance must be smaller than
    the largest wanted entry.
    """
    got, want = as_array(got), as_array(want)
    size = np.abs(want[np.isfinite(want)]).max(initial=0)
    if not 0 < tol < (size or np.inf):
        raise TutorialError(
            "{name}: the tolerance {tol:g} must be positive and smaller than the largest"
            " entry, {size:g}",
            name=name,
            tol=tol,
            size=size,
        )
    if got.shape == want.shape:
        worst, place = worst_difference(got, want)
        found = (
            say(
                "off by {worst:.3g} at {place}: {got:.6g} instead of {want:.6g}",
                worst=worst,
                place=place,
                got=got[place],
                want=want[place],
            )
            if want.size
            else say("empty")
        )
        _report(
            name,
            say("{name} (max difference below {tol:g})", name=name, tol=tol),
            want.size > 0 and worst < tol,
            found,
            when,
        )
    else:
        found = say("of shape {got} instead of {want}", got=got.shape, want=want.shape)
        _report(name, name, False, found, when)


def _report(name: str, text: str, good: bool, found: object, when: bool) -> None:
    if not when:
        note(say("--  {name}: the text speaks of the sample, not checked here", name=name))
    elif good:
        note(f"ok  {text}")
    else:
        raise AssertionError(
            say("{name} is {found:.6g}, wanted: {text}", name=name, found=found, text=text)
            if isinstance(found, float)
            else f"{text}: {found}"
        )


def as_array(x: Any) -> np.ndarray:
    """Float64 copy of a tensor, array, list or number."""
    return np.asarray(x.detach().cpu() if isinstance(x, torch.Tensor) else x, dtype=np.float64)


def worst_difference(got: np.ndarray, want: np.ndarray) -> tuple[float, tuple[int, ...]]:
    """Largest difference and its place; equal infinities differ by 0, NaN by infinity."""
    with np.errstate(invalid="ignore"):
        difference = np.nan_to_num(
            np.where(got == want, 0.0, np.abs(got - want)), nan=np.inf, posinf=np.inf
        )
    place = np.unravel_index(difference.argmax(), difference.shape) if difference.size else ()
    return float(difference.max(initial=0)), tuple(int(i) for i in place)


def show_matrix(
    x: Any, rows: Sequence | None = None, cols: Sequence | None = None, digits: int = 2
) -> None:
    """Print a vector or matrix with labels, the same on every machine: fixed digits, no -0.00,
    booleans as 1 and a dot.
    """
    kind = np.asarray(x.detach().cpu() if isinstance(x, torch.Tensor) else x).dtype.kind
    values = np.atleast_2d(as_array(x))
    if values.ndim != 2 or any(
        labels is not None and len(labels) != size
        for labels, size in zip((rows, cols), values.shape, strict=True)
    ):
        raise TutorialError(
            "show_matrix got shape {shape} and labels of other lengths: it shows one"
            " labelled matrix",
            shape=values.shape,
        )

    def text(value: float) -> str:
        if kind == "b":
            return "1" if value else "·"
        return f"{value:.0f}" if kind in "iu" else f"{round(value, digits) + 0.0:.{digits}f}"

    table = [[text(value) for value in row] for row in values]
    if cols is not None:
        table.insert(0, [str(label) for label in cols])
    if rows is not None:
        labels = ([""] if cols is not None else []) + [str(label) for label in rows]
        left = max(map(columns, labels))
        labels = [label + " " * (left - columns(label)) for label in labels]
        table = [[label, *row] for label, row in zip(labels, table, strict=True)]
    widths = [max(columns(row[place]) for row in table) for place in range(len(table[0]))]
    for row in table:
        cells = (
            " " * (width - columns(cell)) + cell for cell, width in zip(row, widths, strict=True)
        )
        print("  ".join(cells).rstrip())


def settings(dataset: str = "sample", users: int | None = None) -> tuple[str, int | None]:
    """Data set and number of users of a lesson; the environment variables TUTORIAL_DATASET and
    TUTORIAL_USERS override.

    Unset or empty variables change nothing; TUTORIAL_USERS=all means every user. An unknown name is
    refused by `load_dataset`.
    """
    dataset = os.environ.get("TUTORIAL_DATASET", "").strip() or dataset
    wanted = os.environ.get("TUTORIAL_USERS", "").strip() or (
        "all" if users is None else str(users)
    )
    if wanted == "all":
        return dataset, None
    if not (wanted.isdecimal() and int(wanted) > 0):
        raise TutorialError(
            "the number of users is {wanted!r}: set TUTORIAL_USERS to a whole number of at"
            " least 1, or to all",
            wanted=wanted,
        )
    return dataset, int(wanted)


@torch.no_grad()
def influence(model: Callable[[torch.Tensor], torch.Tensor], items: torch.Tensor) -> torch.Tensor:
    """Who reaches whom, measured: bool [L, L], True at (i, j) if output i changes when input j
    becomes another item.

    model: items int64 [B, L] -> anything [B, L, ...]; items: one history, int64 [L]. A model that
    never looks ahead gives nothing above the diagonal. Equality is exact, to the last bit. Taught
    in lesson 05.
    """
    length = len(items)
    history = items.expand(length, length)  # row j: the history in which input j will change
    changed = history + torch.eye(length, dtype=items.dtype) * torch.where(items > 1, -1, 1)
    # same batch size, so that rounding is the same
    differs = model(changed) != model(history.contiguous())
    return differs.flatten(2).any(dim=2).T
