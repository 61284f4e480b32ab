"""How an exercise is judged: a checker says *not attempted yet*, *wrong, because ...* or *right*.

Neither the container nor the precision of an answer decides: `want_number`, `want_whole`,
`want_truth` and `want_array` bring it into one form, `want_equal` compares. A function that is
handed in gets copies of its arguments, and must not change them.
"""

import ast
import copy
import dataclasses
import functools
import inspect
import linecache
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from exercises import record
from tutorial_lib.language import mark, say

NOT_ATTEMPTED, WRONG, RIGHT = mark("not attempted yet"), mark("wrong"), mark("right")
SOURCES = Path(__file__).resolve().parents[1] / "notebooks" / "source"
CELL = re.compile(r"ipykernel_\d+|<ipython-input")  # the file name that IPython gives to a cell
# How far an answer may be off, as a share of its size, by the precision it was calculated in.
TOLERANCE = {"float16": 1e-2, "bfloat16": 1e-2, "float32": 1e-5, "complex64": 1e-5}
EXACT = 1e-7  # so far off is a double calculation with one constant in single precision
KINDS = {
    "b": mark("truth values (True, False)"),
    "i": mark("whole numbers"),
    "f": mark("numbers"),
    "c": mark("complex numbers"),
}


class Wrong(Exception):
    """Raised by a checker: the answer is wrong, because of this message, whose {placeholders} the
    values fill.
    """

    def __init__(self, message: str, /, **values: Any):
        super().__init__(say(message, **values))


class NotAttempted(Exception):
    """Raised by a checker: there is no answer yet."""


@dataclass(frozen=True)
class Verdict:
    """What a checker found: status is "not attempted yet", "wrong" or "right"."""

    status: str
    reason: str = ""

    def __str__(self) -> str:
        return (
            say("{status}, because {reason}", status=self.status, reason=self.reason)
            if self.reason
            else say(self.status)
        )

    def _ipython_display_(self) -> None:
        """The checker has printed the verdict; a notebook must not show it twice."""


def exercise(
    points: int, minutes: int, in_place: bool = False
) -> Callable[[Callable[..., None]], Callable[..., Verdict]]:
    """Decorator: turns `test(answer)`, which raises Wrong("...") for a wrong answer, into a checker
    that is worth `points` and takes about `minutes`.

    The checker prints exactly one line and returns the Verdict; it never raises. Not attempted: the
    answer is None or `...` (or a list of these), or a function that returns one of these or raises
    NotImplementedError. An answer that raises anything else is wrong. A function sees copies of its
    arguments and is wrong if it changes them, unless `in_place`.
    """

    def decorate(test: Callable[..., None]) -> Callable[..., Verdict]:
        lesson = test.__module__
        number = number_of(test)

        @functools.wraps(test)
        def checker(*answers: Any) -> Verdict:
            state = torch.get_rng_state()
            try:
                if any(map(_is_empty, answers)):
                    raise NotAttempted
                test(*(_probe(answer, lesson, in_place) for answer in answers))
                verdict = Verdict(RIGHT)
            except NotAttempted:
                verdict = Verdict(NOT_ATTEMPTED)
            except Wrong as error:
                verdict = Verdict(WRONG, " ".join(str(error).split()))
            except Exception as error:
                verdict = (
                    Verdict(NOT_ATTEMPTED)
                    if _is_stub(error)
                    else Verdict(WRONG, _raised(error, lesson, *answers))
                )
            finally:  # the random numbers of the lesson go on as if nothing had been checked
                torch.set_rng_state(state)
            print(verdict)
            if number and verdict.status != NOT_ATTEMPTED:
                record.note(number, verdict.status == RIGHT)
            return verdict

        checker.points, checker.minutes, checker.in_place = points, minutes, in_place
        return checker

    return decorate


def number_of(test: Callable[..., None]) -> str:
    """The number of an exercise, such as "04.1", from the docstring of its checker: "4.1: ..."."""
    match = re.match(r"(\d+)\.(\d+):", test.__doc__ or "")
    return f"{int(match[1]):02d}.{match[2]}" if match else ""


def _is_empty(answer: Any) -> bool:
    if isinstance(answer, (tuple, list)):
        return len(answer) > 0 and all(map(_is_empty, answer))
    return answer is None or answer is Ellipsis


def _is_stub(error: Exception) -> bool:
    """`raise NotImplementedError` of an empty exercise; not torch's "not implemented for 'Long'",
    which is a mistake.
    """
    return isinstance(error, NotImplementedError) and "not implemented for" not in str(error)


# What is said of an answer that raises.


def _raised(error: Exception, lesson: str, *answers: Any) -> str:
    """An error that comes from another process has no traceback; its type and line come with it, as
    `type_name` and `learner_line`.
    """
    kind = getattr(error, "type_name", type(error).__name__)
    if kind == "NameError" and getattr(error, "name", None) in _names_of(lesson):
        return say(
            "`{name}` is not defined: run the cells above first, one of them defines it,"
            " then this one again",
            name=error.name,
        )
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    line = getattr(error, "learner_line", "") or _own_line(error, {*map(_file, answers)})
    return (
        say("it raised {kind}", kind=kind)
        + (f": {first[:200]}" if first else "")
        + (say(" (your line: `{line}`)", line=line) if line else "")
    )


def _file(answer: Any) -> str:
    """The file of a function, or of the forward pass of a model; "" where there is none."""
    answer = inspect.unwrap(answer.func if isinstance(answer, functools.partial) else answer)
    for part in (answer, getattr(answer, "forward", None), getattr(answer, "__call__", None)):  # noqa: B004
        code = getattr(part, "__code__", None)
        if code is not None:
            return code.co_filename
    return ""


def _own_line(error: Exception, files: set[str]) -> str:
    """The learner's last line before the error: in a cell of a notebook, or in one of the files."""
    line, trace = "", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name != __file__ and (CELL.search(name) or name in files):
            line = linecache.getline(name, trace.tb_lineno).strip() or line
        trace = trace.tb_next
    return line[:120]


@functools.cache
def _names_of(lesson: str) -> frozenset[str]:
    """The names that the cells of a lesson define; none where its source is not at hand."""
    number = re.search(r"lesson(\d+)$", lesson)
    found: set[str] = set()
    for path in SOURCES.glob(f"{number[1]}_*.py") if number else ():
        text = path.read_text(encoding="utf-8")
        found |= set(re.findall(r"^# show: *(?:\w+\.)*(\w+) *$", text, re.M))
        for node in ast.parse(text).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                found |= {name.asname or name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            else:
                names = (one for one in ast.walk(node) if isinstance(one, ast.Name))
                found |= {one.id for one in names if isinstance(one.ctx, ast.Store)}
    return frozenset(found)


# What a function that is handed in may do to its arguments.


def _probe(answer: Any, lesson: str, in_place: bool) -> Any:
    """A function that watches what the reader's function returns, raises and changes; other answers
    pass as they are, and classes and models too.
    """
    if type(answer) in (tuple, list):
        return type(answer)(_probe(one, lesson, in_place) for one in answer)
    if not callable(answer) or isinstance(answer, type | torch.nn.Module):
        return answer
    answered = False

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal answered
        given = (args, kwargs) if in_place else copied((args, kwargs))
        try:
            result = answer(*given[0], **given[1])
        except (Wrong, NotAttempted):  # of a checker's own function that was handed to the answer
            raise
        except Exception as error:
            raise (
                NotAttempted() if _is_stub(error) else Wrong(_raised(error, lesson, answer))
            ) from error
        if _is_empty(result):
            raise (
                Wrong("it returned None: is a return missing on one of its paths?")
                if answered
                else NotAttempted()
            )
        answered = True
        if not in_place:
            _want_unchanged(answer, args, kwargs, *given)
        return result

    return functools.update_wrapper(call, answer) if inspect.isroutine(answer) else call


def copied(value: Any) -> Any:
    """A deep copy of tensors, arrays, tables and containers of these; gradients still flow through
    it. Functions, models, generators and iterators stay what they are.
    """
    if isinstance(value, torch.nn.Module | Iterator | type):
        return value
    if isinstance(value, torch.Tensor):
        if not value.requires_grad:
            return value.detach().clone()
        value = value.clone()
        value.retain_grad()
        return value
    if isinstance(value, np.ndarray | pd.DataFrame | pd.Series):
        return value.copy()
    if isinstance(value, tuple) and hasattr(value, "_fields"):  # a named one
        return type(value)(*map(copied, value))
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(map(copied, value))
    if isinstance(value, dict):
        twin = copy.copy(value)  # a defaultdict keeps its default
        twin.update({key: copied(one) for key, one in value.items()})
        return twin
    if dataclasses.is_dataclass(value):
        twin = copy.copy(value)
        for field in dataclasses.fields(value):
            object.__setattr__(twin, field.name, copied(getattr(value, field.name)))
        return twin
    return value


def _alike(a: Any, b: Any) -> bool:
    """Whether a copy still holds what it was made from."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        try:
            return bool(((a == b) | ((a != a) & (b != b))).all())
        except RuntimeError:  # inside vmap no entry can be looked at
            return True
    if isinstance(a, pd.DataFrame | pd.Series):
        return a.equals(b)
    if isinstance(a, np.ndarray):
        return (
            a.shape == b.shape
            and a.dtype == b.dtype
            and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
        )
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_alike, a, b))
    if isinstance(a, set | frozenset | str | int | float | complex | np.generic):
        return bool(a == b or (a != a and b != b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(_alike(a[key], b[key]) for key in a)
    if dataclasses.is_dataclass(a) and not isinstance(a, type):
        return all(
            _alike(getattr(a, field.name), getattr(b, field.name))
            for field in dataclasses.fields(a)
        )
    return True


def _want_unchanged(answer: Any, args: tuple, kwargs: dict, given: tuple, named: dict) -> None:
    for place, (before, after) in enumerate(zip(args, given, strict=True)):
        if not _alike(before, after):
            try:
                names = inspect.signature(answer).parameters.values()
                name = [one.name for one in names if one.kind != one.VAR_POSITIONAL][place]
            except (TypeError, ValueError, IndexError):
                name = ""
            if name:
                raise Wrong("it changes its argument `{name}` in place: work on a copy", name=name)
            raise Wrong("it changes its argument in place: work on a copy")
    for name in kwargs:
        if not _alike(kwargs[name], named[name]):
            raise Wrong("it changes its argument `{name}` in place: work on a copy", name=name)


# One form for every answer.


def told_apart(got: Any, want: Any) -> tuple[str, str]:
    """Two texts that differ, for "yours is ..., wanted ...": as many digits as the difference
    needs, and the types where these alone differ.
    """
    texts = repr(got), repr(want)
    numbers = all(isinstance(one, int | float | complex | np.number) for one in (got, want))
    if numbers and not isinstance(got, bool) and not isinstance(want, bool):
        for digits in (4, 6, 9, 12, 17):
            texts = f"{got:.{digits}g}", f"{want:.{digits}g}"
            if got == want or texts[0] != texts[1]:
                break
    texts = texts[0][:200], texts[1][:200]
    if texts[0] != texts[1]:
        return texts
    names = type(got).__name__, type(want).__name__
    if names[0] == names[1]:
        return say("another {kind}", kind=names[0]), texts[1]
    yours, wanted = (
        say("{value} (type {kind})", value=text, kind=name)
        for text, name in zip(texts, names, strict=True)
    )
    return yours, wanted


def _a(got: Any) -> str:
    name = type(got).__name__
    return say("an {kind}", kind=name) if name[0] in "aeiou" else say("a {kind}", kind=name)


def _natural(got: Any, name: str) -> tuple[np.ndarray, float]:
    """An answer as an array of bool, int64, float64 or complex128, and the tolerance that its
    precision needs.
    """
    if _is_empty(got):
        raise NotAttempted
    if isinstance(got, torch.Tensor):
        got = got.detach().cpu()
        got = got.to_dense() if got.layout != torch.strided else got
        tolerance = TOLERANCE.get(str(got.dtype).removeprefix("torch."), EXACT)
        short = got.dtype in (torch.bfloat16, torch.float16)
        array = (got.float() if short else got).resolve_conj().resolve_neg().numpy()
    elif isinstance(got, list | tuple):
        if any(one is None for one in got):
            raise Wrong("{name} holds None, wanted numbers", name=name)
        parts = [_natural(one, name) for one in got]
        if len({part.shape for part, _ in parts}) > 1:
            raise Wrong("{name} has rows of different lengths", name=name)
        array = np.stack([part for part, _ in parts]) if parts else np.zeros(0)
        tolerance = max((one for _, one in parts), default=EXACT)
    elif isinstance(got, str | bytes | dict | set | frozenset) or callable(got):
        raise Wrong("{name} is {got}, wanted numbers", name=name, got=_a(got))
    else:
        array = np.asarray(got)
        tolerance = TOLERANCE.get(array.dtype.name, EXACT)
    try:
        if array.dtype.kind == "O":  # truth values of a table; fractions and decimals
            truths = all(isinstance(one, bool | np.bool_) for one in array.flat)
            array = array.astype(bool if truths and array.size else float)
        form = {"b": bool, "i": np.int64, "u": np.int64, "f": float, "c": complex}[array.dtype.kind]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise Wrong("{name} is {got}, wanted numbers", name=name, got=_a(got)) from None
    array = array.astype(form)
    return array, tolerance


def _from_single(array: np.ndarray) -> bool:
    """Whether doubles were calculated in single precision: `float32_tensor.tolist()`."""
    parts = np.stack([array.real, array.imag]) if array.dtype.kind == "c" else array
    with np.errstate(over="ignore"):
        single = parts.astype(np.float32).astype(float)
    return bool(((single == parts) | np.isnan(parts)).all() and (parts != np.round(parts)).any())


def want_array(
    got: Any,
    name: str = "your result",
    shape: tuple[int, ...] | None = None,
    kind: str | None = None,
) -> np.ndarray:
    """`got` (list, tuple, array, table column or tensor, with gradients or without) as an array of
    float64, complex128, int64 or bool.

    kind "float", "complex", "int" or "bool": what is wanted; whole numbers may come as decimals
    (3.0) and decimals as whole numbers, but truth values are no numbers. NotAttempted if it is
    empty, else Wrong.
    """
    array, _ = _natural(got, name)
    if shape is not None and array.shape != tuple(shape):
        raise Wrong(
            "{name} has shape {shape}, wanted {wanted}",
            name=name,
            shape=array.shape,
            wanted=tuple(shape),
        )
    return array if kind is None else _of_kind(array, kind[0], name)


def _of_kind(array: np.ndarray, kind: str, name: str) -> np.ndarray:
    has = array.dtype.kind
    if array.size == 0 or kind == has:
        return array
    if "b" in (has, kind):
        raise Wrong(
            "{name} holds {kinds}, wanted {wanted}", name=name, kinds=KINDS[has], wanted=KINDS[kind]
        )
    if has == "c" and kind != "c":
        if (array.imag != 0).any():
            raise Wrong(
                "{name} holds complex numbers, wanted {kinds} without imaginary part",
                name=name,
                kinds=KINDS[kind],
            )
        array = array.real
    if kind == "i":
        if not (array == np.round(array)).all():
            bad = array[array != np.round(array)][0]
            raise Wrong("{name} holds {bad:.6g}, wanted whole numbers", name=name, bad=bad)
        return array.astype(np.int64)
    return array.astype({"f": float, "c": complex}[kind])


def _one(got: Any, name: str, what: str) -> np.ndarray:
    try:
        array, _ = _natural(got, name)
    except Wrong:
        raise Wrong(
            "{name} is {got!r}; {what} is wanted", name=name, got=str(got)[:80], what=what
        ) from None
    if array.size != 1:
        raise Wrong(
            "{name} has shape {shape}; {what} is wanted", name=name, shape=array.shape, what=what
        )
    return array.reshape(())


def want_number(got: Any, name: str = "your result") -> float:
    """`got` (int, float, fraction, number of numpy, array or tensor of one number) as one float;
    NotAttempted where nothing was written, Wrong where it is something else.
    """
    array = _one(got, name, "one number")
    if array.dtype.kind == "b":
        raise Wrong("{name} is {array}; one number is wanted", name=name, array=bool(array))
    return float(_of_kind(array, "f", name))


def want_whole(got: Any, name: str = "your result") -> int:
    """Like `want_number`, as int: 4, 4.0 and a tensor of one 4 are the same; 4.5 is Wrong."""
    array = _one(got, name, "one whole number")
    number = want_number(array, name)
    if number != np.round(number) or not np.isfinite(number):
        raise Wrong("{name} is {number:g}; a whole number is wanted", name=name, number=number)
    return int(array) if array.dtype.kind == "i" else int(number)


def want_truth(got: Any, name: str = "your result") -> bool:
    """`got` (bool of Python, numpy or torch) as bool; NotAttempted or Wrong if it is none."""
    array = _one(got, name, "True or False")
    if array.dtype.kind != "b":
        raise Wrong("{name} is {array:g}; True or False is wanted", name=name, array=array.item())
    return bool(array)


def want_tensor(
    got: Any,
    shape: tuple[int, ...] | None = None,
    dtype: torch.dtype | None = None,
    name: str = "your result",
) -> torch.Tensor:
    """`got` as a tensor, in its own precision and with its gradients if it has them; an array or a
    list will do. Wrong if its shape, or its kind of numbers, is not the wanted one (None: any);
    NotAttempted if it is empty.
    """
    array, _ = _natural(got, name)
    tensor = got if isinstance(got, torch.Tensor) else torch.from_numpy(array)
    if shape is not None and tuple(tensor.shape) != tuple(shape):
        raise Wrong(
            "{name} has shape {shape}, wanted {wanted}",
            name=name,
            shape=tuple(tensor.shape),
            wanted=tuple(shape),
        )
    if dtype is not None:
        kind = torch.empty(0, dtype=dtype).numpy().dtype.kind if dtype != torch.bfloat16 else "f"
        form = _of_kind(array, kind.replace("u", "i"), name)
        if form.dtype != array.dtype:
            tensor = tensor.to(torch.from_numpy(form).dtype)
    return tensor


def same(got: Any, want: Any, tol: float | None = None) -> bool:
    """Whether `want_equal` would accept."""
    try:
        want_equal(got, want, tol)
    except Wrong:
        return False
    return True


def want_equal(
    got: Any,
    want: Any,
    tol: float | None = None,
    name: str = "your result",
    known: dict[str, Any] | None = None,
    otherwise: str = "",
) -> None:
    """For checkers: `got` must equal `want` entry by entry, in any container and precision.

    The tolerance follows the precision of the less precise of the two: 1e-7, 1e-5 (single) or 1e-2
    (half) of an entry's size plus the largest size. `tol` takes its place, in absolute terms, where
    the method is not exact or the exercise is about precision. Infinities and NaN must stand in the
    same places. known: {reason: the result of a well-known mistake}; the first that `got` equals is
    said. otherwise: a hint that is added where none is. Raises Wrong, or NotAttempted if `got` is
    empty.
    """
    try:
        _compare(got, want, tol, name)
    except Wrong as difference:
        for reason, value in (known or {}).items():
            if same(got, value, tol):
                raise Wrong(reason) from None
        if otherwise:
            raise Wrong(
                "{difference}: {otherwise}", difference=str(difference), otherwise=otherwise
            ) from None
        raise


def _compare(got: Any, want: Any, tol: float | None, name: str) -> None:
    array, tolerance = _natural(got, name)
    wanted, least = _natural(want, "the wanted value")
    if array.dtype.kind in "fc" and _from_single(array):
        tolerance = max(tolerance, TOLERANCE["float32"])
    if wanted.ndim == 0 and array.size == 1:
        array = array.reshape(())
    if array.shape != wanted.shape:
        raise Wrong(
            "{name} has shape {shape}, wanted {wanted}",
            name=name,
            shape=array.shape,
            wanted=wanted.shape,
        )
    kind = wanted.dtype.kind
    array = _of_kind(array, "f" if kind == "i" and array.dtype.kind != "i" else kind, name)
    if kind == "b":
        off = array != wanted
    else:
        sizes = np.abs(np.where(np.isfinite(wanted), wanted, 0)).astype(float)
        allowed = (
            max(tolerance, least) * (sizes + (sizes.max(initial=0) or 1.0)) if tol is None else tol
        )
        if kind == "i":
            allowed = np.minimum(allowed, 0.25)
        with np.errstate(invalid="ignore"):
            close = (array == wanted) | (np.abs(array - wanted) <= allowed)
        off = ~(close | (np.isnan(array) & np.isnan(wanted)))
    if off.any():
        place = tuple(int(i) for i in np.argwhere(off)[0])
        where = f"{say(name)}[{', '.join(map(str, place))}]" if place else name
        yours, right = told_apart(array[place].item(), wanted[place].item())
        raise Wrong("{where} is {yours}, wanted {right}", where=where, yours=yours, right=right)


def compare_letters(answer: Any, want: set[str], hints: dict[str, str]) -> None:
    """For checkers of multiple choice: the first letter that is wrongly in or out gets its hint.

    answer: a set, list, tuple, array or text ("AB", "A, B"), in capitals or not. Raises Wrong.
    """
    answer = answer.ravel().tolist() if isinstance(answer, np.ndarray) else answer
    letters = None
    if isinstance(answer, Iterable) and not isinstance(answer, dict | torch.Tensor):
        parts = [answer] if isinstance(answer, str) else list(answer)
        if all(isinstance(one, str) for one in parts):
            letters = set(re.sub(r"[\s,;，、；]|\band\b", "", " ".join(parts)).upper())
    if letters is None or not letters <= set(hints):
        raise Wrong(
            'the answer is a set of letters from {first} to {last}, such as {{"A", "B"}}',
            first=min(hints),
            last=max(hints),
        )
    for letter, hint in hints.items():
        if (letter in letters) != (letter in want):
            raise Wrong("look at {letter} again: {hint}", letter=letter, hint=hint)
