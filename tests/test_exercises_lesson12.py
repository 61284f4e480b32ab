"""The checkers of lesson 12 were examined too: right answers pass, plausible wrong ones are named, stubs are not attempted."""

import torch
import torch.nn.functional as F

from tutorial_lib.exercises import lesson12
from tutorial_lib.models import build_model


def share(raw, gate, bias, A, first=1, last=None):
    return torch.exp(A * F.softplus(gate * raw + bias)[first:last].sum())


def norm(gaps, is_real, eps=1e-5, keep=False, less=0):
    count = is_real.sum(1, keepdim=True)
    gaps = gaps.masked_fill(~is_real, 0)
    deviation = gaps - gaps.sum(1, keepdim=True) / count
    real = deviation.masked_fill(~is_real, 0)
    variance = real.square().sum(1, keepdim=True) / (count - less).clamp(min=1)
    return (deviation if keep else real) / (variance + eps).sqrt()


def eps_outside(gaps, is_real):
    count = is_real.sum(1, keepdim=True)
    gaps = gaps.masked_fill(~is_real, 0)
    real = (gaps - gaps.sum(1, keepdim=True) / count).masked_fill(~is_real, 0)
    return real / ((real.square().sum(1, keepdim=True) / count).sqrt() + 1e-5)


def zeros_count(gaps, is_real):
    return F.layer_norm(gaps.masked_fill(~is_real, 0), (gaps.shape[1],))


RIGHT = [
    (lesson12.check_share_left, share),
    (lesson12.check_share_left, lambda *inputs: share(*inputs).item()),
    (lesson12.check_masked_norm, norm),
    (lesson12.check_reads_the_future, {"B", "D", "F"}),
    (lesson12.check_unmoved, ["A", "B"]),
]
WRONG = [
    (lesson12.check_share_left, lambda r, g, b, A: share(r, g, b, A, first=0), "all five steps"),
    (lesson12.check_share_left, lambda r, g, b, A: share(r, g, b, A, last=-1), "last step is missing"),
    (lesson12.check_share_left, lambda r, g, b, A: share(r, g, b, A, 0, -1), "events 1 to 4"),
    (lesson12.check_share_left, lambda r, g, b, A: torch.exp(A * (F.softplus(r + b) * g)[1:].sum()), "finished step"),
    (lesson12.check_share_left, lambda r, g, b, A: torch.exp(A * F.softplus(g * (r + b))[1:].sum()), "bias as well"),
    (lesson12.check_share_left, lambda r, g, b, A: share(r, torch.ones(len(r)), b, A), "gate is not used"),
    (lesson12.check_share_left, lambda r, g, b, A: share(r, g, 0, A), "bias is not used"),
    (lesson12.check_share_left, lambda r, g, b, A: torch.exp(A * (g * r + b)[1:].sum()), "softplus is missing"),
    (lesson12.check_share_left, lambda r, g, b, A: share(r, g, b, -A), "turned round"),
    (lesson12.check_share_left, lambda r, g, b, A: share(r, g, b, -1), "A is not used"),
    (lesson12.check_share_left, lambda r, g, b, A: share(r, g, b, A).log(), "exponent"),
    (lesson12.check_share_left, lambda r, g, b, A: F.softplus(g * r + b), "one number"),
    (lesson12.check_share_left, lambda r, g, b, A: share(r, g, b, A) * (0.5 if len(r) == 1 else 1), "single event"),
    (lesson12.check_masked_norm, lambda g, r: F.layer_norm(g, (7,)), "pads take part"),
    (lesson12.check_masked_norm, lambda g, r: F.layer_norm(g, (7,)) * r, "pads take part"),
    (lesson12.check_masked_norm, zeros_count, "number of real events"),
    (lesson12.check_masked_norm, lambda g, r: zeros_count(g, r) * r, "number of real events"),
    (lesson12.check_masked_norm, lambda g, r: norm(g, r, keep=True), "do not come out as 0"),
    (lesson12.check_masked_norm, lambda g, r: norm(g, r, less=1), "minus 1"),
    (lesson12.check_masked_norm, lambda g, r: norm(g, r, eps=0), "nan or inf"),
    (lesson12.check_masked_norm, eps_outside, "under the root"),
    (lesson12.check_masked_norm, lambda g, r: norm(g, r)[0], "shape"),
    (lesson12.check_reads_the_future, {"B", "D"}, "look at F"),
    (lesson12.check_reads_the_future, {"B", "D", "E", "F"}, "look at E"),
    (lesson12.check_reads_the_future, {"B", "C", "D", "F"}, "look at C"),
    (lesson12.check_reads_the_future, {"G"}, "set of letters"),
    (lesson12.check_unmoved, {"A"}, "look at B"),
    (lesson12.check_unmoved, {"A", "B", "C"}, "look at C"),
    (lesson12.check_unmoved, {"A", "B", "E"}, "look at E"),
]


def test_sealed_signals_read_ahead_as_the_exercise_says():
    instants = 1_700_000_000 + torch.tensor([0, 500, 700, 9000, 80_000, 300_000])
    moved = instants + 60 * torch.eye(6, dtype=torch.int64)
    changed = {letter: signal(moved) != signal(instants.expand(6, 6)) for letter, signal in lesson12.sealed.items()}
    assert {letter for letter, table in changed.items() if table.tril(-1).any()} == {"B", "D", "F"}
    assert all(table.any() for table in changed.values())


@torch.no_grad()
def test_the_unmoved_changes_follow_from_the_model():
    def published(length):
        model = build_model("tim4rec", num_items=20, max_len=length, dim=16, dropout=0.0, literal=True, mask_pads=True).eval()
        for parameter in model.gates.parameters():
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).sin().view_as(parameter))
        for layer in model.layers:
            layer.mixer.in_proj.weight.mul_(20)
        return model

    model, items = published(8), torch.tensor([[3, 7, 11, 2, 19, 5, 8, 13]])
    times = 1_700_000_000 + torch.tensor([[0, 300, 900, 90_000, 90_300, 400_000, 800_000, 801_000]])
    start, stretched, padded = times[:, :1], times.clone(), F.pad(items, (0, 10))
    stretched[:, -1] += 2 * 1000
    held = torch.cat([times, times[:, -1:].expand(-1, 10)], dim=1)
    states = {
        "A": model(items, times + 31_536_000),
        "B": model(items, start + 3 * (times - start)),
        "C": model(items, stretched),
        "D": model(items[:, [0, 1, 3, 2, 4, 5, 6, 7]], times),
        "E": published(18)(padded, held)[:, :8],
    }
    want = model(items, times)
    assert {letter for letter, got in states.items() if torch.allclose(got, want, atol=1e-4)} == {"A", "B"}
