"""SS4Rec: what it sees of the clock, ties, its time-blind twin."""

import pytest
import torch
from torch.testing import assert_close

from tests.models.test_lru import CHANCE, histories, learned, small
from tutorial_lib.errors import TutorialError
from tutorial_lib.models.ss4rec import SS4Rec

SMALL = {"state": 4, "time_state": 16, "expand": 1}


def ss4rec(**options):
    return small(SS4Rec, **SMALL, **options)


def sharpened(model):
    """With larger steps than at the start, so that the clock counts visibly in an untrained model."""
    with torch.no_grad():
        for block in model.blocks:
            block.time_aware.log_step += 2
    return model


def test_is_made_of_its_two_parts():
    model, (items, times, queries) = ss4rec(query_time=False), histories()
    block, x = model.blocks[0], model.item_embedding(items)
    for norm in (block.norm1, block.norm2):
        torch.nn.init.normal_(norm.weight)  # at the start both are the same
    gaps = torch.diff(times, dim=1, prepend=times[:, :1])
    h = block.norm1(x + block.time_aware(x, 1 + torch.log1p(gaps / 3600)))
    assert_close(model(items, times, queries), block.norm2(h + block.relation_aware(h)))
    assert block.norm1 is not block.norm2


def test_a_clock_that_stands_still_is_the_blind_twin():
    items, times, queries = histories()
    still = torch.full_like(times, 1_700_000_000)
    twin = ss4rec(clock="none")
    for query_time in (True, False):
        model = ss4rec(query_time=query_time)
        assert_close(model(items, still, still), twin(items))
        model = sharpened(model)
        assert (
            model(items, times, queries) - sharpened(ss4rec(clock="none"))(items)
        ).abs().max() > 1e-2
    assert torch.equal(twin(items, times, queries), twin(items))


def test_what_each_option_sees():
    items, times, queries = histories()
    past, query = sharpened(ss4rec()), sharpened(ss4rec(query_time=True))
    assert torch.equal(past(items, times, queries), past(items, times))
    assert torch.equal(query(items, times), query(items, times, times))
    assert not torch.equal(query(items, times, queries), query(items, times))
    later = times.clone()
    later[:, 5:] += 50_000  # gaps of the past count without query times, too
    for model in (past, query):
        before, after = model(items, times), model(items, later)
        assert (
            torch.equal(after[:, :5], before[:, :5])
            and (after[:, 5:] != before[:, 5:]).any(-1).all()
        )
        shifted = (items, times + 999_999, queries + 999_999)
        assert torch.equal(model(*shifted), model(items, times, queries))


@pytest.mark.parametrize("query_time", [True, False])
def test_an_event_at_the_same_second_is_stored(query_time):
    """With steps of raw gaps the middle event would get the weight 0: nothing of it would reach the
    state.
    """
    model, (items, times, queries) = sharpened(ss4rec(query_time=query_time)), histories()
    times[:, 4], queries[:, 3], queries[:, 4] = times[:, 3], times[:, 3], times[:, 3]
    s5 = model.blocks[0].time_aware
    x = model.item_embedding(items)
    other = model.item_embedding(items % 12 + 1)
    changed = torch.where(torch.arange(8)[:, None] == 4, other, x)
    raw = torch.diff(times, dim=1, prepend=times[:, :1]) / 3600
    assert torch.equal(s5.states(changed, raw), s5.states(x, raw))  # the fault, without the 1
    steps = 1 + torch.log1p(raw)
    difference = (s5.states(changed, steps) - s5.states(x, steps)).abs()[:, 4:].amax(-1)
    assert (difference[:, 0] > 1e-3).all() and (difference[:, 1] > 1e-4).all()
    swapped = items.clone()
    swapped[:, 4] = items[:, 4] % 12 + 1
    assert (
        (model(swapped, times, queries) - model(items, times, queries)).abs()[:, 5].amax(-1) > 1e-3
    ).all()


def test_says_what_it_needs():
    items = histories()[0]
    assert (ss4rec().uses_time, ss4rec(clock="none").uses_time) == (True, False)
    with pytest.raises(TutorialError, match="SS4Rec got times None"):
        ss4rec()(items)
    with pytest.raises(TutorialError, match="'real' or 'none'"):
        ss4rec(clock="wall")


@pytest.mark.parametrize(("gap", "query_time"), [("query", True), ("past", False)])
def test_the_last_gap(gap, query_time):
    assert learned(ss4rec(query_time=query_time), gap) >= 0.95


def test_the_blind_twin_guesses():
    assert abs(learned(ss4rec(clock="none")) - 0.5) < CHANCE


def test_without_the_query_time_the_query_is_out_of_sight():
    assert abs(learned(ss4rec(query_time=False)) - 0.5) < CHANCE
