"""Every variant of deepm3: what it may see, what it must see, no idle parameter, and a stream that
equals a window.
"""

import pytest
import torch

from tests.models.test_last_gap import accuracies
from tutorial_lib.errors import TutorialError
from tutorial_lib.losses import full_softmax
from tutorial_lib.models import build_model
from tutorial_lib.models.deepm3 import FLOWS, elapsed_hours

NUM_ITEMS, LENGTH, DAY = 30, 10, 86_400
CLOCKED = [{"flow": flow} for flow in FLOWS] + [
    {"solver": "euler", "steps": 3},
    {"solver": "adaptive"},
    {"flow": "since_event", "lipschitz": 0.5},
    {"lipschitz": 2.0, "steps": 2},
    {"flow": "attractor", "size": "light"},
    {"flow": "published", "solver": "euler", "size": "light"},
]
VARIANTS = [{"solver": "none"}] + [
    option | {"query_time": query} for option in CLOCKED for query in (False, True)
]


def name(options):
    return "-".join(f"{key}={value}" for key, value in options.items())


every_variant = pytest.mark.parametrize("options", VARIANTS, ids=name)
every_clocked = pytest.mark.parametrize("options", CLOCKED, ids=name)


def make(dim=12, scale=8.0, **options):
    """With larger weights than at the start, so that a leak would show."""
    model = build_model(
        "deepm3", num_items=NUM_ITEMS, max_len=LENGTH + 5, dim=dim, seed=1, **options
    ).eval()
    with torch.no_grad():
        for label, parameter in model.named_parameters():
            if "log_rate" not in label:
                parameter.mul_(scale)
    return model


def histories(batch=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    items = torch.randint(1, NUM_ITEMS + 1, (batch, LENGTH), generator=generator)
    # a minute to a week
    gaps = (60 * 10 ** (4 * torch.rand(batch, LENGTH + 1, generator=generator))).long()
    times = 1_700_000_000 + gaps.cumsum(1)
    return items, times[:, :-1], times[:, 1:]


@every_variant
def test_no_position_sees_what_comes_later(options):
    model = make(**options)
    items, times, queries = histories()
    before = model(items, times, queries)
    for cut in (1, 6, LENGTH - 1):
        changed, later, later_queries = items.clone(), times.clone(), queries.clone()
        changed[:, cut:] = changed[:, cut:] % NUM_ITEMS + 1
        later[:, cut:] += 12_345
        later_queries[:, cut:] += 23_456
        after = model(changed, later, later_queries)
        assert torch.equal(after[:, :cut], before[:, :cut])
        assert not torch.equal(after[:, cut], before[:, cut])


@every_variant
def test_times_count_exactly_where_the_variant_says(options):
    """Move one event's time, then one query's: who may notice does, by more than rounding, and
    nobody else.
    """
    model = make(**options)
    items, times, queries = histories()
    before = model(items, times, queries)
    later = times.clone()
    later[:, 4] += DAY
    moved = (model(items, later, queries) - before).abs().amax(dim=(0, 2))
    assert (moved[:4] == 0).all()
    assert (moved[5:] > 1e-4).all() if options.get("solver") != "none" else (moved == 0).all()
    assert (moved[4] > 1e-4) == (options.get("solver") != "none")
    later_queries = queries.clone()
    later_queries[:, 4] += DAY
    moved = (model(items, times, later_queries) - before).abs().amax(dim=(0, 2))
    assert (moved[4] > 1e-4) == options.get("query_time", False)
    assert (moved[torch.arange(LENGTH) != 4] == 0).all()


@every_variant
def test_pads_and_batch_mates_change_nothing(options):
    model = make(**options)
    items, times, queries = histories()
    alone = model(items[:1, :6], times[:1, :6], queries[:1, :6])[0]
    padded = [
        torch.cat([part, part[:, -1:].repeat(1, 5)], dim=1) for part in (items, times, queries)
    ]
    padded[0][:, LENGTH:] = 0
    padded[0][0, 6:] = 0
    padded[1][0, 6:] = padded[2][0, 6:] = times[0, 5]
    together = model(*padded)
    # its steps follow the worst row of the batch
    tolerance = 1e-4 if options.get("solver") == "adaptive" else 1e-5
    torch.testing.assert_close(together[0, :6], alone, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(
        together[1:, :LENGTH], model(items, times, queries)[1:], atol=tolerance, rtol=tolerance
    )


@every_variant
def test_a_stream_gives_what_the_full_pass_gives(options):
    model = make(**options)
    items, times, queries = histories()
    whole = model(items, times, queries)
    state = None
    for i in range(LENGTH):
        state = model.step(state, items[:, i], times[:, i])
        torch.testing.assert_close(
            model.read(state, queries[:, i]), whole[:, i], atol=1e-5, rtol=1e-5
        )
    assert state.fast.shape == (5, model.width)
    torch.testing.assert_close(model.read(state), model(items, times)[:, -1], atol=1e-5, rtol=1e-5)


@every_variant
def test_no_parameter_is_idle(options):
    model = make(**options)
    items, times, queries = histories()
    targets = torch.randint(
        1, NUM_ITEMS + 1, items.shape, generator=torch.Generator().manual_seed(1)
    )
    full_softmax(
        model(items, times, queries).flatten(0, 1), model.item_embedding.weight, targets.flatten()
    ).backward()
    for label, parameter in model.named_parameters():
        assert (
            parameter.grad is not None
            and parameter.grad.isfinite().all()
            and parameter.grad.abs().sum() > 0
        ), label
    assert model.item_embedding.weight.grad[0].abs().sum() == 0


def test_a_blind_twin_is_a_plain_gru():
    model = make(solver="none", flow="attractor").double()
    assert not model.uses_time and model.flow is None and model.slow is None
    items, _, _ = histories()
    gru = torch.nn.GRU(12, 12, batch_first=True).double()
    gru.load_state_dict({f"{key}_l0": value for key, value in model.cell.state_dict().items()})
    expected = model.out(gru(model.item_embedding(items) * 12**0.5)[0])
    torch.testing.assert_close(model(items), expected, atol=1e-12, rtol=1e-12)


@every_clocked
def test_no_time_no_evolution(options):
    """A gap of 0 is the identity: to the bit, but for the adaptive solver's interpolation and for
    lerp's rounding.
    """
    model = make(**options)
    items, times, _ = histories()
    if model.flow is not None:
        state, goal = torch.randn(2, 5, model.width, generator=torch.Generator().manual_seed(0))
        exact = options.get("solver") != "adaptive" and options.get("flow") != "attractor"
        torch.testing.assert_close(
            model.flow(state, torch.zeros(5), goal), state, atol=0 if exact else 5e-6, rtol=0
        )
        assert (model.flow(state, torch.full((5,), 5.0), goal) - state).abs().amax() > 1e-2
        together = times[:, :1].expand_as(times)
        blind = make(solver="none", size=options.get("size", "base"))
        blind.load_state_dict(model.state_dict(), strict=False)
        torch.testing.assert_close(model(items, together), blind(items), atol=1e-5, rtol=1e-5)


def test_seconds_survive_large_unix_times():
    """float32 knows 1.7e9 to the nearest 128 only."""
    start = torch.tensor([1_700_000_000, 1_700_000_000, 1_700_000_060])
    hours = elapsed_hours(start, torch.tensor([1_700_000_000, 1_700_000_001, 1_700_000_000]))
    assert hours.tolist() == pytest.approx([0, 1 / 3600, 0])


@pytest.mark.parametrize("flow", FLOWS)
def test_who_is_told_the_query_time_solves_the_last_gap_task(flow):
    options = {"flow": flow, "solver": "euler", "query_time": True, "dropout": 0.0}
    assert accuracies(build_model("deepm3", num_items=12, max_len=8, dim=16, **options))[1] >= 0.95


@pytest.mark.parametrize("options", [{"solver": "none"}, {"flow": "decay"}], ids=name)
def test_who_is_not_told_guesses(options):
    model = build_model("deepm3", num_items=12, max_len=8, dim=16, dropout=0.0, **options)
    assert abs(accuracies(model)[1] - 0.5) < 4 * (0.25 / 2000) ** 0.5


def count(dim, **options):
    model = build_model("deepm3", num_items=3952, max_len=20, dim=dim, **options)
    return sum(parameter.numel() for parameter in model.parameters())


def test_parameter_counts():
    """Items, GRU, read-out; then what each flow adds. No copy of the GRU lies idle, as one of
    99,072 does in the public code.
    """
    d = 128
    gru, read_out, items = 6 * d * d + 6 * d, d * d + d, 3953 * d
    assert gru == 99_072 and items == 505_984
    plain = items + gru + read_out
    extra = {flow: count(d, flow=flow) - plain for flow in FLOWS}
    field = 2 * d * 2 * d + 3 * d
    assert extra == {
        "autonomous": field,
        "since_event": field + 2 * d,
        "published": field + 2 * d + 2 * d * d,
        "decay": d,
        "attractor": d + gru + read_out,
        "gap_feature": 3 * d,
    }
    assert count(d, solver="none") == plain
    half = d // 2
    assert (
        count(d, size="light", solver="none")
        == items + 3 * half * (d + half) + 6 * half + half * d + d
    )


@pytest.mark.parametrize(
    "options, message",
    [
        ({"flow": "linear"}, "unknown flow 'linear'; known are autonomous"),
        ({"solver": "heun"}, "unknown solver 'heun'; known are none"),
        ({"size": "tiny"}, "known are base, light"),
        ({"steps": 0}, "steps must be a whole number"),
        ({"lipschitz": -1.0}, "from 0"),
        ({"lipschitz": 1.0, "flow": "decay"}, "decay has none"),
        ({"solver": "none", "query_time": True}, "set query_time=False"),
    ],
    ids=str,
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(TutorialError, match=message):
        build_model("deepm3", num_items=5, max_len=5, dim=4, **options)


def test_times_are_asked_for():
    items, times, queries = histories()
    for call in (lambda m: m(items), lambda m: m.step(None, items[:, 0])):
        with pytest.raises(TutorialError, match="DeepM3 got times None: give unix seconds"):
            call(make())
    assert make(solver="none")(items).shape == (5, LENGTH, 12)
    with pytest.raises(TutorialError, match="got times float32 .*: give unix seconds int64"):
        make()(items, times.float(), queries)
