"""The linear recurrent unit: loop, halving and scan are one; the ring at the start; what lambda^gap
adds.
"""

import math

import pytest
import torch
from torch.testing import assert_close

from tutorial_lib.data.simulate import last_gap_task
from tutorial_lib.errors import TutorialError
from tutorial_lib.kernels.scan import recursive_halving
from tutorial_lib.losses import full_softmax
from tutorial_lib.models.lru import LRU, LRURec
from tutorial_lib.models.ssm import recurrence, scan

TESTED = 1000
CHANCE = 4 * (0.25 / TESTED) ** 0.5  # four standard errors of guessing


def learned(model, gap="query", steps=250):
    """Share of right answers among unseen sequences of the last-gap task, after training on 400."""
    torch.manual_seed(0)
    task, unseen = last_gap_task(400, 8, seed=0, gap=gap), last_gap_task(TESTED, 8, seed=1, gap=gap)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def last_states(items, *clocks):
        return model(items, *clocks)[torch.arange(len(items)), (items > 0).sum(1) - 1]

    for step in range(steps):
        *inputs, answer = (column[step % 4 :: 4] for column in task)
        loss = full_softmax(last_states(*inputs), model.item_embedding.weight, answer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    *inputs, answer = unseen
    with torch.inference_mode():
        return (
            (model.eval().score(last_states(*inputs)).argmax(dim=1) == answer)
            .double()
            .mean()
            .item()
        )


def small(cls, dim=16, seed=0, **options):
    torch.manual_seed(seed)
    return cls(12, 8, dim, blocks=1, dropout=0.0, **options)


def lru(seed=0, dim=6, width=5):
    torch.manual_seed(seed)
    return LRU(dim, width).double()


def histories(batch=3, length=8):
    generator = torch.Generator().manual_seed(0)
    items = torch.randint(1, 13, (batch, length), generator=generator)
    instants = 1_700_000_000 + torch.randint(
        0, 100_000, (batch, length + 1), generator=generator
    ).cumsum(1)
    return items, instants[:, :-1], instants[:, 1:]


class TestHalving:
    @pytest.mark.parametrize("length", [1, 2, 3, 8, 13, 64, 100])
    def test_is_the_loop(self, length):
        generator = torch.Generator().manual_seed(length)
        unit, steps = lru(), 3 * torch.rand(2, length, generator=generator, dtype=torch.float64)
        inputs = torch.randn(2, length, 5, generator=generator, dtype=torch.complex128)
        for decay in (unit.decay(), unit.decay(steps)):
            expected = recurrence(decay, inputs)
            assert_close(recursive_halving(decay, inputs), expected, atol=1e-12, rtol=1e-12)
            assert_close(scan(decay, inputs), expected, atol=1e-12, rtol=1e-12)

    def test_gradients_are_those_of_the_loop(self):
        decay = lru().decay(torch.rand(2, 13, dtype=torch.float64)).detach().requires_grad_()
        inputs = torch.randn(2, 13, 5, dtype=torch.complex128, requires_grad=True)
        ours, loop = (
            torch.autograd.grad(view(decay, inputs).abs().sum(), (decay, inputs))
            for view in (recursive_halving, recurrence)
        )
        assert_close(ours, loop, atol=1e-11, rtol=1e-11)


class TestLRU:
    def test_starts_in_the_ring_with_all_phases(self):
        torch.manual_seed(0)
        unit = LRU(4, 20_000)
        radius, phase = unit.decay().abs(), unit.theta.exp()
        assert radius.min() >= 0.8 - 1e-6 and radius.max() <= 0.99 + 1e-6
        area, share = (radius**2 - 0.8**2) / (0.99**2 - 0.8**2), phase / (2 * math.pi)
        for uniform in (area, share):  # 4 standard errors of a tenth of 20,000 are 170
            assert (torch.histc(uniform, 10, 0, 1) - 2000).abs().max() < 170
        assert_close(unit.gamma.exp() ** 2 + radius**2, torch.ones(20_000), atol=1e-5, rtol=0)

    def test_states_of_all_memories_are_equally_large(self):
        torch.manual_seed(0)
        unit = LRU(4, 200)
        noise = unit.gamma.exp() * torch.randn(40, 600, 200, dtype=torch.complex64)
        last = scan(unit.decay(), noise)[:, 500:].abs().square().mean(dim=(0, 1))
        assert last.min() > 0.7 and last.max() < 1.4
        # without gamma the long ones would be far larger
        assert (last / unit.gamma.exp() ** 2).max() > 20

    def test_powers_of_lambda(self):
        unit, (one, two) = lru(), torch.tensor([0.3, 2.5], dtype=torch.float64)
        assert_close(
            unit.decay(one) * unit.decay(two), unit.decay(one + two), atol=1e-12, rtol=1e-12
        )
        assert_close(unit.decay(torch.tensor(3.0)), unit.decay() ** 3, atol=1e-12, rtol=1e-12)
        assert torch.equal(unit.decay(0.0), torch.ones(5, dtype=torch.complex128))

    def test_inside_the_unit_circle_whatever_training_does(self):
        for seed in range(5):
            unit = lru(seed)
            with torch.no_grad():
                for parameter in (unit.nu, unit.theta):
                    parameter += 3 * torch.randn_like(parameter)
            assert (unit.decay().abs() < 1).all() and (unit.decay(0.01).abs() < 1).all()

    def test_one_event_at_a_time_is_the_full_pass(self):
        unit, x = lru(), torch.randn(2, 9, 6, dtype=torch.float64)
        steps, ahead = torch.rand(2, 2, 9, dtype=torch.float64)
        state, outputs = torch.zeros(2, 5, dtype=torch.complex128), []
        for i in range(9):
            state = unit.decay(steps[:, i]) * state + unit.gamma.exp() * torch.view_as_complex(
                unit.B(x[:, i]).view(2, 5, 2)
            )
            outputs.append(unit.C(torch.view_as_real(unit.decay(ahead[:, i]) * state).flatten(1)))
        assert_close(torch.stack(outputs, dim=1), unit(x, steps, ahead), atol=1e-12, rtol=1e-12)


class TestLRURec:
    def test_a_clock_that_stands_still_is_no_clock(self):
        items, times, _ = histories()
        still = torch.full_like(times, 1_700_000_000)
        plain, aware = small(LRURec), small(LRURec, time_aware=True, query_time=True)
        assert_close(aware(items, still, still), plain(items), atol=1e-6, rtol=1e-5)
        assert (aware(items, times, times) - plain(items)).abs().max() > 1e-4

    def test_what_each_option_sees(self):
        items, times, queries = histories()
        past, query = (
            small(LRURec, time_aware=True),
            small(LRURec, time_aware=True, query_time=True),
        )
        assert torch.equal(past(items, times, queries), past(items, times))
        assert_close(query(items, times, times), past(items, times))
        assert torch.equal(query(items, times), query(items, times, times))
        assert not torch.equal(query(items, times, queries), query(items, times))
        assert torch.equal(past(items, times + 999_999), past(items, times))

    def test_says_what_it_needs(self):
        items, times, _ = histories()
        blind, aware = small(LRURec), small(LRURec, time_aware=True)
        assert (blind.uses_time, aware.uses_time) == (False, True)
        assert torch.equal(blind(items, times), blind(items))
        with pytest.raises(TutorialError, match="LRURec got times None"):
            aware(items)
        with pytest.raises(TutorialError, match="add time_aware=True"):
            small(LRURec, query_time=True)

    @pytest.mark.parametrize(("gap", "query_time"), [("query", True), ("past", False)])
    def test_the_last_gap(self, gap, query_time):
        assert learned(small(LRURec, time_aware=True, query_time=query_time), gap) > 0.97
        assert abs(learned(small(LRURec), gap) - 0.5) < CHANCE

    def test_without_the_query_time_the_query_is_out_of_sight(self):
        assert abs(learned(small(LRURec, time_aware=True)) - 0.5) < CHANCE
