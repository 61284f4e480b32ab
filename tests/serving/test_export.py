"""The exported program is the model, for every sequence model and any number of users."""

import shutil

import pytest
import torch

from tests.serving.test_streams import NUM_ITEMS, STREAMED, WINDOWED
from tutorial_lib.errors import TutorialError
from tutorial_lib.models import build_model
from tutorial_lib.models.clock import Clock
from tutorial_lib.models.tisasrec import log_buckets
from tutorial_lib.serving.export import compiled, export_model, full_pass
from tutorial_lib.serving.states import states_of

pytestmark = pytest.mark.thorough

LENGTH = 4  # loops over the events are unrolled
OPTIONS = {name: several[-1] for name, several in (STREAMED | WINDOWED).items()}
OPTIONS |= {"sasrec_mhc": {"blocks": 1}, "tisasrec_mhc": {"blocks": 1, "query_time": True}}
OPTIONS |= {"tim4rec": {"query_time": True}, "deepm3": {"flow": "attractor", "query_time": True}}


def make(name, seed=0, **options):
    sizes = {"num_items": NUM_ITEMS, "max_len": LENGTH, "dim": 8, "seed": seed}
    model = build_model(name, **sizes, **options)
    if not model.trains_by_gradient:
        model.fit(torch.arange(40).numpy() // 10, torch.arange(40).numpy() % NUM_ITEMS + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    for part in model.modules():
        if isinstance(part, Clock):  # as after training, and not 0 and 1
            part.mean.fill_(0.7), part.std.fill_(1.3)
    return model.eval()


def windows(batch, seed=0):
    generator = torch.Generator().manual_seed(seed)
    items = torch.randint(1, NUM_ITEMS + 1, (batch, LENGTH), generator=generator)
    gaps = torch.randint(0, 10**6, (batch, LENGTH + 1), generator=generator)
    times = 1_700_000_000 + gaps.cumsum(1)
    items[::2, 3:] = 0
    return items, times[:, :-1], times[:, 1:]


@pytest.mark.parametrize("name", OPTIONS)
def test_the_exported_program_is_the_model(name):
    model = make(name, **OPTIONS[name])
    program = export_model(model).module()
    with torch.inference_mode():
        for batch in (1, 2, 3, 200):
            given = windows(batch, seed=batch)
            real = given[0] > 0
            got, expected = program(*given), model(*given)
            assert expected.shape[:2] == (batch, LENGTH)
            torch.testing.assert_close(got[real], expected[real], atol=1e-5, rtol=1e-5)


def test_states_read_by_the_exported_program():
    model = make("tisasrec", query_time=True)
    program, plain = states_of(model, full_pass(model, "exported")), states_of(model)
    items, times, query_times = windows(6)
    rows = torch.arange(6)
    for k in range(3):
        for states in (program, plain):
            states.add(rows[k:], items[k:, k], times[k:, k])
    rows = rows[1:]
    got, expected = (states.read(rows, query_times[rows, 2]) for states in (program, plain))
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_buckets_have_the_bits_of_before():
    """`math.log1p` and Python floats until now; checkpoints were trained with these."""
    import math

    generator = torch.Generator().manual_seed(0)
    gaps = torch.randint(0, 10**8, (300,), generator=generator)
    for horizon in torch.randint(60, 10**9, (300,), generator=generator):
        scale = 64 / math.log1p(float(horizon) / 60)
        before = (gaps.float() / 60).log1p_().mul_(scale).round_().clamp_(max=64).long()
        assert torch.equal(log_buckets(gaps, horizon, 64), before)


def test_unknown_ways_and_models():
    model = make("sasrec")
    with pytest.raises(TutorialError, match="unknown full pass 'fast': choose one of eager, exp"):
        full_pass(model, "fast")
    assert full_pass(model, "eager") is None
    mf = build_model("mf", num_items=5, num_users=3, max_len=4)
    with pytest.raises(TutorialError, match="MF reads no histories"):
        export_model(mf)


def test_compile_says_what_it_needs(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(TutorialError, match="no C.. compiler: install g.., or take --full-pass"):
        compiled(make("sasrec"))
