"""The checkers of lesson 13 were examined too: right answers pass, plausible wrong ones are named, stubs are not attempted."""

import math

import torch

from tutorial_lib.exercises import lesson13
from tutorial_lib.models import build_model

LN2 = math.log(2)


def eigenvalue(half_life, period, top=LN2, turn=2 * math.pi):
    return complex(-top / half_life, turn / period)


def read_at(rate, state, u, waits, kept=None, weight=1):
    growth = torch.expm1(rate * waits)
    return (1 + growth if kept is None else kept) * state + weight * growth / rate * u


def naive(rate, state, u, waits):
    kept = torch.exp(rate * waits)
    return kept * state + (kept - 1) / rate * u


RIGHT = [
    (lesson13.check_eigenvalue_for, eigenvalue),
    (lesson13.check_eigenvalue_for, lambda h, p: torch.tensor(eigenvalue(h, p))),
    (lesson13.check_read_at, read_at),
    (lesson13.check_honest, {"A", "E"}),
    (lesson13.check_unchanged, ["A", "B", "E"]),
]
WRONG = [
    (lesson13.check_eigenvalue_for, lambda h, p: eigenvalue(h, p, top=-math.log(2)), "would grow"),
    (lesson13.check_eigenvalue_for, lambda h, p: eigenvalue(h, p, top=1), "needs ln 2"),
    (lesson13.check_eigenvalue_for, lambda h, p: eigenvalue(1 / h, p), "half-life multiplies"),
    (lesson13.check_eigenvalue_for, lambda h, p: eigenvalue(h, p, turn=-2 * math.pi), "to the right"),
    (lesson13.check_eigenvalue_for, lambda h, p: eigenvalue(h, p, turn=1), "turns by 1"),
    (lesson13.check_eigenvalue_for, lambda h, p: eigenvalue(h, p, turn=math.pi), "half a turn"),
    (lesson13.check_eigenvalue_for, lambda h, p: eigenvalue(h, p, turn=360), "radians"),
    (lesson13.check_eigenvalue_for, lambda h, p: -math.log(2) / h, "does not turn"),
    (lesson13.check_eigenvalue_for, lambda h, p: (-math.log(2) / h, 2 * math.pi / p), "complex number"),
    (lesson13.check_eigenvalue_for, lambda h, p: eigenvalue(h, p, top=2), "wanted 0.5 and 1"),
    (lesson13.check_read_at, lambda r, s, u, w: torch.exp(r * w) * s + u, "pushed nothing yet"),
    (lesson13.check_read_at, lambda r, s, u, w: torch.exp(r * w) * (s + u), "as a tap would"),
    (lesson13.check_read_at, lambda r, s, u, w: read_at(r, s, -u, w), "wrong way"),
    (lesson13.check_read_at, lambda r, s, u, w: read_at(r, s, u, w, weight=-r), "plain average"),
    (lesson13.check_read_at, lambda r, s, u, w: read_at(r, s, 0 * u, w), "input is missing"),
    (lesson13.check_read_at, lambda r, s, u, w: read_at(r, s, u, w, kept=1), "does not fade"),
    (lesson13.check_read_at, lambda r, s, u, w: torch.exp(r * w) * s + w * u, "Euler"),
    (lesson13.check_read_at, lambda r, s, u, w: read_at(r, s, u, w.cumsum(0)), "added up"),
    (lesson13.check_read_at, naive, "expm1"),
    (lesson13.check_read_at, lambda r, s, u, w: read_at(r, s, u, w)[-1], "shape"),
    (lesson13.check_read_at, lambda r, s, u, w: 2 * read_at(r, s, u, w), "it differs from"),
    (lesson13.check_honest, {"A"}, "look at E"),
    (lesson13.check_honest, {"A", "E", "F"}, "look at F"),
    (lesson13.check_honest, {"A", "D", "E"}, "look at D"),
    (lesson13.check_honest, {"A", "B", "E"}, "look at B"),
    (lesson13.check_honest, "xyz", "set of letters"),
    (lesson13.check_unchanged, {"A", "E"}, "look at B"),
    (lesson13.check_unchanged, {"A", "B", "D", "E"}, "look at D"),
    (lesson13.check_unchanged, {"A", "B", "C", "E"}, "look at C"),
]


def test_sealed_laws_are_as_the_exercise_says():
    start = torch.tensor([1 + 0j, -2 + 3j])
    pairs = [(1.0, 1.0), (0.0, 1.0), (10.0, 10.0)]
    honest = {
        letter
        for letter, law in lesson13.sealed.items()
        if all(torch.allclose(law(law(start, a), b), law(start, a + b), rtol=1e-4) for a, b in pairs)
    }
    assert honest == {"A", "E"}


@torch.no_grad()
def test_the_unchanged_state_follows_from_the_model():
    model = build_model("ss4rec", num_items=20, max_len=8, dim=16, state=4, expand=1, dropout=0.0, query_time=False).eval()
    for block in model.blocks:
        block.time_aware.log_step += 2  # larger steps than at the start, so that the clock shows
    items = torch.tensor([[3, 7, 11, 2, 19, 5, 8, 13]])
    times = 1_700_000_000 + torch.tensor([[0, 300, 90_000, 90_000, 93_000, 400_000, 800_000, 801_000]])
    queries = torch.cat([times[:, 1:], times[:, -1:] + 500], dim=1)
    first, last = (torch.arange(8) == 0) * -86_400, (torch.arange(8) == 7) * 86_400
    states = {
        "A": model(items, times + 604_800, queries + 604_800),
        "B": model(items, times, queries + 864_000),
        "C": model(items, times + first, queries),
        "D": model(items[:, [0, 1, 3, 2, 4, 5, 6, 7]], times, queries),
        "E": model(items, times + last, queries),
    }
    want = model(items, times, queries)[:, 4]
    assert {letter for letter, got in states.items() if torch.allclose(got[:, 4], want, atol=1e-5)} == {"A", "B", "E"}
