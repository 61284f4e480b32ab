"""Checkers of lesson 09, hyper-connections and mHC."""

from collections.abc import Callable

import torch
from torch import Tensor

from exercises.checking import Wrong, compare_letters, exercise, want_equal, want_tensor


def _columns(matrix: Tensor) -> Tensor:
    return matrix / matrix.sum(0, keepdim=True)


def _rows(matrix: Tensor) -> Tensor:
    return matrix / matrix.sum(1, keepdim=True)


@exercise(points=3, minutes=15)
def check_sinkhorn_step(answer) -> None:
    """9.1: one iteration, columns first."""
    matrix = torch.tensor(
        [[1.0, 8.0, 2.0, 0.5], [3.0, 1.0, 0.2, 2.0], [0.1, 4.0, 1.0, 1.0], [2.0, 2.0, 6.0, 3.0]]
    )
    given = matrix.clone()
    got = answer(given)
    want_tensor(got, (4, 4), name="the matrix")
    known = {
        "rows before columns: the paper divides the columns first, so that the rows end exact": (
            _columns(_rows(matrix))
        ),
        "only the columns were divided; the rows must follow": _columns(matrix),
        "only the rows were divided; the columns come first": _rows(matrix),
        "the row sums were taken before the columns were divided; take them from the new matrix": (
            matrix / matrix.sum(0, keepdim=True) / matrix.sum(1, keepdim=True)
        ),
        "the matrix is positive already: softmax would take its exponential once more": (
            matrix.softmax(0).softmax(1)
        ),
        "all entries were divided by one number, the total; each column needs its own": (
            matrix / matrix.sum()
        ),
    }
    for reason, value in known.items():
        if torch.allclose(got.float(), value, atol=1e-5):
            raise Wrong(reason)
    want_equal(got, _rows(_columns(matrix)), name="the matrix after one iteration")
    if not torch.equal(given, matrix):
        raise Wrong("the result is right, but your function changed the matrix that it was given")


def _update(streams: Tensor, pre: Tensor, post: Tensor, res: Tensor, function: Callable) -> Tensor:
    return res @ streams + post[:, None] * function(pre @ streams)


@exercise(points=4, minutes=15)
def check_stream_update(answer) -> None:
    """9.2: X <- H_res X + H_post^T F(H_pre X) for one event."""
    generator = torch.Generator().manual_seed(0)
    streams, pre, post = (torch.randn(shape, generator=generator) for shape in ((3, 5), (3,), (3,)))
    res, weight = (torch.randn(shape, generator=generator) for shape in ((3, 3), (5, 5)))
    asked = []

    def function(x: Tensor) -> Tensor:
        asked.append(tuple(x.shape))
        return (x @ weight).tanh()

    got = answer(streams.clone(), pre, post, res, function)
    if asked not in ([(5,)], [(1, 5)]):
        how = f"{len(asked)} times" if len(asked) != 1 else f"with the shape {list(asked[0])}"
        raise Wrong(
            "the sub-layer must be called once, with one event [5], the mixture that H_pre makes;"
            f" yours called it {how}"
        )
    want_tensor(got, (3, 5), name="the new streams")
    plain = function(pre @ streams)
    known = {
        "H_res is transposed: row m says how the new stream m is made": _update(
            streams, pre, post, res.T, function
        ),
        "H_pre and H_post are swapped": _update(streams, post, pre, res, function),
        "the streams were not mixed: H_res is missing": streams + post[:, None] * plain,
        "every stream received the whole output: H_post is missing": res @ streams + plain,
        "the old streams are gone: what the sub-layer says is added to H_res X": (
            post[:, None] * plain
        ),
        "the sub-layer read the mean of the streams; H_pre says how much of each it reads": (
            res @ streams + post[:, None] * function(streams.mean(0))
        ),
        "the output was added before the mixing, so H_res mixed it too": (
            res @ (streams + post[:, None] * plain)
        ),
    }
    for reason, value in known.items():
        if torch.allclose(got, value, atol=1e-5):
            raise Wrong(reason)
    want_equal(got, _update(streams, pre, post, res, function), name="the new streams")


def _network(
    x: Tensor,
    mappings: Tensor,
    *,
    persistent: bool,
    alike: bool,
    transposed: bool = False,
    join: str = "sum",
) -> Tensor:
    """x [N, d] through one sub-layer for each matrix of mappings [depth, n, n]; -> [N, d]."""
    generator = torch.Generator().manual_seed(11)
    streams = x[:, None].expand(-1, mappings.shape[1], -1)  # [N, n, d]
    for matrix in mappings.transpose(1, 2) if transposed else mappings:
        n, dim = streams.shape[1:]
        pre, post = (torch.randn(n, generator=generator, dtype=x.dtype) for _ in range(2))
        weight = torch.randn(dim, dim, generator=generator, dtype=x.dtype)
        if alike:
            pre, post = torch.full_like(pre, 1 / n), torch.ones_like(post)
        said = (torch.einsum("s,bsd->bd", pre, streams) @ weight / dim**0.5).tanh()
        streams = torch.einsum("ts,bsd->btd", matrix, streams) + post[:, None] * said[:, None]
        if not persistent:
            joined = streams.sum(1) if join == "sum" else streams.mean(1)
            streams = joined[:, None].expand(-1, n, -1)
    return streams.mean(1)


sealed = {  # for exercise 9.3: measure them, do not read them
    "A": lambda x, mappings: _network(x, mappings, persistent=True, alike=False),
    "B": lambda x, mappings: _network(x, mappings, persistent=False, alike=False),
    "C": lambda x, mappings: _network(x, mappings, persistent=True, alike=True),
    "D": lambda x, mappings: _network(x, mappings, persistent=False, alike=False, join="mean"),
    "E": lambda x, mappings: _network(x, mappings, persistent=True, alike=False, transposed=True),
}


@exercise(points=4, minutes=20)
def check_idle(answer) -> None:
    """9.3: in which sealed networks does H_res do nothing."""
    hints = {
        "A": (
            "are both of your stacks doubly stochastic, with six matrices each, and is your"
            " tolerance small, such as 1e-9?"
        ),
        "B": (
            "do the outputs differ by more than rounding? Compare with a tolerance such as 1e-9,"
            " not with =="
        ),
        "C": (
            "do the outputs differ by more than rounding? Compare with a tolerance such as 1e-9,"
            " not with =="
        ),
        "D": "its size stays healthy, but do the outputs differ by more than rounding?",
        "E": (
            "are both of your stacks doubly stochastic, with six matrices each, and is your"
            " tolerance small, such as 1e-9?"
        ),
    }
    compare_letters(answer, {"B", "C", "D"}, hints)


@exercise(points=2, minutes=8)
def check_statements(answer) -> None:
    """9.4: what holds for every doubly stochastic matrix."""
    hints = {
        "A": "multiply two of them on paper: what are the sums of the rows of the product?",
        "B": "the mean adds up the columns of the matrix: what are their sums?",
        "C": "a new stream is a weighted mean of the old ones: can a mean exceed the largest?",
        "D": "every new stream is a weighted mean of equal vectors",
        "E": "look at the inverse of [[0.75, 0.25], [0.25, 0.75]]: is every entry at least 0?",
    }
    compare_letters(answer, {"A", "B", "D"}, hints)


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def columns(matrix):
    return matrix / matrix.sum(0)


def rows(matrix):
    return matrix / matrix.sum(1, keepdim=True)


def in_place(matrix):
    matrix /= matrix.sum(0)
    return rows(matrix)


def update(streams, pre, post, res, function):
    return res @ streams + post[:, None] * function(pre @ streams)


def one_call_each(streams, pre, post, res, function):
    return res @ streams + post[:, None] * torch.stack([function(stream) for stream in streams])


RIGHT = [
    (check_sinkhorn_step, lambda m: rows(columns(m))),
    (check_stream_update, update),
    (check_idle, {"B", "C", "D"}),
    (check_statements, ["A", "B", "D"]),
]
WRONG = [
    (check_sinkhorn_step, lambda m: columns(rows(m)), "rows before columns"),
    (check_sinkhorn_step, columns, "only the columns"),
    (check_sinkhorn_step, rows, "only the rows"),
    (
        check_sinkhorn_step,
        lambda m: m / m.sum(0) / m.sum(1, keepdim=True),
        "before the columns were divided",
    ),
    (check_sinkhorn_step, lambda m: m.softmax(0).softmax(1), "softmax"),
    (check_sinkhorn_step, lambda m: m / m.sum(), "one number"),
    (
        check_sinkhorn_step,
        lambda m: rows(columns(rows(columns(m)))),
        "after one iteration",
    ),
    (check_sinkhorn_step, in_place, "changed the matrix"),
    (check_sinkhorn_step, lambda m: m.sum(0), "shape"),
    (check_stream_update, lambda x, a, b, h, f: update(x, a, b, h.T, f), "transposed"),
    (check_stream_update, lambda x, a, b, h, f: update(x, b, a, h, f), "swapped"),
    (
        check_stream_update,
        lambda x, a, b, h, f: x + b[:, None] * f(a @ x),
        "H_res is missing",
    ),
    (check_stream_update, lambda x, a, b, h, f: h @ x + f(a @ x), "H_post is missing"),
    (
        check_stream_update,
        lambda x, a, b, h, f: b[:, None] * f(a @ x),
        "old streams are gone",
    ),
    (
        check_stream_update,
        lambda x, a, b, h, f: h @ x + b[:, None] * f(x.mean(0)),
        "the mean of the streams",
    ),
    (
        check_stream_update,
        lambda x, a, b, h, f: h @ (x + b[:, None] * f(a @ x)),
        "before the mixing",
    ),
    (check_stream_update, one_call_each, "3 times"),
    (check_stream_update, lambda x, a, b, h, f: h @ x + b[:, None] * f(x), "shape [3, 5]"),
    (check_idle, {"B", "C"}, "look at D"),
    (check_idle, set("ABCDE"), "look at A"),
    (check_idle, {"B", "D"}, "look at C"),
    (check_idle, set(), "not with =="),
    (check_statements, {"A", "B", "D", "E"}, "look at E"),
    (check_statements, {"A", "D"}, "look at B"),
    (check_statements, {"A", "B", "C", "D"}, "look at C"),
    (check_statements, {"F"}, "set of letters"),
]
