"""One event at a time gives what the full pass gives, for every model and every way it keeps
states.
"""

import pytest
import torch

from tutorial_lib.models import MODELS, build_model
from tutorial_lib.serving.states import StreamStates, WindowStates, states_of

NUM_ITEMS, LENGTH = 30, 12
STREAMED = {
    "gru4rec": [{}, {"blocks": 2}],
    "lrurec": [{}, {"time_aware": True}, {"time_aware": True, "query_time": True}],
    "mamba4rec": [{}, {"mixer": "s6"}, {"blocks": 1}],
    "tim4rec": [{}, {"query_time": True}],
    "ss4rec": [{}, {"query_time": True}, {"clock": "none"}],
    "deepm3": [
        {"query_time": asked, "flow": flow}
        for flow in ("autonomous", "since_event", "published", "decay", "attractor", "gap_feature")
        for asked in (False, True)
    ]
    + [{"solver": "none"}, {"size": "light"}],
}
WINDOWED = {
    "popularity": [{}],
    "markov": [{}],
    "sasrec": [{}],
    "bert4rec": [{}],
    "tisasrec": [{}, {"query_time": True}],
    "sasrec_mhc": [{}],
    "tisasrec_mhc": [{"query_time": True}],
    "ssd4rec": [{}],
    "caser": [{}],
    "hstu": [{}, {"query_time": True}],
    "tim4rec": [{"literal": True}],
}
CASES = [
    pytest.param(name, options, kind, id=f"{name} {options}")
    for models, kind in ((STREAMED, StreamStates), (WINDOWED, WindowStates))
    for name, several in models.items()
    for options in several
]


def make(name, **options):
    """Weights far from their start, so that every path counts."""
    model = build_model(name, num_items=NUM_ITEMS, max_len=LENGTH, dim=16, seed=1, **options)
    generator = torch.Generator().manual_seed(2)
    if not model.trains_by_gradient:
        items = torch.randint(1, NUM_ITEMS + 1, (400,), generator=generator).numpy()
        model.fit(torch.arange(40).repeat_interleave(10).numpy(), items)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2).add_(0.1 * torch.randn(parameter.shape, generator=generator))
        if model.trains_by_gradient:
            model.item_embedding.weight[0] = 0
        for label, buffer in model.named_buffers():
            if label.endswith("clock.mean"):
                buffer.fill_(0.7)
            if label.endswith("clock.std"):
                buffer.fill_(1.3)
    return model.eval()


def histories(batch, seed=0):
    generator = torch.Generator().manual_seed(seed)
    items = torch.randint(1, NUM_ITEMS + 1, (batch, LENGTH), generator=generator)
    gaps = torch.randint(0, 100_000, (batch, LENGTH + 1), generator=generator)
    gaps[0, 3] = 0
    times = 1_700_000_000 + gaps.cumsum(1)
    return items, times[:, :-1], times[:, 1:]


def test_every_sequence_model_is_tried():
    assert {*STREAMED, *WINDOWED} == {name for name in MODELS if not MODELS[name].uses_users}


@pytest.mark.parametrize(("name", "options", "kind"), CASES)
class TestStates:
    def test_the_stream_is_the_full_pass(self, name, options, kind):
        """After every event of users with histories of different lengths, at the query time."""
        model = make(name, **options)
        states = states_of(model)
        assert type(states) is kind
        items, times, query_times = histories(batch=5)
        rows = torch.tensor([7, 40, 2, 0, 19])  # more users than there is room for at first
        states.rows.grow(41)
        places = [0] * 5
        with torch.inference_mode():
            for k in range(LENGTH):
                for user in range(5 - k % 3):  # some users have fewer events, and begin later
                    place, one = places[user], slice(user, user + 1)
                    states.add(rows[one], items[one, place], times[one, place])
                    places[user] += 1
            assert places == [12, 12, 12, 8, 4]
            places = torch.tensor(places)
            asked = query_times[torch.arange(5), places - 1]
            got = states.read(rows, asked)
            for user, place in enumerate(places.tolist()):
                one = slice(user, user + 1)
                whole = model(items[one, :place], times[one, :place], query_times[one, :place])
                torch.testing.assert_close(got[one], whole[:, -1], atol=2e-5, rtol=2e-5)

    def test_reading_changes_nothing_and_batches_do_not_mix(self, name, options, kind):
        model, (items, times, query_times) = make(name, **options), histories(batch=4, seed=3)
        states, rows = states_of(model), torch.arange(4)
        for k in range(6):
            states.add(rows, items[:, k], times[:, k])
            states.read(rows.flip(0), query_times[:, k].flip(0) + 10**6)
        whole = model(items[:, :6], times[:, :6], query_times[:, :6])[:, -1]
        got = states.read(rows, query_times[:, 5])
        torch.testing.assert_close(got, whole, atol=2e-5, rtol=2e-5)
        later = states.read(rows, query_times[:, 5] + 10**6)
        assert states.asks == (not torch.allclose(later, got, atol=1e-6))

    def test_a_forgotten_user_begins_anew(self, name, options, kind):
        model, (items, times, query_times) = make(name, **options), histories(batch=2, seed=4)
        states, rows = states_of(model), torch.arange(2)
        for k in range(5):
            states.add(rows, items[:, k], times[:, k])
        states.rows.forget(rows[:1])
        states.add(rows[:1], items[:1, 7], times[:1, 7])
        whole = model(items[:1, 7:8], times[:1, 7:8], query_times[:1, 7:8])[:, -1]
        got = states.read(rows[:1], query_times[:1, 7])
        torch.testing.assert_close(got, whole, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("name", ["sasrec", "tisasrec", "caser", "hstu"])
def test_a_window_forgets_what_is_too_old(name):
    model, states = make(name), states_of(make(name))
    items, times, query_times = (
        torch.cat(pair, 1) for pair in zip(histories(2), histories(2, 1), strict=True)
    )
    times, query_times = times.sort(1).values, query_times.sort(1).values
    for k in range(2 * LENGTH):
        states.add(torch.arange(2), items[:, k], times[:, k])
    last = slice(-LENGTH, None)
    whole = model(items[:, last], times[:, last], query_times[:, last])[:, -1]
    got = states.read(torch.arange(2), query_times[:, -1])
    torch.testing.assert_close(got, whole, atol=2e-5, rtol=2e-5)
