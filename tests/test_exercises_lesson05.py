"""The checkers of lesson 05 were examined too: right answers pass, plausible wrong ones are named, stubs are not attempted."""

import torch

from tutorial_lib.checks import influence
from tutorial_lib.exercises import lesson05
from tutorial_lib.models.attention import causal_mask


def window(length, width):
    allowed = torch.ones(length, length, dtype=torch.bool)
    return allowed.tril() & allowed.triu(1 - width)


def eye(is_real):
    return torch.eye(is_real.shape[1], dtype=torch.bool)


RIGHT = [
    (lesson05.check_window_mask, window),
    (lesson05.check_padded_mask, lambda r: (causal_mask(r.shape[1]) & r[:, None, :]) | eye(r)),
    (lesson05.check_leaking, {"B", "D"}),
    (lesson05.check_parts, ["B", "C", "E"]),
]
WRONG = [
    (lesson05.check_window_mask, lambda n, w: window(n, w + 1), "one event too far"),
    (lesson05.check_window_mask, lambda n, w: ~window(n, w), "turned round"),
    (lesson05.check_window_mask, lambda n, w: window(n, w).T, "ahead instead of back"),
    (lesson05.check_window_mask, lambda n, w: window(n, w - 1), "yours allows [5, 6]"),
    (lesson05.check_window_mask, lambda n, w: window(n, w) | window(n, w).T, "later event"),
    (lesson05.check_window_mask, lambda n, w: window(n, 3), "width 1"),
    (lesson05.check_window_mask, lambda n, w: window(n, w).float(), "dtype"),
    (lesson05.check_padded_mask, lambda r: causal_mask(r.shape[1]) & r[:, None, :], "allows no key"),
    (lesson05.check_padded_mask, lambda r: (causal_mask(r.shape[1]) & r[:, :, None]) | eye(r), "look at a pad"),
    (lesson05.check_padded_mask, lambda r: r[:, None, :] | eye(r), "later event"),
    (lesson05.check_padded_mask, lambda r: eye(r).repeat(len(r), 1, 1), "some real event before it"),
    (lesson05.check_padded_mask, lambda r: causal_mask(r.shape[1]), "shape"),
    (lesson05.check_leaking, {"B"}, "eight events"),
    (lesson05.check_leaking, {"B", "C", "D"}, "look at C"),
    (lesson05.check_leaking, set(), "look at B"),
    (lesson05.check_leaking, {"Z"}, "set of letters"),
    (lesson05.check_parts, {"B", "E"}, "look at C"),
    (lesson05.check_parts, {"A", "B", "C", "E"}, "look at A"),
    (lesson05.check_parts, {"B", "C", "D", "E"}, "look at D"),
]


def test_sealed_models_leak_as_the_exercise_says():
    ahead = torch.ones(12, 12, dtype=torch.bool).triu(1)
    leaks = {name for name, model in lesson05.sealed.items() if influence(model, torch.arange(1, 13))[ahead].any()}
    assert leaks == {"B", "D"}
    short = torch.ones(6, 6, dtype=torch.bool).triu(1)
    assert not influence(lesson05.sealed["D"], torch.arange(1, 7))[short].any()  # a short history misses it


def test_influence_by_hand():
    """Output i of a cumulative sum depends on inputs 1..i; of a shift to the left, on input i + 1 alone."""
    items = torch.tensor([1, 5, 3, 2])
    assert torch.equal(influence(lambda x: x.cumsum(1)[..., None].float(), items), causal_mask(4))
    shifted = influence(lambda x: x.roll(-1, 1)[..., None].float(), items)
    assert torch.equal(shifted, torch.eye(4, dtype=torch.bool).roll(1, 1))
