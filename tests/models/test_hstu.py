"""HSTU against its equations in Python's own loops, and what it may know of the clock."""

import math

import pytest
import torch

from tutorial_lib.errors import TutorialError
from tutorial_lib.losses import LOSSES, training_loss
from tutorial_lib.models import SequenceModel, build_model
from tutorial_lib.models.hstu import pointwise_attention, time_buckets
from tutorial_lib.ranking import has_table, table_pieces

ITEMS, LENGTH, DIM = 20, 7, 8
START = 1_700_000_000


def make(seed=1, **options):
    sizes = {"num_items": ITEMS, "max_len": LENGTH, "dim": DIM, "seed": seed}
    model = build_model("hstu", **sizes, **options).double().eval()
    with torch.no_grad():  # larger weights than at the start, so that every part counts
        for parameter in model.parameters():
            parameter.mul_(8)
    return model


def sequences(seed=0):
    """items [3, 7] and clocks [3, 8]: of the events, and of the one to come. Some are tied."""
    generator = torch.Generator().manual_seed(seed)
    items = torch.randint(1, ITEMS + 1, (3, LENGTH), generator=generator)
    gaps = 10.0 ** (6 * torch.rand(3, LENGTH + 1, generator=generator)) - 1
    return items, START + gaps.long().cumsum(1)


def states_of(model, items, clocks):
    return model(items, clocks[:, :-1], clocks[:, 1:])


def rows_normed(row):
    mean = sum(row) / len(row)
    spread = math.sqrt(sum((value - mean) ** 2 for value in row) / len(row) + 1e-6)
    return [(value - mean) / spread for value in row]


def silu(value):
    return value / (1 + math.exp(-value))


def written_out(model, items, clock, asked):
    """One history, number by number: lists of floats."""
    weights = {name: value.tolist() for name, value in model.state_dict().items()}
    x = [
        [
            e * math.sqrt(DIM) + p
            for e, p in zip(
                weights["item_embedding.weight"][item],
                weights["position_embedding.weight"][place],
                strict=True,
            )
        ]
        for place, item in enumerate(items)
    ]
    for number, block in enumerate(model.blocks):
        part = {n.split(".", 2)[2]: w for n, w in weights.items() if f"blocks.{number}." in n}
        parts = [
            [
                silu(sum(w * y for w, y in zip(row, rows_normed(event), strict=True)))
                for row in part["uvqk.weight"]
            ]
            for event in x
        ]
        width = len(parts[0]) // 4
        size, out = width // block.heads, []
        for i in range(len(items)):
            mixed = [0.0] * width
            for head in range(block.heads):
                for j in range(i + 1):
                    columns = range(head * size, (head + 1) * size)
                    score = sum(parts[i][2 * width + c] * parts[j][3 * width + c] for c in columns)
                    if "position_bias" in part:
                        score += part["position_bias"][i - j]
                    if "time_bias" in part:
                        gap = abs(asked[i] - clock[j])
                        score += part["time_bias"][min(128, int(math.log(max(1, gap)) / 0.301))]
                    for c in columns:
                        mixed[c] += silu(score) / (i + 1) * parts[j][width + c]
            gated = [u * o for u, o in zip(parts[i][:width], rows_normed(mixed), strict=True)]
            out.append(
                [
                    sum(w * g for w, g in zip(row, gated, strict=True)) + b
                    for row, b in zip(part["out.weight"], part["out.bias"], strict=True)
                ]
            )
        x = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(x, out, strict=True)]
    if not model.normalise:
        return [rows_normed(row) for row in x]
    return [[20 * value / math.hypot(*row) for value in row] for row in x]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"query_time": True, "heads": 2},
        {"bias": "position", "heads": 4, "blocks": 1},
        {"bias": "time", "query_time": True, "hidden": 12, "heads": 3},
        {"bias": "none", "normalise": False, "hidden": 6},
    ],
)
def test_equals_the_equations_written_out(options):
    model, (items, clocks) = make(**options), sequences()
    with torch.no_grad():
        for block in model.blocks:
            block.out.bias.normal_(generator=torch.Generator().manual_seed(3))
    states = states_of(model, items, clocks)
    for row in range(3):
        clock, asked = clocks[row, :-1].tolist(), clocks[row, 1:].tolist()
        asked = asked if model.query_time else clock
        expected = torch.tensor(written_out(model, items[row].tolist(), clock, asked)).double()
        torch.testing.assert_close(states[row], expected, atol=1e-5, rtol=1e-5)


def test_weights_by_hand():
    """q.k = 1 for all pairs: position i sums SiLU(1 + r_ij) / i over the events that it may read."""
    ones, value = torch.ones(1, 1, 3, 1), torch.tensor([[[[1.0], [10.0], [100.0]]]])
    bias = torch.tensor([[0.0, 9, 9], [-1, 0, 9], [-3, -1, 0]])  # SiLU(0) = 0
    one, minus_two = 1 / (1 + math.exp(-1)), -2 / (1 + math.exp(2))
    expected = [one, 10 * one / 2, (minus_two + 100 * one) / 3]
    mixed = pointwise_attention(ones, ones, value, bias)
    torch.testing.assert_close(mixed.flatten(), torch.tensor(expected))


def test_buckets_by_hand():
    gaps = [0, 1, 2, 3, 4, 60, 3600, 86_400, 10**9, 2**61]
    # ln(gap) / 0.301 = -, 0, 2.3, 3.6, 4.6, 13.6, 27.2, 37.8, 68.8, 140.5
    wanted = [0, 0, 2, 3, 4, 13, 27, 37, 68, 128]
    asked = START + torch.tensor([gaps])
    for sign in (1, -1):  # a clock that runs backwards counts alike
        buckets = time_buckets(sign * asked, sign * torch.full((1, 10), START))
        assert buckets[0, :, 0].tolist() == wanted and buckets.dtype == torch.int32


def test_a_zero_time_table_equals_the_position_only_model():
    both, position = make(), make(bias="position")
    with torch.no_grad():
        position.load_state_dict(both.state_dict(), strict=False)
        items, clocks = sequences()
        assert not torch.allclose(states_of(both, items, clocks), position(items))
        for block in both.blocks:
            block.time_bias.zero_()
        assert torch.equal(states_of(both, items, clocks), position(items))


@pytest.mark.parametrize("query_time", [False, True])
class TestTheClock:
    def test_shifting_all_clocks_changes_nothing(self, query_time):
        model, (items, clocks) = make(query_time=query_time), sequences()
        before = states_of(model, items, clocks)
        for shift in (1, 12_345, -1_600_000_000):
            assert torch.equal(states_of(model, items, clocks + shift), before)
        faster = clocks[:, :1] + 100 * (clocks - clocks[:, :1])
        assert not torch.allclose(states_of(model, items, faster), before)

    def test_which_times_a_state_may_read(self, query_time):
        """With the query time t_1 .. t_(i+1), without it t_1 .. t_i, and each of them counts."""
        model, (items, clocks) = make(query_time=query_time), sequences()
        before = states_of(model, items, clocks)
        for i in range(LENGTH):
            for j in range(LENGTH + 1):
                moved = clocks.clone()
                moved[:, j] += 3 * 10**7
                same = torch.equal(states_of(model, items, moved)[:, i], before[:, i])
                # at the first event alone nothing but 0 s has passed
                alone = i == 0 and not query_time
                assert same == (j > i + query_time or alone), (i, j)

    def test_a_state_is_that_of_its_prefix(self, query_time):
        """The sum is divided by the events read, so later events change nothing, not even by
        their number.
        """
        model, (items, clocks) = make(query_time=query_time), sequences()
        whole = states_of(model, items, clocks)
        for n in range(1, LENGTH + 1):
            last = states_of(model, items[:, :n], clocks[:, : n + 1])[:, -1]
            torch.testing.assert_close(last, whole[:, n - 1], atol=1e-12, rtol=1e-12)


def test_query_time_is_read_on_request_only():
    items, clocks = sequences()
    times, asked = clocks[:, :-1], clocks[:, 1:]
    for query_time in (False, True):
        model = make(query_time=query_time)
        same = torch.equal(model(items, times, asked), model(items, times, asked + 10**6))
        assert same is not query_time
        # without a query time: the event's own time
        assert torch.equal(model(items, times), model(items, times, times))


def test_scores_are_cosines_over_the_temperature():
    model, (items, clocks) = make(), sequences()
    states = states_of(model, items, clocks)[:, -1]
    scores = model.score(states)[:, 1:]
    cosine = torch.nn.functional.cosine_similarity(
        states[:, None], model.item_embedding.weight[1:], dim=-1
    )
    torch.testing.assert_close(scores, cosine / 0.05)
    # the ranking of a large catalogue, which takes the table in pieces, sees the same scores
    assert has_table(model)
    pieces = [piece for _, piece in table_pieces(model, states)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), scores)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_takes_the_normalised_table(loss, shared):
    model, (items, clocks) = make(), sequences()
    states = states_of(model, items, clocks).flatten(0, 1)
    plain = SequenceModel(ITEMS, LENGTH, DIM).double()
    with torch.no_grad():
        plain.item_embedding.weight.copy_(model.item_embedding.weight)
        plain.item_embedding.weight[1:] /= plain.item_embedding.weight[1:].norm(dim=1)[:, None]
    targets = items.roll(1).flatten()
    first, second = (
        training_loss(
            loss,
            either,
            states,
            targets,
            negatives=3,
            shared=shared,
            generator=torch.Generator().manual_seed(0),
        )
        for either in (model, plain)
    )
    torch.testing.assert_close(first, second)
    (gradient,) = torch.autograd.grad(first, model.item_embedding.weight)
    assert gradient.isfinite().all() and gradient[1:].any() and not gradient[0].any()


@pytest.mark.parametrize(
    ("bias", "rows"), [("both", 200 + 129), ("position", 200), ("time", 129), ("none", 0)]
)
def test_parameter_count(bias, rows):
    """V+1 items and L positions of width d; a block: d x 4h without a bias, h x d with one, and its
    tables, of L and 129 numbers.
    """
    items, length, dim, hidden, blocks = 3416, 200, 50, 50, 2
    model = build_model("hstu", num_items=items, max_len=length, dim=dim, bias=bias, blocks=blocks)
    block = 4 * dim * hidden + hidden * dim + dim + rows
    expected = (items + 1 + length) * dim + blocks * block
    assert sum(p.numel() for p in model.parameters()) == expected == 205_950 + 2 * rows


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bias": "clock"}, "use both, position, time, none"),
        ({"bias": "position", "query_time": True}, "query_time with 'both' or 'time' alone"),
        ({"heads": 3}, "the width 8 cannot be split into 3 equal heads"),
        ({"hidden": 6, "heads": 4}, "the width 6 cannot be split into 4 equal heads"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(TutorialError, match=words):
        build_model("hstu", num_items=5, max_len=5, dim=8, **options)
