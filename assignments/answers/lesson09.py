"""Answers to the exercises of lesson 09: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import torch

from tutorial_lib.exercises import lesson09


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
    (
        lesson09.check_sinkhorn_step,
        lambda m: m / m.sum(0) / m.sum(1, keepdim=True),
        "before the columns were divided",
    ),
    (lesson09.check_sinkhorn_step, lambda m: m.softmax(0).softmax(1), "softmax"),
    (lesson09.check_sinkhorn_step, lambda m: m / m.sum(), "one number"),
    (
        lesson09.check_sinkhorn_step,
        lambda m: rows(columns(rows(columns(m)))),
        "after one iteration",
    ),
    (lesson09.check_sinkhorn_step, in_place, "changed the matrix"),
    (lesson09.check_sinkhorn_step, lambda m: m.sum(0), "shape"),
    (lesson09.check_stream_update, lambda x, a, b, h, f: update(x, a, b, h.T, f), "transposed"),
    (lesson09.check_stream_update, lambda x, a, b, h, f: update(x, b, a, h, f), "swapped"),
    (
        lesson09.check_stream_update,
        lambda x, a, b, h, f: x + b[:, None] * f(a @ x),
        "H_res is missing",
    ),
    (lesson09.check_stream_update, lambda x, a, b, h, f: h @ x + f(a @ x), "H_post is missing"),
    (
        lesson09.check_stream_update,
        lambda x, a, b, h, f: b[:, None] * f(a @ x),
        "old streams are gone",
    ),
    (
        lesson09.check_stream_update,
        lambda x, a, b, h, f: h @ x + b[:, None] * f(x.mean(0)),
        "the mean of the streams",
    ),
    (
        lesson09.check_stream_update,
        lambda x, a, b, h, f: h @ (x + b[:, None] * f(a @ x)),
        "before the mixing",
    ),
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
