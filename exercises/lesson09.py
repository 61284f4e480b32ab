"""Checkers of lesson 09, hyper-connections and mHC."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from exercises.checking import Wrong, compare_letters, exercise, want_equal
from tutorial_lib.language import say


def _columns(matrix: Tensor) -> Tensor:
    return matrix / matrix.sum(0, keepdim=True)


def _rows(matrix: Tensor) -> Tensor:
    return matrix / matrix.sum(1, keepdim=True)


@exercise(points=3, minutes=15)
def check_sinkhorn_step(answer) -> None:
    """9.1: one iteration, columns first."""
    large = torch.tensor(
        [[1.0, 8.0, 2.0, 0.5], [3.0, 1.0, 0.2, 2.0], [0.1, 4.0, 1.0, 1.0], [2.0, 2.0, 6.0, 3.0]]
    )
    small = torch.rand(3, 3, generator=torch.Generator().manual_seed(0)).double() / 100 + 1e-4
    for matrix in (large, small):
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
            "rows and columns have changed places in what is returned": (_rows(_columns(matrix)).T),
        }
        want = _rows(_columns(matrix))
        got, name = answer(matrix), "the matrix after one iteration"
        want_equal(got, want, tol=1e-5, name=name, known=known)


def _update(streams: Tensor, pre: Tensor, post: Tensor, res: Tensor, function: Callable) -> Tensor:
    return res @ streams + post[:, None] * function(pre @ streams)


@exercise(points=4, minutes=15)
def check_stream_update(answer) -> None:
    """9.2: X <- H_res X + H_post^T F(H_pre X) for one event."""
    generator = torch.Generator().manual_seed(0)
    for n, d in ((3, 5), (2, 6)):
        streams, pre, post, res, weight = (
            torch.randn(shape, generator=generator) for shape in ((n, d), n, n, (n, n), (d, d))
        )
        asked = []

        def function(x: Tensor, asked: list = asked, weight: Tensor = weight) -> Tensor:
            asked.append(tuple(x.shape))
            return (x @ weight.to(x.dtype)).tanh()

        got = answer(streams, pre, post, res, function)
        if asked not in ([(d,)], [(1, d)]):
            how = (
                say("{count} times", count=len(asked))
                if len(asked) != 1
                else say("with the shape {asked}", asked=list(asked[0]))
            )
            raise Wrong(
                "the sub-layer must be called once, with one event [{d}], the mixture that"
                " H_pre makes; yours called it {how}",
                d=d,
                how=how,
            )
        said = function(pre @ streams)
        known = {
            "H_res is transposed: row m says how the new stream m is made": _update(
                streams, pre, post, res.T, function
            ),
            "H_pre and H_post are swapped": _update(streams, post, pre, res, function),
            "the streams were not mixed: H_res is missing": streams + post[:, None] * said,
            "every stream received the whole output: H_post is missing": res @ streams + said,
            "the old streams are gone: what the sub-layer says is added to H_res X": (
                post[:, None] * said
            ),
            "the sub-layer read the mean of the streams; H_pre says how much of each it reads": (
                res @ streams + post[:, None] * function(streams.mean(0))
            ),
            "the sub-layer read the streams after H_res had mixed them": (
                res @ streams + post[:, None] * function(pre @ res @ streams)
            ),
            "the output was added before the mixing, so H_res mixed it too": (
                res @ (streams + post[:, None] * said)
            ),
        }
        want = _update(streams, pre, post, res, function)
        want_equal(got, want, name="the new streams", known=known)


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


def with_logarithms(matrix):
    log = matrix.log().log_softmax(0)
    return log.log_softmax(1).exp()


def in_numpy(matrix):
    matrix = matrix.numpy() / matrix.numpy().sum(axis=0)
    return matrix / matrix.sum(axis=1)[:, None]


def update_as_one_event(streams, pre, post, res, function):
    """The sub-layer gets a batch of one event, in float64."""
    streams, pre, post, res = (x.double() for x in (streams, pre, post, res))
    said = function((pre[:, None] * streams).sum(0, keepdim=True))
    return torch.addmm(res @ streams, post[:, None], said)


def update_stream_by_stream(streams, pre, post, res, function):
    said = function(torch.einsum("n,nd->d", pre, streams))
    return [
        sum(w * x for w, x in zip(row, streams, strict=True)) + share * said
        for row, share in zip(res, post, strict=True)
    ]


RIGHT = [
    (check_sinkhorn_step, lambda m: rows(columns(m))),
    (check_sinkhorn_step, with_logarithms),
    (check_sinkhorn_step, in_numpy),
    (check_sinkhorn_step, lambda m: rows(columns(m.double())).tolist()),
    (check_stream_update, update),
    (check_stream_update, update_as_one_event),
    (check_stream_update, update_stream_by_stream),
    (check_stream_update, lambda *a: update(*a).numpy()),
    (check_idle, {"B", "C", "D"}),
    (check_idle, "BCD"),
    (check_idle, ("b", "c", "d")),
    (check_statements, ["A", "B", "D"]),
    (check_statements, "A B D"),
    (check_statements, np.array(["A", "B", "D"])),
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
    (check_sinkhorn_step, in_place, "in place"),
    (check_sinkhorn_step, lambda m: rows(columns(m)).T, "changed places"),
    (check_sinkhorn_step, lambda m: rows(m / (m.sum(0) + 1e-3)), "after one iteration"),
    (check_sinkhorn_step, lambda m: rows(columns(m.clamp(max=6))), "after one iteration"),
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
    (
        check_stream_update,
        lambda x, a, b, h, f: h @ x + b[:, None] * f(a @ h @ x),
        "after H_res had mixed",
    ),
    (check_stream_update, lambda x, a, b, h, f: update(x, a, b, h, lambda z: z), "0 times"),
    (check_stream_update, lambda x, a, b, h, f: h @ x - b[:, None] * f(a @ x), "the new streams"),
    (check_stream_update, lambda *a: update(*a)[:1].expand_as(a[0]), "the new streams"),
    (check_stream_update, lambda *a: update(*a).clamp(-1, 1), "the new streams"),
    (check_idle, {"B", "C"}, "look at D"),
    (check_idle, set("ABCDE"), "look at A"),
    (check_idle, {"B", "D"}, "look at C"),
    (check_idle, set(), "not with =="),
    (check_idle, "BCDE", "look at E"),
    (check_idle, ["C", "D"], "look at B"),
    (check_idle, {"A": True}, "set of letters"),
    (check_statements, {"A", "B", "D", "E"}, "look at E"),
    (check_statements, {"A", "D"}, "look at B"),
    (check_statements, {"A", "B", "C", "D"}, "look at C"),
    (check_statements, "AB", "look at D"),
    (check_statements, ("B", "D"), "look at A"),
    (check_statements, [True, True, False, True, False], "set of letters"),
    (check_statements, {"F"}, "set of letters"),
]
# Changes of right answers that stay right (tests/exercises/mutants.py), and why.
SCALE = "a factor that all columns share drops out when the rows are divided"
ARGUED = [
    (check_sinkhorn_step, "matrix.sum -> matrix.mean", SCALE),
    (check_sinkhorn_step, "matrix.numpy().sum -> matrix.numpy().mean", SCALE),
    (
        check_stream_update,
        "zip(row, streams, strict=True) -> zip(streams, row, strict=True)",
        "the two are multiplied with each other",
    ),
]
