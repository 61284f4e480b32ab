"""Ranks and metrics against brute force, hand-computed values and closed forms."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch

from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.splits import leave_last_out, temporal_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import (
    Ranks,
    draw_negatives,
    evaluate,
    hit_rate,
    mrr,
    ndcg,
    per_user,
    random_expectation,
    ranks_from_scores,
    sampled_hit_probability,
    summary,
    target_ranks,
)
from tutorial_lib.models import SequenceModel, build_model

INF = torch.inf


def make_split(users=30, items=40, seed=0, kind=leave_last_out, repeats=False, **options):
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        length = int(rng.integers(4, 14))
        chosen = rng.integers(0, items, length) if repeats else rng.permutation(items)[:length]
        times = 1_600_000_000 + rng.integers(0, 10**7) + np.cumsum(rng.integers(1, 10**5, length))
        rows += [(user, item, time) for item, time in zip(chosen, times, strict=True)]
    return kind(
        make_dataset("toy", pd.DataFrame(rows, columns=["user", "item", "timestamp"]), **options)
    )


class Fixed(SequenceModel):
    """Scores every sequence with the same row of numbers; remembers what it was asked."""

    def __init__(self, scores, max_len=20):
        super().__init__(len(scores) - 1, max_len, 2)
        self.register_buffer("row", torch.as_tensor(scores, dtype=torch.float32))
        self.asked = []

    def forward(self, items, times=None, query_times=None):
        self.asked.append((items, times, query_times, self.training))
        return torch.zeros(*items.shape, 2)

    def score(self, states):
        self.asked.append(states.shape)
        return self.row.repeat(*states.shape[:-1], 1)


def constant(split, value=1.0):
    return Fixed([-INF] + [value] * split.dataset.num_items)


def brute_rank(scores, target, candidates):
    """Sorting in plain Python: the places a tied target may take, averaged."""
    ordered = sorted((scores[item] for item in candidates), reverse=True)
    places = [place for place, score in enumerate(ordered, start=1) if score == scores[target]]
    return sum(places) / len(places)


def test_target_ranks_against_sorting():
    rng = np.random.default_rng(0)
    # 12 columns, 6 values: ties everywhere
    scores = torch.from_numpy(rng.integers(0, 6, (200, 12))).float()
    scores[torch.from_numpy(rng.random((200, 12)) < 0.2)] = -INF
    scores[:, 0] = -INF
    targets = torch.from_numpy(rng.integers(1, 12, 200))
    scores[torch.arange(200), targets] = torch.from_numpy(rng.integers(0, 6, 200)).float()
    got = target_ranks(scores, targets)
    want = [
        brute_rank(row, target, [i for i in range(12) if row[i] > -INF])
        for row, target in zip(scores.tolist(), targets.tolist(), strict=True)
    ]
    assert got.dtype == np.float64 and got.tolist() == want
    assert (got % 1 == 0.5).any()
    assert ranks_from_scores(scores, targets).candidates.tolist() == (scores > -INF).sum(1).tolist()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([-INF, 1.0, float("nan"), 2.0], "NaN"),
        ([-INF, float("nan"), 0.0, 0.0], "target 1 has score nan"),
    ]
    + [([-INF, end, 0.0, 0.0], "target 1 has score -?inf") for end in (-INF, INF)],
)
def test_scores_that_give_no_rank_are_refused(row, words):
    good = [-INF, 1.0, 2.0, 3.0]
    with pytest.raises(TutorialError, match=words):
        target_ranks(torch.tensor([good, row]), torch.tensor([3, 1]))
    assert target_ranks(
        torch.tensor([good, [-INF, 1.0, INF, 0.0]]), torch.tensor([3, 1])
    ).tolist() == [1, 2]


def test_metrics_by_hand():
    rank = np.array([1.0, 3.0, 10.0, 11.0])
    assert hit_rate(rank, 10).tolist() == [1, 1, 1, 0]
    assert ndcg(rank, 10) == pytest.approx([1, 0.5, 0.28906482631788787, 0])
    assert mrr(rank) == pytest.approx([1, 1 / 3, 1 / 10, 1 / 11])
    assert mrr(rank, 10)[-1] == 0
    ranks = Ranks(np.arange(4), rank.astype(int) - 1, np.zeros(4, int), np.full(4, 20))
    assert ranks.rank.tolist() == rank.tolist()
    for metric in (hit_rate, ndcg, mrr):
        np.testing.assert_allclose(metric(ranks, 10), metric(rank, 10), atol=1e-12)
        # at k = 1 all three are the same
        np.testing.assert_allclose(metric(ranks, 1), [1, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(mrr(ranks), 1 / rank, atol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 50])
def test_a_tie_counts_as_the_mean_over_all_ways_to_break_it(k):
    scores, target = [5.0, 2.0, 2.0, 2.0, 1.0], 2  # one ahead, two equal, one behind
    by_order = []
    # the stable sort of every shuffle breaks the tie in every way
    for order in itertools.permutations(range(5)):
        ranking = sorted(order, key=lambda item: -scores[item])
        by_order.append(ranking.index(target) + 1)
    tied = ranks_from_scores(torch.tensor([scores]), torch.tensor([target]))
    assert tied.rank.tolist() == [np.mean(by_order)] == [3.0]
    for metric in (hit_rate, ndcg, mrr):
        assert metric(tied, k)[0] == pytest.approx(metric(np.array(by_order), k).mean())
    assert mrr(tied)[0] == pytest.approx(np.mean(1 / np.array(by_order)))


def test_random_scores_reach_the_random_expectation():
    rng = np.random.default_rng(1)
    scores = torch.from_numpy(rng.random((20_000, 101)))
    scores[:, 0] = -INF
    ranks = ranks_from_scores(scores, torch.from_numpy(rng.integers(1, 101, 20_000)))
    hr, gain = random_expectation(100, 10)
    assert hr == 0.1
    assert gain == pytest.approx(sum(1 / np.log2(1 + p) for p in range(1, 11)) / 100)
    assert hit_rate(ranks).mean() == pytest.approx(hr, abs=4 * np.sqrt(0.09 / 20_000))
    assert ndcg(ranks).mean() == pytest.approx(gain, abs=4 * ndcg(ranks).std() / np.sqrt(20_000))
    assert random_expectation(4, 10) == (
        1.0,
        pytest.approx((1 + 0.63092975 + 0.5 + 0.43067656) / 4),
    )


@pytest.mark.parametrize("filter_seen", [True, False])
def test_constant_scorer_is_exactly_random(filter_seen):
    split = make_split()
    ranks = evaluate(constant(split), split, "test", filter_seen=filter_seen, sampled=12)
    known = split.train_items[split.dataset.events["item"].to_numpy()[split.test.row]]
    assert known.sum() > 20
    for part in (ranks, ranks.sampled):
        n = part.candidates[known]
        np.testing.assert_array_equal(part.rank[known], (n + 1) / 2)
        for k in (1, 10):
            want = np.array([random_expectation(int(v), k) for v in n])
            np.testing.assert_allclose(hit_rate(part, k)[known], want[:, 0])
            np.testing.assert_allclose(ndcg(part, k)[known], want[:, 1])
    # far from 1, which a careless ">=" would give, and from 0
    assert 0.2 < hit_rate(ranks)[known].mean() < 0.5


def slow_evaluation(model, split, part, max_len, filter_seen):
    """One target at a time, from the event table, with Python sets: what `evaluate` must equal."""
    items, times = (split.dataset.events[name].to_numpy() for name in ("item", "timestamp"))
    targets, result = getattr(split, part), []
    trained = set(np.flatnonzero(split.train_items))
    for start, row in zip(targets.start, targets.row, strict=True):
        first = max(start, row - max_len)
        inputs = [
            torch.from_numpy(array.copy())[None]
            for array in (items[first:row], times[first:row], times[first + 1 : row + 1])
        ]
        with torch.no_grad():
            scores = model.eval().score(model(*inputs))[0, -1].tolist()
        target = int(items[row])
        candidates = trained - (set(items[start:row].tolist()) if filter_seen else set()) | {target}
        unseen = target not in trained
        result.append(len(candidates) if unseen else brute_rank(scores, target, candidates))
    return np.array(result)


@pytest.mark.parametrize(
    ("kind", "part", "filter_seen", "repeats"),
    [
        (leave_last_out, "test", True, False),
        (leave_last_out, "valid", False, True),
        (temporal_split, "valid", True, True),
        (lambda data: temporal_split(data, targets="successive"), "test", True, True),
    ],
)
def test_evaluate_equals_the_slow_way_for_any_batch_size(kind, part, filter_seen, repeats):
    split = make_split(kind=kind, repeats=repeats, items=25)
    model = build_model("gru4rec", num_items=split.dataset.num_items, max_len=6, dim=8)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5)
    slow = slow_evaluation(model, split, part, 6, filter_seen)
    for batch_size in (1, 7, 256):
        ranks = evaluate(model, split, part, batch_size=batch_size, filter_seen=filter_seen)
        np.testing.assert_array_equal(ranks.rank, slow)
        np.testing.assert_array_equal(ranks.user, getattr(split, part).user)
    assert len(set(slow)) > 4
    assert not np.array_equal(
        evaluate(model, split, part, max_len=1, filter_seen=filter_seen).rank, slow
    )
    chosen = np.unique(split.test.user)[::2]
    some = evaluate(model, split, "test", users=chosen)
    whole = evaluate(model, split, "test")
    np.testing.assert_array_equal(some.rank, whole.rank[np.isin(whole.user, chosen)])
    assert set(some.user) == set(chosen)


def two_user_split():
    """Items (after re-indexing) 1..5; user 0: 1 2 3 4 2 (repeat), user 1: 2 3 1 3 5 (5 is nowhere
    in training).
    """
    rows = [(0, i, t) for t, i in enumerate([1, 2, 3, 4, 2])] + [
        (1, i, t) for t, i in enumerate([2, 3, 1, 3, 5])
    ]
    return leave_last_out(
        make_dataset(
            "two", pd.DataFrame(rows, columns=["user", "item", "timestamp"]), has_times=False
        )
    )


def test_candidates_repeats_and_unseen_targets():
    split = two_user_split()
    assert split.train_items.tolist() == [False, True, True, True, False, False]
    model = Fixed([-INF, 1.0, 2.0, 3.0, 9.0, 10.0])
    test = evaluate(model, split, "test", filter_seen=False)
    # user 0: item 2 among 1 2 3, beaten by 3; its own history holds it. User 1: the best score of
    # all, but never trained
    assert (test.rank.tolist(), test.candidates.tolist()) == ([2, 4], [3, 3])
    seen = evaluate(model, split, "test")
    # user 0 has seen 1, 2, 3: only the target itself is left. User 1 has seen 1, 2, 3: no
    # candidate, still a place after the last
    assert (seen.rank.tolist(), seen.candidates.tolist()) == ([1, 1], [1, 0])
    assert hit_rate(test, 1).tolist() == [0, 0]
    valid = evaluate(model, split, "valid", filter_seen=False)
    # item 4 was not trained on either
    assert (valid.rank.tolist(), valid.candidates.tolist()) == ([4, 1], [3, 3])
    # an untrained target is a miss without a score of its own, and when all others are negative
    assert evaluate(
        Fixed([-INF, -1, -2, -3, 0, 0]), split, "test", filter_seen=False
    ).rank.tolist() == [2, 4]
    assert evaluate(
        Fixed([-INF, 1, 2, 3, -INF, -INF]), split, "test", filter_seen=False
    ).rank.tolist() == [2, 4]


def test_only_the_last_state_is_scored_and_the_model_is_left_as_found():
    split = make_split()
    model = constant(split)
    model.inner = torch.nn.Dropout()
    model.train()
    model.inner.eval()
    evaluate(model, split, batch_size=16)
    shapes = [entry for entry in model.asked if isinstance(entry, torch.Size)]
    assert shapes == [(16, 2), (14, 2)]
    assert not any(
        entry[3]
        for entry in model.asked
        if isinstance(entry, tuple) and not isinstance(entry, torch.Size)
    )
    assert model.training and not model.inner.training
    broken = Fixed([-INF] + [float("nan")] * split.dataset.num_items).train()
    with pytest.raises(TutorialError, match="score nan"):
        evaluate(broken, split)
    assert broken.training


def test_query_time_is_the_time_of_the_target():
    split = make_split()
    model = constant(split)
    evaluate(model, split, "test", batch_size=1)
    times = split.dataset.events["timestamp"].to_numpy()
    asked = [entry for entry in model.asked if not isinstance(entry, torch.Size)]
    assert {int(query[0, -1]) for _, _, query, _ in asked} == set(times[split.test.row].tolist())
    assert all(int(query[0, -1]) > int(time[0, -1]) for _, time, query, _ in asked)


def test_time_and_user_models():
    split = two_user_split()
    model = Fixed([-INF, 1, 2, 3, 4, 5])
    model.uses_time = True
    with pytest.raises(TutorialError, match="order"):
        evaluate(model, split)

    class ByUser(Fixed):
        uses_users = takes_users = True

        def forward(self, items, times=None, query_times=None, users=None):
            return torch.nn.functional.one_hot(users, 2).float()  # [B, d]: no positions

        def score(self, states):
            # user 1 has the opposite taste
            return torch.where(states[:, :1] > 0, self.row, -self.row)

    test = evaluate(ByUser([0, 1, 2, 3, 4, 5]), split, "valid", filter_seen=False)
    # user 0's item was not trained on; user 1's item 3 is now the last
    assert test.rank.tolist() == [4, 3]


def test_negatives_are_valid_fair_and_the_same_for_all():
    split = make_split(users=300, items=60, repeats=True)
    index = np.arange(len(split.test))
    negatives = draw_negatives(split, split.test, index, 20, seed=3)
    events = split.dataset.events
    counts, expected = np.zeros(split.dataset.num_items + 1), np.zeros(split.dataset.num_items + 1)
    for user, drawn in zip(split.test.user, negatives, strict=True):
        allowed = split.train_items.copy()
        allowed[events["item"][events["user"] == user]] = False
        assert len(set(drawn)) == 20 and allowed[drawn].all()
        counts[drawn] += 1
        expected[allowed] += 20 / allowed.sum()
    assert scipy.stats.chisquare(counts[1:], expected[1:]).pvalue > 0.001
    some = np.array([7, 2, 30])
    assert {*map(frozenset, draw_negatives(split, split.test, some, 20, 3))} == {
        *map(frozenset, negatives[some])
    }
    assert {*map(frozenset, draw_negatives(split, split.test, some, 20, 4))} != {
        *map(frozenset, negatives[some])
    }
    with pytest.raises(TutorialError, match="sampled=59"):
        draw_negatives(split, split.test, index, 59)


def test_sampled_ranks_compare_with_the_negatives_only():
    split = make_split(users=60, items=50)
    scores = torch.cat(
        [
            torch.tensor([-INF]),
            torch.rand(split.dataset.num_items, generator=torch.Generator().manual_seed(0)),
        ]
    )
    ranks = evaluate(Fixed(scores), split, "test", sampled=10, seed=5, batch_size=8)
    negatives = draw_negatives(split, split.test, np.arange(len(split.test)), 10, 5)
    target = split.dataset.events["item"].to_numpy()[split.test.row]
    want = 1 + (scores[negatives] > scores[target][:, None]).sum(1).numpy()
    np.testing.assert_array_equal(ranks.sampled.rank, np.where(split.train_items[target], want, 11))
    assert (ranks.sampled.candidates == 11).all()
    assert (ranks.sampled.rank <= ranks.rank).all() and (ranks.sampled.rank < ranks.rank).any()
    assert evaluate(Fixed(scores), split, "test").sampled is None


def test_sampled_hit_probability():
    rank = np.arange(1, 301)
    exact = scipy.stats.hypergeom.cdf(9, 299, rank - 1, 100)
    np.testing.assert_allclose(sampled_hit_probability(rank, 300), exact, atol=1e-10)
    assert sampled_hit_probability(1, 3416) == pytest.approx(1)
    # rank 340 "hits" nearly half the time
    assert sampled_hit_probability(340, 3416) == pytest.approx(0.459, abs=0.001)
    # averaged over all ranks: a random scorer, 10 of 101 places
    assert sampled_hit_probability(np.arange(1, 3417), 3416).mean() == pytest.approx(10 / 101)
    rng = np.random.default_rng(0)
    simulated = np.mean([(rng.permutation(299)[:100] < 29).sum() <= 9 for _ in range(20_000)])
    assert sampled_hit_probability(30, 300) == pytest.approx(
        simulated, abs=4 * 0.5 / np.sqrt(20_000)
    )
    for bad in [(0, 300), (301, 300), (1, 100)]:
        with pytest.raises(TutorialError, match="negatives"):
            sampled_hit_probability(*bad)


def test_users_count_equally_in_the_summary():
    ranks = Ranks(np.array([4, 4, 2]), np.array([0, 10, 0]), np.zeros(3, int), np.full(3, 50))
    assert per_user(ranks, hit_rate(ranks)).tolist() == [1.0, 0.5]  # users 2 and 4
    both = Ranks(
        ranks.user,
        ranks.greater,
        ranks.equal,
        ranks.candidates,
        Ranks(ranks.user, *[np.zeros(3, int)] * 2, np.full(3, 11)),
    )
    table = summary(both, ks=(1, 20))
    assert table["HR@1"] == 0.75 and table["HR@20"] == 1 and table["sampled HR@1"] == 1
    assert table["MRR"] == pytest.approx((1 + (1 + 1 / 11) / 2) / 2)
    assert list(summary(ranks)) == [
        "HR@1",
        "NDCG@1",
        "HR@5",
        "NDCG@5",
        "HR@10",
        "NDCG@10",
        "HR@20",
        "NDCG@20",
        "MRR",
    ]


@pytest.mark.parametrize("sampled", [0, 5])
def test_csv_round_trip(tmp_path, sampled):
    split = make_split()
    ranks = evaluate(constant(split), split, "test", sampled=sampled)
    ranks.to_csv(tmp_path / "ranks.csv")
    back = Ranks.read_csv(tmp_path / "ranks.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["ranks.csv"]
    assert summary(back) == summary(ranks)
    for name in ("user", "greater", "equal", "candidates", "rank"):
        np.testing.assert_array_equal(getattr(back, name), getattr(ranks, name))
    assert (back.sampled is None) == (sampled == 0)


def test_csv_faults_leave_nothing_half_written(tmp_path, monkeypatch):
    ranks = Ranks(*[np.arange(3)] * 4)
    ranks.to_csv(tmp_path / "ranks.csv")
    before = (tmp_path / "ranks.csv").read_text()

    def full_disk(self, content):
        self.write_text("user,gre")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full_disk)
        with pytest.raises(TutorialError, match="No space left"):
            ranks.to_csv(tmp_path / "ranks.csv")
    assert (tmp_path / "ranks.csv").read_text() == before and len(list(tmp_path.iterdir())) == 1
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "torn.csv").write_text(before.rstrip()[:-1] + "x")
    for name in ("other.csv", "torn.csv", "absent.csv"):
        with pytest.raises(TutorialError, match=f"{name} holds no ranks"):
            Ranks.read_csv(tmp_path / name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"part": "tset"}, "'valid' or 'test'"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"max_len": 21}, "max_len=21"),
        ({"users": np.array([999])}, "no target"),
        ({"sampled": 1000}, "ask for fewer"),
    ],
)
def test_wrong_requests_are_named(options, words):
    split = make_split()
    with pytest.raises(TutorialError, match=words):
        evaluate(constant(split), split, **options)


def test_wrong_catalogue_and_wrong_k_are_named():
    split = make_split()
    with pytest.raises(TutorialError, match="the model scores 3 items"):
        evaluate(Fixed([-INF, 1, 2, 3]), split)
    for k in (0, 2.5):
        with pytest.raises(TutorialError, match="whole number of places"):
            hit_rate(np.array([1.0]), k)
    with pytest.raises(TutorialError, match="below 1"):
        ndcg(np.array([0.0, 1.0]))
