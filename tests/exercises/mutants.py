"""The mutation run: right answers in other forms must stay right, right answers with a fault must
become wrong.

`python tests/exercises/mutants.py 05` prints what survives in lesson 05. A survivor is a hole in
the checker, or it is argued: ARGUED of exercises/lessonNN.py holds (checker, mutant, reason).
"""

import ast
import contextlib
import copy
import importlib
import io
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from exercises.checking import _alike, copied, same  # noqa: E402

MARK = "# Answers on which the tests try the checkers"
SECONDS = 1.0  # a faulty answer that runs longer is caught, a right one may take longer


class Late(BaseException):
    """A mutant ran too long. No checker swallows it, as they catch Exception only."""


@dataclass
class Mutant:
    """A changed right answer. used: whether the change has shown itself in some call."""

    name: str
    answer: Any
    right: bool = False  # whether the checker must accept it
    used: bool = True
    line: int = 0


# Changes of a function from outside.


def _numeric(value: Any) -> bool:
    return isinstance(value, torch.Tensor | np.ndarray | np.generic | int | float | complex)


def _map(change: Callable[[Any], Any], value: Any) -> Any:
    """The change on each part of a tuple or dict of results."""
    if type(value) is tuple:
        return tuple(_map(change, one) for one in value)
    if type(value) is dict:
        return {key: _map(change, one) for key, one in value.items()}
    return change(value)


def _sized(value: Any) -> bool:
    return isinstance(value, torch.Tensor | np.ndarray) and value.ndim > 0 or type(value) is list


def _flip(value: Any, axis: int) -> Any:
    if isinstance(value, torch.Tensor) and value.ndim:
        return value.flip(axis)
    if isinstance(value, np.ndarray) and value.ndim:
        return np.flip(value, axis)
    return value[::-1] if type(value) is list else value


def _opposite(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        return not value
    if isinstance(value, torch.Tensor | np.ndarray) and "bool" in str(value.dtype):
        return ~value
    return (
        -value
        if _numeric(value)
        else [_opposite(v) for v in value]
        if type(value) is list
        else value
    )


def _last_wrong(value: Any) -> Any:
    if isinstance(value, torch.Tensor | np.ndarray) and value.ndim:
        if not len(value):
            return value
        value = copied(value)
        flat = value.reshape(-1)
        flat[-1] = _last_wrong(flat[-1].item())
        return flat.reshape(value.shape)
    if type(value) is list and value:
        return [*value[:-1], _last_wrong(value[-1])]
    if isinstance(value, bool | np.bool_):
        return not value
    if isinstance(value, torch.Tensor) and value.dtype == torch.bool:
        return ~value
    if isinstance(value, int | np.integer):
        return value + 1
    return value + max(abs(value) / 100, 1e-3) if _numeric(value) else value


def _scaled(value: Any) -> Any:
    whole = isinstance(value, int | np.integer) or (
        isinstance(value, torch.Tensor | np.ndarray)
        and re.search("int|bool", str(value.dtype)) is not None
    )
    if type(value) is list:
        return [_scaled(one) for one in value]
    return value * 1.001 if _numeric(value) and not whole else value


def _first_row_only(value: Any) -> Any:
    if not _sized(value) or len(value) < 2:
        return value
    if type(value) is list:
        return [value[0]] * len(value)
    return value[:1] + 0 * value if "bool" not in str(value.dtype) else value[:1] & (value | ~value)


def _as_list(value: Any) -> Any:
    grad = isinstance(value, torch.Tensor) and value.requires_grad
    if isinstance(value, torch.Tensor | np.ndarray) and not grad:
        return value.tolist()
    return value


def _as_numpy(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and not value.requires_grad:
        return value.numpy()
    if isinstance(value, int | float | complex):
        return np.asarray(value)[()]
    return np.array(value) if type(value) is list and value and _numeric(value[0]) else value


def _as_tensor(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "bifc":
        return torch.from_numpy(np.array(value))
    if isinstance(value, int | float):
        return torch.tensor(value, dtype=torch.double if isinstance(value, float) else None)
    return torch.tensor(value) if type(value) is list and value and _numeric(value[0]) else value


def _precise(single: bool) -> Callable[[Any], Any]:
    names = {"float64": "float32", "complex128": "complex64"}
    names = names if single else {b: a for a, b in names.items()}

    def change(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            name = names.get(str(value.dtype).removeprefix("torch."))
            return value.to(getattr(torch, name)) if name else value
        if isinstance(value, float) and single:
            return np.float32(value)
        if isinstance(value, np.ndarray | np.generic):
            return value.astype(names.get(value.dtype.name, value.dtype.name))
        return value

    return change


def _with_grad(value: Any) -> Any:
    floating = isinstance(value, torch.Tensor) and value.is_floating_point()
    return value + 0 * torch.zeros((), requires_grad=True) if floating else value


RESULTS = {  # change of the result: whether it must stay right
    "result in double precision": (_precise(False), True),
    "result in single precision": (_precise(True), True),
    "result as list": (_as_list, True),
    "result as array": (_as_numpy, True),
    "result as tensor": (_as_tensor, True),
    "result with gradient": (_with_grad, True),
    "sign flipped": (_opposite, False),
    "last entry off": (_last_wrong, False),
    "times 1.001": (_scaled, False),
    "first axis reversed": (lambda value: _flip(value, 0), False),
    "last axis reversed": (lambda value: _flip(value, -1), False),
    "first row for all": (_first_row_only, False),
    "last entry missing": (lambda v: v[:-1] if _sized(v) and len(v) else v, False),
    "one axis more": (lambda v: v[None] if _sized(v) and type(v) is not list else v, False),
    "detached": (lambda v: v.detach() if isinstance(v, torch.Tensor) else v, False),
}


def _same_object(a: Any, b: Any) -> bool:
    grads = getattr(a, "requires_grad", None), getattr(b, "requires_grad", None)
    return a is b or (type(a) is type(b) and grads[0] == grads[1] and _alike(a, b))


def _near(a: Any, b: Any) -> bool:
    """Whether two results differ by rounding at most."""
    try:
        return same(a, b)
    except Exception:  # no numbers
        return _same_object(a, b)


def of_results(answer: Callable) -> Iterator[Mutant]:
    for name, (change, right) in RESULTS.items():
        mutant = Mutant(name, None, right, used=False)

        def changed(*args: Any, mutant: Mutant = mutant, change: Callable = change, **named: Any):
            result = answer(*args, **named)
            other = _map(change, result)
            mutant.used |= not _same_object(result, other)
            return other

        mutant.answer = changed
        yield mutant


def of_arguments(answer: Callable, count: int, in_place: bool) -> Iterator[Mutant]:
    """count: how many arguments the checker passes."""
    first: list[Any] = []

    def constant(*args: Any, **named: Any) -> Any:
        if not first:
            first.append(answer(*args, **named))
        return copied(first[0])

    yield Mutant("constant of the first call", constant)
    for place in range(count):
        kept = Mutant(f"argument {place} kept from the first call", None, used=False)
        held: list[Any] = []

        def keeps(*args: Any, kept=kept, held=held, place=place, **named: Any) -> Any:
            kept.used |= bool(held)
            held[:] = held or [copied(args[place])]
            return answer(*args[:place], copied(held[0]), *args[place + 1 :], **named)

        kept.answer = keeps
        yield kept
        turned = Mutant(f"argument {place} reversed", None, used=False)

        def turns(*args: Any, turned=turned, place=place, **named: Any) -> Any:
            other = _flip(args[place], 0)
            result = answer(*args[:place], other, *args[place + 1 :], **named)
            if other is not args[place]:
                turned.used |= not _near(answer(*copied(args), **named), result)
            return result

        turned.answer = turns
        yield turned
        if in_place:
            continue
        spoils = Mutant(f"argument {place} changed in place", None, used=False)

        def spoil(*args: Any, spoils=spoils, place=place, **named: Any) -> Any:
            result, value = copied(answer(*args, **named)), args[place]
            before = copied(value)
            if isinstance(value, torch.Tensor):
                value.data.copy_(~value if value.dtype == torch.bool else value + 1)
            elif isinstance(value, np.ndarray) and value.dtype.kind in "bifu":
                value[...] = ~value if value.dtype.kind == "b" else value + 1
            elif type(value) is list and value:
                value.pop()
            elif type(value) is dict and value:
                value.popitem()
            elif type(value) is set and value:
                value.pop()
            spoils.used |= not _alike(before, value)
            return result

        spoils.answer = spoil
        yield spoils


# Changes of an answer that is no function.


def of_plain(checker: Callable, answer: Any, others: list[Any]) -> Iterator[Mutant]:
    """Neighbours of a plain answer. others: the wrong answers of the same exercise."""
    answer = answer.tolist() if isinstance(answer, np.ndarray) else answer
    if _is_letters(answer):
        answer = {one.upper() for one in answer}
        letters = re.search("letters from ([A-Z]) to ([A-Z])", silent(checker, {"?"}))
        every = [chr(one) for one in range(ord(letters[1]), ord(letters[2]) + 1)]
        for letter in every:
            yield Mutant(f"{letter} toggled", set(answer) ^ {letter})
        for name, form in (
            ("list", sorted), ("array", lambda a: np.array(sorted(a))),
            ("text", lambda a: "".join(sorted(a))), ("commas", lambda a: ", ".join(sorted(a))),
            ("small letters", lambda a: {one.lower() for one in a}),
        ):  # fmt: skip
            yield Mutant(f"letters as {name}", form(set(answer)), right=True)
        return
    for name, value in _neighbours(answer):
        yield Mutant(name, value)
    for name, value in _forms(answer):
        yield Mutant(name, value, right=True)


def _is_letters(answer: Any) -> bool:
    return isinstance(answer, set | frozenset | list | tuple | str) and all(
        isinstance(one, str) and re.fullmatch("[A-Za-z]", one) for one in answer
    )


def _step(value: float) -> float:
    """The last digit in which a number is written; a hundredth of it where there are many."""
    digits = len(repr(float(value)).partition(".")[2])
    return 10.0**-digits if digits <= 4 and "e" not in repr(float(value)) else abs(value) / 100


def _neighbours(answer: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(answer, bool | np.bool_):
        yield f"{path} flipped".strip(), not answer
    elif isinstance(answer, int | np.integer):
        yield from ((f"{path} {step:+d}".strip(), answer + step) for step in (-1, 1))
    elif isinstance(answer, float):
        yield from ((f"{path} {s:+d} step".strip(), answer + s * _step(answer)) for s in (-1, 1))
    elif isinstance(answer, np.ndarray | torch.Tensor):
        yield from _neighbours(answer.tolist(), path)
    elif isinstance(answer, list | tuple):
        for place, value in enumerate(answer):
            for name, one in _neighbours(value, f"{path}[{place}]"):
                yield name, type(answer)((*answer[:place], one, *answer[place + 1 :]))
            if place and not _alike(answer[place - 1], value):
                swapped = (*answer[: place - 1], value, answer[place - 1], *answer[place + 1 :])
                yield f"{path} {place - 1} and {place} swapped".strip(), type(answer)(swapped)
        yield f"{path} last missing".strip(), answer[:-1]
    elif isinstance(answer, dict):
        keys = list(answer)
        for place, key in enumerate(keys):
            for name, one in _neighbours(answer[key], f"{path}[{key!r}]"):
                yield name, answer | {key: one}
            for other in keys[:place]:
                if answer[key] != answer[other]:
                    swapped = {key: answer[other], other: answer[key]}
                    yield f"{path} {other!r} and {key!r} swapped".strip(), answer | swapped
            if isinstance(answer[key], str):
                for value in sorted({one for one in answer.values() if one != answer[key]}):
                    yield f"{path} {key!r} is {value!r}".strip(), answer | {key: value}
        yield f"{path} {keys[-1]!r} missing".strip(), {key: answer[key] for key in keys[:-1]}


def _forms(answer: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(answer, list | tuple) and all(map(_numeric, answer)):
        yield "as list", list(answer)
        yield "as tuple", tuple(answer)
        yield "as array", np.array(answer)
        yield "as tensor", torch.tensor(answer)
    elif isinstance(answer, int | float | bool) and not isinstance(answer, np.generic):
        yield "as number of numpy", np.asarray(answer)[()]
        yield "as tensor", torch.tensor(answer)
        yield "as array of one", np.array([answer])
    elif isinstance(answer, dict) and all(map(_numeric, answer.values())):
        yield "values of numpy", {key: np.asarray(one)[()] for key, one in answer.items()}
        yield "values as tensors", {key: torch.as_tensor(one) for key, one in answer.items()}
        yield "turned round", dict(reversed(answer.items()))


# Changes inside the source of a function.

SWAPS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.And: ast.Or, ast.Or: ast.And, ast.Mod: ast.FloorDiv, ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}  # fmt: skip
NAMES = {
    one: other
    for pair in ("min max", "floor ceil", "sum mean", "any all", "tril triu", "cumsum cumprod",
                 "argmin argmax", "log exp", "sin cos", "softplus sigmoid", "square abs")
    for one, other in (pair.split(), pair.split()[::-1])
}  # fmt: skip
SYMMETRIC = {
    f"{module}{name}"
    for module in ("", "np.", "torch.")
    for name in ["min", "max", "minimum", "maximum", "allclose", "equal", "array_equal", "isclose"]
}
COPIES = {"copy", "clone", "detach", "abs", "flatten", "ravel"}


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    """What a node may be replaced with, one change each."""

    def with_(**changes: Any) -> ast.AST:
        other = copy.deepcopy(node)
        for field, value in changes.items():
            setattr(other, field, value)
        return other

    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in SWAPS:
        yield with_(op=SWAPS[type(node.op)]())
    if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Mod | ast.MatMult):
        yield node.left
        if not isinstance(node.op, ast.Pow):
            yield node.right
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        yield with_(ops=[SWAPS[type(node.ops[0])](), *node.ops[1:]])
    elif isinstance(node, ast.BoolOp):
        yield with_(op=SWAPS[type(node.op)]())
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield with_(value=not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield from (with_(value=node.value + step) for step in (-1, 1))
    elif isinstance(node, ast.Constant) and isinstance(node.value, float):
        yield with_(value=node.value * 1.1)
    elif isinstance(node, ast.Name) and node.id in NAMES and isinstance(node.ctx, ast.Load):
        yield with_(id=NAMES[node.id])
    elif isinstance(node, ast.Attribute) and node.attr in NAMES and isinstance(node.ctx, ast.Load):
        yield with_(attr=NAMES[node.attr])
    elif isinstance(node, ast.IfExp):
        yield with_(body=node.orelse, orelse=node.body)
    elif isinstance(node, ast.Call):
        method = isinstance(node.func, ast.Attribute)
        if method and node.func.attr in COPIES and not node.args:
            yield node.func.value
        starred = any(isinstance(one, ast.Starred) for one in node.args[:2])
        if len(node.args) > 1 and not starred and ast.unparse(node.func) not in SYMMETRIC:
            yield with_(args=[node.args[1], node.args[0], *node.args[2:]])


class _Change(ast.NodeTransformer):
    """Puts a replacement at one place, wrapped so that we see whether it is ever reached."""

    def __init__(self, target: ast.AST, new: ast.AST) -> None:
        self.target, self.new = target, new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is not self.target:
            return super().generic_visit(node)
        if not isinstance(self.new, ast.expr):
            return self.new
        return ast.Call(ast.Name("__reached", ast.Load()), [self.new], [])


def _places(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that may change: not those of type hints, of texts and of names that are called."""
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            strict = isinstance(child, ast.keyword) and child.arg == "strict"
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr) and not strict:
                yield child
                yield from _places(child)


def of_source(module: Any, expression: ast.expr, limit: int | None, seed: str) -> Iterator[Mutant]:
    """Mutants of a right answer that RIGHT holds as this expression: of the expression, and of the
    functions below the mark on which it rests. limit: how many at most, drawn by the seed.
    """
    text = Path(module.__file__).read_text(encoding="utf-8")
    mark = text[: text.index(MARK)].count("\n")
    functions = {
        node.name: node
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.lineno > mark
    }
    reached, todo = {}, [expression]
    while todo:
        for node in ast.walk(todo.pop()):
            if isinstance(node, ast.Name) and node.id in functions and node.id not in reached:
                reached[node.id] = functions[node.id]
                todo.append(functions[node.id])
    parts = [*reached.values(), ast.Expr(expression)]
    found = [
        (part, node, new) for part in parts for node in _places(part) for new in _replacements(node)
    ]
    if limit is not None and len(found) > limit:
        found = Random(seed).sample(found, limit)
    for part, node, new in found:
        mutant = Mutant(f"{ast.unparse(node)} -> {ast.unparse(new)}", None, used=False)
        if ast.unparse(node) == ast.unparse(new):
            continue
        mutant.line = node.lineno

        def reach(value: Any, mutant: Mutant = mutant) -> Any:
            mutant.used = True
            return value

        if not isinstance(new, ast.expr):
            mutant.used = True
        twins: dict[int, Any] = {}
        twin = copy.deepcopy(part, twins)
        twin = _Change(twins[id(node)], copy.deepcopy(new)).visit(twin)
        *bodies, last = (twin if one is part else copy.deepcopy(one) for one in parts)
        result = ast.Assign([ast.Name("__answer", ast.Store())], last.value)
        tree = ast.fix_missing_locations(ast.Module([*bodies, result], []))
        space = dict(vars(module)) | {"__reached": reach}
        try:
            exec(compile(tree, module.__file__, "exec"), space)
        except Exception:  # it cannot even be defined
            continue
        mutant.answer = space["__answer"]
        yield mutant


# Running them.


def says_the_same(verdict: str) -> bool:
    """Whether a verdict has the form "the answer is 4, yours is 4"."""
    pair = re.search(r"\b(?:is|has shape) (\S.*), (?:wanted|yours is) (\S.*?)(?:: .*)?$", verdict)
    return pair is not None and pair[1] == pair[2]


def silent(checker: Callable, answer: Any, seconds: float = 10 * SECONDS) -> str:
    """What the checker says; "late" for an answer that ran too long."""

    def stop(*_: Any) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            warnings.catch_warnings(),
            np.errstate(all="ignore"),
        ):
            warnings.simplefilter("ignore")
            return str(checker(answer))
    except Late:
        return "late"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _rows(module: Any) -> list[tuple[Callable, Any, ast.expr | None]]:
    """The rows of RIGHT, with the expression of each answer where it stands there as such."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    table = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "RIGHT"
    )
    plain = isinstance(table, ast.List) and not any(
        isinstance(one, ast.Starred) for one in table.elts
    )
    sources = [one.elts[1] for one in table.elts] if plain else [None] * len(module.RIGHT)
    return [(row[0], row[1], source) for row, source in zip(module.RIGHT, sources, strict=True)]


def mutants_of(
    module: Any,
    checker: Callable,
    answer: Any,
    source: ast.expr | None,
    limit: int | None = None,
    inside: bool = False,
) -> Iterator[Mutant]:
    """The mutants of one right answer; limit: of its source, at most so many; inside: only these."""
    if callable(answer) and not isinstance(answer, type | torch.nn.Module):
        most = [0]

        def counted(*args: Any, **named: Any) -> Any:
            most[0] = max(most[0], len(args))
            return answer(*args, **named)

        if not inside:
            silent(checker, counted)
            yield from of_results(answer)
            yield from of_arguments(answer, most[0], checker.in_place)
        if source is not None:
            yield from of_source(module, source, limit, checker.__name__)
    elif not callable(answer):
        others = [row[1] for row in module.WRONG if row[0] is checker]
        yield from of_plain(checker, answer, others)


def survivors(module: Any, limit: int | None = None, only: str = "") -> tuple[dict, int]:
    """{(checker, mutant): what the checker said} of each mutant of a lesson that was judged wrongly
    and is not argued, and how many were tried.

    limit: how many changes inside the source of each right answer are tried, and changes from
    outside of the first one only (None: all, and then a row of ARGUED that argues for nothing is a
    survivor too). only: part of a checker's name.
    """
    argued = {(row[0].__name__, row[1]) for row in getattr(module, "ARGUED", [])}
    found, tried, seen = {}, 0, set()
    for checker, answer, source in _rows(module):
        if only not in checker.__name__:
            continue
        inside = limit is not None and checker in seen and callable(answer)
        seen.add(checker)
        for mutant in mutants_of(module, checker, answer, source, limit, inside):
            said = silent(checker, mutant.answer, SECONDS * (10 if mutant.right else 1))
            if mutant.used:
                tried += 1
                if says_the_same(said):
                    found[checker.__name__, f"{mutant.name}: equal texts"] = said
                if (said == "right") != mutant.right:
                    found[checker.__name__, mutant.name] = f"{said} (line {mutant.line})"
    idle = {key for key in argued - set(found) if only in key[0]} if limit is None else set()
    holes = {key: said for key, said in found.items() if key not in argued}
    return holes | dict.fromkeys(idle, "argued, but it does not survive"), tried


def lesson(number: int) -> Any:
    """The module with the exercises of a lesson."""
    return importlib.import_module(f"exercises.lesson{number:02d}")


def main() -> None:
    """`mutants.py LESSON ... [check_name]`: the survivors of these lessons."""
    numbers = [int(one) for one in sys.argv[1:] if one.isdecimal()]
    only = next((one for one in sys.argv[1:] if not one.isdecimal()), "")
    for number in numbers:
        found, tried = survivors(lesson(number), only=only)
        print(f"lesson {number:02d}: {tried} mutants, {len(found)} survive")
        for (checker, name), said in found.items():
            print(f"  {checker}: {name} | {said}")


if __name__ == "__main__":
    main()
