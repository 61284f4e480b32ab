"""The checkers of lesson 09 were examined too: right answers pass, plausible wrong ones are named, stubs are not attempted."""

import torch

from tutorial_lib.exercises import lesson09
from tutorial_lib.models.mhc import sinkhorn


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
    (lesson09.check_sinkhorn_step, lambda m: rows(columns(m))),
    (lesson09.check_stream_update, update),
    (lesson09.check_idle, {"B", "C", "D"}),
    (lesson09.check_statements, ["A", "B", "D"]),
]
WRONG = [
    (lesson09.check_sinkhorn_step, lambda m: columns(rows(m)), "rows before columns"),
    (lesson09.check_sinkhorn_step, columns, "only the columns"),
    (lesson09.check_sinkhorn_step, rows, "only the rows"),
    (lesson09.check_sinkhorn_step, lambda m: m / m.sum(0) / m.sum(1, keepdim=True), "before the columns were divided"),
    (lesson09.check_sinkhorn_step, lambda m: m.softmax(0).softmax(1), "softmax"),
    (lesson09.check_sinkhorn_step, lambda m: m / m.sum(), "one number"),
    (lesson09.check_sinkhorn_step, lambda m: rows(columns(rows(columns(m)))), "after one iteration"),
    (lesson09.check_sinkhorn_step, in_place, "changed the matrix"),
    (lesson09.check_sinkhorn_step, lambda m: m.sum(0), "shape"),
    (lesson09.check_stream_update, lambda x, a, b, h, f: update(x, a, b, h.T, f), "transposed"),
    (lesson09.check_stream_update, lambda x, a, b, h, f: update(x, b, a, h, f), "swapped"),
    (lesson09.check_stream_update, lambda x, a, b, h, f: x + b[:, None] * f(a @ x), "H_res is missing"),
    (lesson09.check_stream_update, lambda x, a, b, h, f: h @ x + f(a @ x), "H_post is missing"),
    (lesson09.check_stream_update, lambda x, a, b, h, f: b[:, None] * f(a @ x), "old streams are gone"),
    (lesson09.check_stream_update, lambda x, a, b, h, f: h @ x + b[:, None] * f(x.mean(0)), "the mean of the streams"),
    (lesson09.check_stream_update, lambda x, a, b, h, f: h @ (x + b[:, None] * f(a @ x)), "before the mixing"),
    (lesson09.check_stream_update, one_call_each, "3 times"),
    (lesson09.check_stream_update, lambda x, a, b, h, f: h @ x + b[:, None] * f(x), "shape [3, 5]"),
    (lesson09.check_idle, {"B", "C"}, "look at D"),
    (lesson09.check_idle, set("ABCDE"), "look at A"),
    (lesson09.check_idle, {"B", "D"}, "look at C"),
    (lesson09.check_idle, set(), "not with =="),
    (lesson09.check_statements, {"A", "B", "D", "E"}, "look at E"),
    (lesson09.check_statements, {"A", "D"}, "look at B"),
    (lesson09.check_statements, {"A", "B", "C", "D"}, "look at C"),
    (lesson09.check_statements, {"F"}, "set of letters"),
]


def test_sealed_networks_are_idle_as_the_exercise_says():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 8, dtype=torch.double, generator=generator)
    first, second = sinkhorn(torch.randn(2, 3, 4, 4, dtype=torch.double, generator=generator), 200)
    moved = {name: (network(x, first) - network(x, second)).abs().max() for name, network in lesson09.sealed.items()}
    assert {name for name, size in moved.items() if size < 1e-12} == {"B", "C", "D"}
    assert min(moved["A"], moved["E"]) > 1e-3  # far from any tolerance that a student may choose


def test_statements_by_numbers():
    first, second = sinkhorn(torch.randn(2, 4, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0)), 500)
    ones = torch.ones(4, dtype=torch.double)
    assert torch.allclose((first @ second).sum(0), ones) and torch.allclose((first @ second).sum(1), ones)
    assert torch.linalg.inv(torch.tensor([[0.75, 0.25], [0.25, 0.75]])).min() < 0
