"""Every model trains and is evaluated on a device that lacks what Apple's MPS lacks."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tutorial_lib import kernels
from tutorial_lib.data import sequences
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.splits import leave_last_out
from tutorial_lib.evaluate import evaluate
from tutorial_lib.models import MODELS, base, build_model
from tutorial_lib.train import TrainConfig, train

# the parts of a model that read the clock or the time of the query, beside its defaults
VARIANTS = [(name, {}) for name in MODELS] + [
    ("lrurec", {"time_aware": True, "query_time": True}),
    ("tisasrec", {"bucketing": "linear", "query_time": True}),
    ("tim4rec", {"query_time": True}),
    ("hstu", {"query_time": True}),
    ("mamba4rec", {"mixer": "s6"}),
    *(
        ("deepm3", {"flow": flow, "query_time": True})
        for flow in ("since_event", "published", "decay", "attractor", "gap_feature")
    ),
]


class Limited(TorchDispatchMode):
    """Stops at any float64 and at a whole int64 drawn at random, as on MPS."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket is torch.ops.aten.random_ and args[1:2] == (-(2**63),):
            raise TypeError("random_ refuses the full range of int64 here")
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, torch.Tensor) and leaf.dtype in (torch.float64, torch.complex128):
                raise TypeError(f"{func} makes {leaf.dtype}, which this device does not have")
        return out


def toy_split():
    rng, rows = np.random.default_rng(0), []
    for user in range(12):
        times = 1_600_000_000 + np.cumsum(rng.integers(1, 10**6, 8))
        rows += [(user, item, time) for item, time in zip(rng.permutation(20), times, strict=False)]
    return leave_last_out(
        make_dataset("toy", pd.DataFrame(rows, columns=["user", "item", "timestamp"]))
    )


def run(name, options, loss, device):
    """A model is built, and one that counts also fitted, on the host; the rest on the device."""
    split = toy_split()
    sizes = {"num_items": split.dataset.num_items, "num_users": split.dataset.num_users}
    model = build_model(name, **sizes, max_len=6, dim=8, **options)
    config = TrainConfig(loss=loss, epochs=2, batch_size=8, averaging=0.9)
    if not model.trains_by_gradient:
        train(model, split, config, device="cpu", progress=False)
    with device:
        history = (
            train(model, split, config, device="cpu", progress=False).rows
            if (model.trains_by_gradient)
            else []
        )
        return history, evaluate(model, split, "test", sampled=5, lists=3)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_no_float64_and_no_whole_words(name, options, monkeypatch):
    for loss in ("ce", "bce") if MODELS[name].trains_by_gradient else ("ce",):
        history, ranks = run(name, options, loss, nullcontext())
        with monkeypatch.context() as patch:
            for module in (sequences, kernels.dropout):
                patch.setattr(module, "WITHOUT_FLOAT64", ("cpu",))
            limited, ranks_there = run(name, options, loss, Limited())
        assert len(ranks_there) == len(ranks) == 12
        for row, want in zip(limited, history, strict=True):
            # other dropout, and gaps in float32
            assert row["loss"] == pytest.approx(want["loss"], rel=0.2)


@pytest.mark.parametrize(
    ("name", "words"), [("sasrec", "full range"), ("deepm3", "float64"), ("tim4rec", "float64")]
)
def test_the_limits_are_felt(name, words):
    """Without its own way on such devices the library stops there."""
    with pytest.raises(TypeError, match=words):
        run(name, {"dropout": 0.0} if words == "float64" else {}, "ce", Limited())


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_dropout_there(p, monkeypatch):
    monkeypatch.setattr(kernels.dropout, "WITHOUT_FLOAT64", ("cpu",))
    torch.manual_seed(0)
    out = base.Dropout(p).train()(torch.ones(100_000))
    assert out.unique().tolist() == pytest.approx([0, 1 / (1 - p)])
    assert (out == 0).float().mean().item() == pytest.approx(p, abs=0.006)


def test_short_gaps_survive_in_float32(monkeypatch):
    """Differences are taken in int64 wherever there is no float64: a second stays a second."""
    times = torch.tensor([[1_700_000_000, 1_700_000_001, 1_700_003_601, 1_731_536_000]])
    stats = sequences.GapStatistics(0.0, 1.0)
    want, _ = sequences.gap_feature(times, stats=stats)
    monkeypatch.setattr(sequences, "WITHOUT_FLOAT64", ("cpu",))
    with Limited():
        got, _ = sequences.gap_feature(times, stats=stats)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-9)
    assert got[0, 1].item() == pytest.approx(np.log1p(1 / 3600), rel=1e-5)
