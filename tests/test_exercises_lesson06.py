"""The checkers of lesson 06 were examined too: right answers pass, plausible wrong ones are named, stubs are not attempted."""

import torch
import torch.nn.functional as F

from tutorial_lib.exercises import lesson06

KINDS = {"A": "post-norm", "B": "no residual", "C": "pre-norm", "D": "no norm"}


def rms(x, gain, dim=-1, eps=1e-5):
    return x / (x.square().mean(dim, keepdim=True) + eps).sqrt() * gain


RIGHT = [
    (lesson06.check_rms_norm, rms),
    (lesson06.check_parallel_block, lambda x, n, a, f: x + a(n(x)) + f(n(x))),
    (lesson06.check_kinds, KINDS),
    (lesson06.check_unmoved, {"A", "B", "E"}),
]
WRONG = [
    (lesson06.check_rms_norm, lambda x, g: F.layer_norm(x, (4,), g), "mean was subtracted"),
    (lesson06.check_rms_norm, lambda x, g: x / (x.square().mean(-1, keepdim=True) + 1e-5) * g, "root is missing"),
    (lesson06.check_rms_norm, lambda x, g: x / (x.square().sum(-1, keepdim=True) + 1e-5).sqrt() * g, "summed"),
    (lesson06.check_rms_norm, lambda x, g: rms(x, 1), "gain is missing"),
    (lesson06.check_rms_norm, lambda x, g: rms(x, g, dim=1), "over the positions"),
    (lesson06.check_rms_norm, lambda x, g: rms(x, g, dim=(0, 1, 2)), "future included"),
    (lesson06.check_rms_norm, lambda x, g: rms(x, g, eps=0), "four zeros"),
    (lesson06.check_rms_norm, lambda x, g: x / (x.square().mean(-1, keepdim=True).sqrt() + 1e-5) * g, "under the root"),
    (lesson06.check_rms_norm, lambda x, g: rms(x, g)[0], "shape"),
    (lesson06.check_rms_norm, lambda x, g: rms(x, g) + 1, "it differs from"),
    (lesson06.check_parallel_block, lambda x, n, a, f: (x + a(n(x))) + f(n(x + a(n(x)))), "one after the other"),
    (lesson06.check_parallel_block, lambda x, n, a, f: a(n(x)) + f(n(x)), "x itself is missing"),
    (lesson06.check_parallel_block, lambda x, n, a, f: (x + a(n(x))) + (x + f(n(x))), "added twice"),
    (lesson06.check_parallel_block, lambda x, n, a, f: n(x) + a(n(x)) + f(n(x)), "carries norm(x)"),
    (lesson06.check_parallel_block, lambda x, n, a, f: x + a(x) + f(x), "read x"),
    (lesson06.check_parallel_block, lambda x, n, a, f: n(x + a(x) + f(x)), "post-norm"),
    (lesson06.check_parallel_block, lambda x, n, a, f: x + f(a(n(x))), "output of attention"),
    (lesson06.check_parallel_block, lambda x, n, a, f: x + a(n(x)) + f(x), "reads x"),
    (lesson06.check_parallel_block, lambda x, n, a, f: x + a(n(x)), "it differs from"),
    (lesson06.check_kinds, KINDS | {"A": "pre-norm", "C": "post-norm"}, "A is not pre-norm"),
    (lesson06.check_kinds, KINDS | {"C": "no norm", "D": "pre-norm"}, "C is not no norm"),
    (lesson06.check_kinds, KINDS | {"B": "pre-norm"}, "B is not pre-norm"),
    (lesson06.check_kinds, {"A": "post-norm"}, "dictionary"),
    (lesson06.check_kinds, KINDS | {"B": "without residual"}, "dictionary"),
    (lesson06.check_unmoved, {"A", "B"}, "look at E"),
    (lesson06.check_unmoved, {"A", "B", "D", "E"}, "look at D"),
    (lesson06.check_unmoved, {"A", "B", "C", "E"}, "look at C"),
    (lesson06.check_unmoved, {"X"}, "set of letters"),
]


def test_sealed_parts_can_be_told_apart_by_measuring():
    """What the exercise says to look at does tell the four kinds apart."""
    x = torch.randn(5, 16, generator=torch.Generator().manual_seed(1)).double()
    for letter, part in lesson06.sealed.items():
        once, ten = part(x), part(10 * x)
        rows = once.mean(dim=1).abs().max() < 1e-9 and (once.var(dim=1, correction=0) - 1).abs().max() < 1e-4
        nothing_through = torch.allclose(once, ten, atol=1e-4)
        same_change = torch.allclose(once - x, ten - 10 * x, atol=1e-4)
        seen = "post-norm" if rows else "no residual" if nothing_through else "pre-norm" if same_change else "no norm"
        assert seen == KINDS[letter]


def test_the_unmoved_changes_follow_from_torch():
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(2)).double()
    norm = lambda x: F.layer_norm(x, (6,), eps=1e-12)  # noqa: E731
    changes = {
        "A": x + torch.tensor([[5.0], [0], [0], [0]]),
        "B": x * torch.tensor([[3.0], [1], [1], [1]]),
        "C": x * torch.tensor([3.0, 1, 1, 1, 1, 1]),
        "D": -x,
        "E": x * torch.tensor([[0.5], [2], [3], [7]]),
    }
    assert {letter for letter, changed in changes.items() if torch.allclose(norm(changed), norm(x))} == {"A", "B", "E"}
