"""TiM4Rec starts as the model without a clock, then learns to read it; and what is wrong with the
published version.
"""

import pytest
import torch

from tutorial_lib.data.simulate import last_gap_task
from tutorial_lib.errors import TutorialError
from tutorial_lib.losses import full_softmax
from tutorial_lib.models.mamba4rec import Mamba4Rec
from tutorial_lib.models.tim4rec import PublishedClock, PublishedTimePath, TiM4Rec

DAY = 86_400


def build(cls=TiM4Rec, num_items=20, max_len=9, dim=16, *, seed=0, **options):
    torch.manual_seed(seed)
    return cls(num_items, max_len, dim, **{"dropout": 0.0, **options})


def awake(**options):
    """A model whose gates do not stand at 1 any more."""
    model = build(**options)
    with torch.no_grad():
        for parameter in model.gates.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.5)
        for layer in model.layers:  # larger steps, so that a gate on them shows
            layer.mixer.in_proj.weight.mul_(20)
    return model.eval()


def histories(batch=5, length=9):
    torch.manual_seed(1)
    items = torch.randint(1, 21, (batch, length))
    instants = 1_700_000_000 + torch.randint(0, 3 * DAY, (batch, length + 1)).cumsum(1)
    return items, instants[:, :-1], instants[:, 1:]


class TestCausal:
    @pytest.mark.parametrize("query_time", [False, True])
    def test_starts_as_the_model_without_a_clock(self, query_time):
        """Bit by bit, built from the same seed; and again when only the gates' last map is put back
        to 0.
        """
        items, times, query_times = histories()
        blind = build(Mamba4Rec)
        assert torch.equal(build(query_time=query_time)(items, times, query_times), blind(items))
        model = awake(query_time=query_time)
        blind.load_state_dict(model.state_dict(), strict=False)
        assert not torch.allclose(model(items, times, query_times), blind(items), atol=1e-3)
        for gate in model.gates:
            torch.nn.init.zeros_(gate.W2.weight), torch.nn.init.zeros_(gate.W2.bias)
        assert torch.equal(model(items, times, query_times), blind(items))

    def test_the_gate_learns_from_its_start(self):
        model = build()
        items, times, _ = histories()
        model(items, times).square().sum().backward()
        assert all(gate.W2.weight.grad.abs().sum() > 0 for gate in model.gates)

    @pytest.mark.parametrize("query_time", [False, True])
    def test_no_later_time_counts(self, query_time):
        model, (items, times, query_times) = awake(query_time=query_time), histories()
        before = model(items, times, query_times)
        for cut in (1, 4, 8):
            later_times, later_queries = times.clone(), query_times.clone()
            later_times[:, cut:] += 5 * DAY
            later_queries[:, cut:] += 5 * DAY
            after = model(items, later_times, later_queries)
            assert torch.equal(after[:, :cut], before[:, :cut]) and not torch.equal(
                after[:, cut], before[:, cut]
            )

    def test_query_times_count_only_where_asked_for(self):
        items, times, query_times = histories()
        later = query_times.clone()
        later[:, 4] += 5 * DAY
        model = awake()
        assert torch.equal(model(items, times, query_times), model(items, times, later))
        assert torch.equal(model(items, times), model(items, times, later))
        model = awake(query_time=True)
        changed = (model(items, times, query_times) - model(items, times, later)).abs().amax(
            dim=(0, 2)
        ) > 0
        assert changed.tolist()[:5] == [False] * 4 + [True]
        # without query: a gap of 0
        assert torch.equal(model(items, times), model(items, times, times))

    def test_shifted_clocks_change_nothing(self):
        model, (items, times, query_times) = awake(query_time=True), histories()
        assert torch.equal(
            model(items, times, query_times), model(items, times + 10**8, query_times + 10**8)
        )

    def test_padding_changes_nothing(self):
        model, (items, times, _) = awake(), histories()
        items[:, 5:], times[:, 5:] = 0, times[:, 4:5]
        torch.testing.assert_close(
            model(items, times)[:, :5], model(items[:, :5], times[:, :5]), atol=1e-5, rtol=1e-5
        )


@pytest.mark.parametrize(
    "cls, options, gap, sees",
    [
        (TiM4Rec, {"query_time": True}, "query", True),
        (TiM4Rec, {"query_time": True}, "past", True),
        (TiM4Rec, {}, "past", True),
        (Mamba4Rec, {}, "query", False),
    ],
)
def test_last_gap(cls, options, gap, sees):
    """The same weights at the start, the same training: the clock alone makes the difference."""
    model = build(cls, num_items=12, max_len=8, dim=32, blocks=1, **options)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    task = last_gap_task(4000, 8, seed=0, gap=gap)  # enough that nothing is to be learnt by heart

    def states(items, times, query_times):
        return model(items, times, query_times)[torch.arange(len(items)), (items > 0).sum(1) - 1]

    for step in range(100):
        *sequence, answer = (column[step % 20 :: 20] for column in task)
        loss = full_softmax(states(*sequence), model.item_embedding.weight, answer)
        optimizer.zero_grad(), loss.backward(), optimizer.step()
    model.eval()
    *sequence, answer = last_gap_task(2000, 8, seed=1, gap=gap)
    with torch.inference_mode():
        accuracy = (model.score(states(*sequence)).argmax(dim=1) == answer).double().mean().item()
    assert accuracy >= 0.95 if sees else abs(accuracy - 0.5) < 0.045  # four standard errors


class TestLiteral:
    def test_time_path_against_its_equations(self):
        """gate = act(conv(act(conv(signal * MLP(signal))))), next signal = LN(keep * signal + (1 -
        keep) * gate); heads alone.
        """
        torch.manual_seed(0)
        path, signal = PublishedTimePath(6, 2, 4, 0.0, last=False), torch.randn(3, 2, 6)
        torch.nn.init.normal_(path.mix[1].weight), torch.nn.init.normal_(path.mix[3].weight)

        def act(x):
            return x * (x + 3).clamp(0, 6) / 6

        def conv(layer, x):  # x [L], one head
            return torch.stack(
                [
                    sum(layer.weight[3 - k, head] * x[t - k] for k in range(4) if t >= k)
                    for t in range(6)
                ]
            )

        gate, following = path(signal)
        for head in range(2):
            x = signal[0, head]
            hidden = path.mix[1].weight @ x
            x = x * (path.mix[3].weight @ (hidden * torch.sigmoid(hidden)))
            x = act(conv(path.conv2, act(conv(path.conv1, x))))
            torch.testing.assert_close(gate[0, head], x, atol=1e-6, rtol=1e-4)
            keep = torch.sigmoid(path.keep.weight[0] @ signal[0, head])
            mixed = keep * signal[0, head] + (1 - keep) * x
            mixed = (mixed - mixed.mean()) / (mixed.var(unbiased=False) + 1e-5).sqrt()
            torch.testing.assert_close(following[0, head], mixed, atol=1e-6, rtol=1e-4)

    def test_reads_the_clock_and_keeps_every_parameter_alive(self):
        model, (items, times, _) = awake(literal=True), histories()
        assert not torch.allclose(
            model(items, times),
            model(items, times + 7 * torch.randn(5, 9).mul(DAY).long().abs().cumsum(1)),
        )
        (model(items, times) * torch.randn(5, 9, 16)).sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())

    def test_a_window_of_one_prefix_reads_nothing_after_it(self):
        """Why its authors may train it as they do: cut off after the target's history, the future
        is not there to be read.
        """
        model, (items, times, query_times) = awake(literal=True), histories()
        shorter = model(items[:, :5], times[:, :5], query_times[:, :5])
        items, times = items.clone(), times.clone()
        items[:, 5:], times[:, 5:] = 0, times[:, 4:5]
        torch.testing.assert_close(model(items, times)[:, :5], shorter, atol=1e-5, rtol=1e-5)

    @pytest.mark.xfail(
        strict=True,
        raises=AssertionError,
        reason="mixes all gaps: every position reads the times of later events",
    )
    @pytest.mark.parametrize("mask_pads", [False, True])
    def test_no_later_time_counts(self, mask_pads):
        model, (items, times, _) = awake(literal=True, mask_pads=mask_pads), histories()
        later = times.clone()
        later[:, 5:] += 50 * DAY
        torch.testing.assert_close(
            model(items, later)[:, :5], model(items, times)[:, :5], atol=1e-3, rtol=0
        )

    @staticmethod
    def spread(length, mask_pads):
        """Standard deviation of the time signal over the 5 real events of a window of `length`: at
        full length it is about 1.
        """
        items, times, _ = histories(length=5)
        return PublishedClock(length, 0.0, mask_pads)(items, times)[:, :5].std(dim=1).min().item()

    @pytest.mark.xfail(
        strict=True,
        raises=AssertionError,
        reason="a pad's gap of -1.7e9 s makes all real ones alike",
    )
    def test_padding_leaves_the_time_signal(self):
        assert self.spread(9, mask_pads=False) > 0.1

    def test_masked_pads_and_full_windows_keep_the_time_signal(self):
        assert self.spread(9, mask_pads=True) > 0.5 and self.spread(5, mask_pads=False) > 0.5
        assert self.spread(9, mask_pads=False) < 0.01  # what is lost

    def test_windows_have_a_length(self):
        items, times, _ = histories()
        with pytest.raises(TutorialError, match="max_len=7"):
            build(max_len=7, literal=True)(items, times)


def test_refuses():
    items, times, query_times = histories()
    with pytest.raises(TutorialError, match="TiM4Rec got times None"):
        build()(items)
    with pytest.raises(TutorialError, match="int64"):
        build()(items, times.float())
    for options in (
        {"literal": True, "query_time": True},
        {"mask_pads": True},
        {"time_hidden": 0},
        {"heads": 3},
    ):
        with pytest.raises(TutorialError):
            build(**options)
