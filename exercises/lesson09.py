"""Checkers of lesson 09, hyper-connections and mHC."""

import numpy as np
import torch
from torch import Tensor

from exercises.checking import Wrong, compare_letters, exercise, want_array, want_equal
from exercises.open_task import END, END_ZH, Report, number_of, open_task, runs_of


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


@exercise(points=4, minutes=20)
def check_parallel(answer) -> None:
    """9.2: mappings with which two streams compute x + F(x) + G(x)."""
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        raise Wrong("the answer is three arrays, (pre, post, res)")
    shapes = {"pre": (2, 2), "post": (2, 2), "res": (2, 2, 2)}
    found = [
        want_array(part, f"`{name}`", shape, kind="float")
        for part, (name, shape) in zip(answer, shapes.items(), strict=True)
    ]
    pre, post, res = found
    near = 1e-5
    for name, values, most in (("pre", pre, 1), ("post", post, 2)):
        if not (values >= -near).all() or not (values <= most + near).all():
            raise Wrong(
                "`{name}` must lie between 0 and {most} in mHC, a sigmoid or twice a sigmoid",
                name=name,
                most=most,
            )
    ones = np.ones((2, 2))
    if not (
        (res >= -near).all()
        and np.allclose(res.sum(1), ones, atol=near)
        and np.allclose(res.sum(2), ones, atol=near)
    ):
        raise Wrong("each of the two matrices in `res` must be doubly stochastic")
    for place, name in enumerate("FG"):
        if abs(pre[place].sum() - 1) > near:
            raise Wrong(
                "{name} reads {share:.3g} times x in place of x: what do the two entries of"
                " pre[{place}] sum to?",
                name=name,
                share=pre[place].sum(),
                place=place,
            )
    if abs(pre[1] @ post[0]) > near:
        raise Wrong(
            "G reads x + {share:.3g} F(x): it must read a stream into which F has not written",
            share=pre[1] @ post[0],
        )
    for place, name in enumerate("FG"):
        if abs(post[place].mean() - 1) > near:
            raise Wrong(
                "{name} counts {share:.3g} times in the result: the mean of the two streams divides"
                " by 2 what stands in one of them only",
                name=name,
                share=post[place].mean(),
            )


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


@open_task
def open_report(report: Report) -> None:
    """The open task: orthogonal matrices between streams."""
    for name in ("loss_orthogonal", "loss_doubly_stochastic"):
        report.table(name, runs_of(5, 0), keys=(2, 4, 8))
    norms = report.table("norms", number_of(0), keys=(2, 4, 8))
    if norms:
        report.want(
            all(abs(one - 1) < 0.01 for one in norms.values()),
            "a product of orthogonal matrices has the spectral norm 1: is `mappings` the one that is used?",
        )
    report.closing()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def columns(matrix):
    return matrix / matrix.sum(0)


def rows(matrix):
    return matrix / matrix.sum(1, keepdim=True)


def in_place(matrix):
    matrix /= matrix.sum(0)
    return rows(matrix)


def with_logarithms(matrix):
    log = matrix.log().log_softmax(0)
    return log.log_softmax(1).exp()


def in_numpy(matrix):
    matrix = matrix.numpy() / matrix.numpy().sum(axis=0)
    return matrix / matrix.sum(axis=1)[:, None]


EYE = np.eye(2)
APART = ([[1, 0], [0, 1]], [[2, 0], [0, 2]], [EYE, EYE])  # F and G in streams of their own
SWAPPED = (  # the other stream, and matrices that have no say: the first mixes copies, the last is averaged
    [[0.5, 0.5], [1.0, 0.0]],
    torch.tensor([[0.0, 2.0], [1.0, 1.0]]),
    torch.tensor([[[0.3, 0.7], [0.7, 0.3]], [[0.5, 0.5], [0.5, 0.5]]]),
)
MIXED = (
    [[0.25, 0.75], [0, 1]],
    np.array([[2.0, 0], [0.5, 1.5]], dtype=np.float32),
    np.full((2, 2, 2), 0.5),
)


RIGHT = [
    (check_sinkhorn_step, lambda m: rows(columns(m))),
    (check_sinkhorn_step, with_logarithms),
    (check_sinkhorn_step, in_numpy),
    (check_sinkhorn_step, lambda m: rows(columns(m.double())).tolist()),
    (check_parallel, APART),
    (check_parallel, SWAPPED),
    (check_parallel, list(MIXED)),
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
    (check_parallel, ([[1, 0], [1, 0]], *APART[1:]), "G reads x + 2 F(x)"),
    (check_parallel, ([[1, 0], [0.5, 0.5]], *APART[1:]), "G reads x + 1 F(x)"),
    (check_parallel, (APART[0], EYE, APART[2]), "F counts 0.5 times"),
    (check_parallel, (APART[0], [[2, 0], [0, 1]], APART[2]), "G counts 0.5 times"),
    (check_parallel, ([[1, 1], [0, 1]], *APART[1:]), "F reads 2 times x"),
    (check_parallel, ([[1, 0], [0, 0.5]], *APART[1:]), "G reads 0.5 times x"),
    (check_parallel, (*APART[:2], [EYE, [[1, 1], [0, 0]]]), "doubly stochastic"),
    (check_parallel, (*APART[:2], [[[1.5, -0.5], [-0.5, 1.5]], EYE]), "doubly stochastic"),
    (check_parallel, ([[2, -1], [0, 1]], *APART[1:]), "`pre` must lie between 0 and 1"),
    (check_parallel, (APART[0], [[4, -2], [0, 2]], APART[2]), "`post` must lie between 0 and 2"),
    (check_parallel, (*APART[:2], EYE), "`res` has shape (2, 2)"),
    (check_parallel, APART[:2], "three arrays"),
    (check_parallel, {"pre": 1}, "three arrays"),
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
    (check_parallel, "[0][0] 0 and 1 swapped", "both streams hold x when F reads: either will do"),
    (check_parallel, "[1][1] 0 and 1 swapped", "the mean does not ask into which stream G writes"),
    *(
        (
            check_parallel,
            f"[2]{which} 0 and 1 swapped",
            "no res changes copies, or the mean at the end",
        )
        for which in ("[0]", "[1]", "")
    ),
]

OPEN = {
    "loss_orthogonal": {blocks: [0.4, 0.5, 0.3, 0.4, 0.6] for blocks in (2, 4, 8)},
    "loss_doubly_stochastic": {blocks: [0.6, 0.5, 0.7, 0.4, 0.6] for blocks in (2, 4, 8)},
    "norms": {2: 1.0, 4: 1.00001, 8: 0.99999},
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "norms": {2: 1.0, 4: 0.9, 8: 0.7}}, "spectral norm 1"),
    ({**OPEN, "loss_orthogonal": {2: [0.4, 0.5, 0.3, 0.4, 0.6], 4: [0.4]}}, "no entry for 8"),
    (
        {**OPEN, "loss_doubly_stochastic": {blocks: [0.4, 0.5] for blocks in (2, 4, 8)}},
        "2 of at least 5",
    ),
]
