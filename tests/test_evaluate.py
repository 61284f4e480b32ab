"""Ranks and metrics against brute force, hand-computed values and closed forms."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch

from tutorial_lib import metrics, negatives, ranking
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.splits import leave_last_out, temporal_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import (
    METRICS,
    Lists,
    Metric,
    Ranks,
    draw_negatives,
    evaluate,
    hit_rate,
    mrr,
    ndcg,
    parse_metric,
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
    # more than there are: all of them, each once
    everything = draw_negatives(split, split.test, index, 59)
    for user, drawn in zip(split.test.user, everything, strict=True):
        allowed = split.train_items.copy()
        allowed[events["item"][events["user"] == user]] = False
        assert sorted(drawn[drawn > 0]) == np.flatnonzero(allowed).tolist()
        assert not drawn[allowed.sum() :].any()


def test_negatives_are_those_of_the_whole_table_of_keys(monkeypatch):
    """As first written: a random key for every item, and the smallest keys win."""
    split = make_split(users=40, items=90, repeats=True)
    index, count, seed = np.arange(len(split.test))[::-1], 30, 11

    def mix(x):
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        return x ^ (x >> 31)

    want = []
    for user, row in zip(split.test.user[index], split.test.row[index], strict=True):
        events = split.dataset.events
        free = set(np.flatnonzero(split.train_items)) - set(events["item"][events["user"] == user])
        stream = (mix(seed) + int(row)) % 2**64
        keys = {i: mix((mix(stream) + int(i) * 0x9E3779B97F4A7C15) % 2**64) for i in free}
        want.append(sorted(keys, key=keys.get)[:count])
    drawn = draw_negatives(split, split.test, index, count, seed)
    assert drawn.tolist() == want
    # in many pieces, and when too few keys lie below the bound at first
    monkeypatch.setattr(negatives, "KEYS_AT_ONCE", 37)
    assert draw_negatives(split, split.test, index, count, seed).tolist() == want
    monkeypatch.setattr(negatives, "SPARE", -1)
    assert draw_negatives(split, split.test, index, count, seed).tolist() == want


def test_a_small_catalogue_is_ranked_among_all_that_is_left():
    split = make_split(users=60, items=40)
    scores = torch.rand(split.dataset.num_items + 1, generator=torch.Generator().manual_seed(0))
    scores[0] = -INF
    with pytest.warns(UserWarning, match=r"sampled=100, but 60 of 60 targets leave fewer items"):
        ranks = evaluate(Fixed(scores), split, "test", sampled=100)
    # each user has every item at most once, so all that is left are the candidates of the ranking
    np.testing.assert_array_equal(ranks.sampled.rank, ranks.rank)
    np.testing.assert_array_equal(ranks.sampled.candidates, ranks.candidates)
    assert ranks.candidates.max() < 40


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
    # 40 items have 39 others: all of them are drawn, and the rank decides
    want = (np.arange(1, 41) <= 10).astype(float)
    np.testing.assert_allclose(sampled_hit_probability(np.arange(1, 41), 40), want, atol=1e-9)
    for bad in [(0, 300), (301, 300), (1, 100, -1)]:
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
    names = ("HR", "NDCG", "MRR", "MAP", "Recall")
    assert list(summary(ranks)) == [f"{n}@{k}" for k in (1, 5, 10, 20) for n in names] + ["MRR"]


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
        ({"sampled": -1}, "sampled=-1"),
        ({"lists": -1}, "lists=-1"),
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


class TestPieces:
    """Whatever the size of a piece, the ranks are those of the whole table of scores."""

    @pytest.fixture(params=[1, 30, 200, 10**6])
    def piece(self, request, monkeypatch):
        monkeypatch.setattr(ranking, "WHOLE", min(request.param, 100))
        monkeypatch.setattr(ranking, "PIECE", request.param)

    @pytest.mark.parametrize("filter_seen", [True, False])
    @pytest.mark.parametrize("name", ["sasrec", "mf", "neumf", "popularity", "markov"])
    def test_against_the_slow_way(self, piece, name, filter_seen):
        split = make_split(repeats=True, items=45)
        sizes = {"num_items": split.dataset.num_items, "num_users": split.dataset.num_users}
        model = build_model(name, **sizes, max_len=6, dim=8)
        if model.trains_by_gradient:
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.normal_(generator=torch.Generator().manual_seed(1))
                # equal scores in different pieces
                model.item_embedding.weight[30:] = model.item_embedding.weight[10:-20].clone()
        else:
            model.fit(*(split.train[column].to_numpy() for column in ("user", "item")))
        if model.takes_users:
            slow = by_user(model, split, filter_seen)
        else:
            slow = slow_evaluation(model, split, "test", 6, filter_seen)
        ranks = evaluate(model, split, "test", filter_seen=filter_seen, sampled=8, batch_size=7)
        np.testing.assert_array_equal(ranks.rank, slow)
        assert (ranks.equal > 0).any() == (name in ("sasrec", "popularity", "markov"))
        # the same among the negatives
        whole = evaluate(model, split, "test", filter_seen=False, lists=45, sampled=8, batch_size=7)
        negatives = draw_negatives(split, split.test, np.arange(len(split.test)), 8)
        items = split.dataset.events["item"].to_numpy()[split.test.row]
        for n in np.flatnonzero(whole.equal == 0):
            if split.train_items[items[n]]:
                order = whole.lists.items[n].tolist()
                ahead = sum(order.index(i) < order.index(items[n]) for i in negatives[n])
                assert whole.sampled.greater[n] == ahead

    def test_the_target_is_compared_with_the_product_it_comes_from(self, monkeypatch):
        """Where another shape of product rounds otherwise, the ranking is made once more."""
        split = make_split(items=45)
        model = build_model("sasrec", num_items=split.dataset.num_items, max_len=6, dim=8).eval()
        want = evaluate(model, split, "test")
        monkeypatch.setattr(ranking, "WHOLE", 1)
        monkeypatch.setattr(ranking, "PIECE", 300)
        looks, original = [], ranking.look

        def counted(*arguments):
            looks.append(arguments)
            return original(*arguments)

        guess = torch.Tensor.diagonal
        monkeypatch.setattr(torch.Tensor, "diagonal", lambda x: guess(x) * (1 + 1e-3))
        monkeypatch.setattr(ranking, "look", counted)
        got = evaluate(model, split, "test")
        assert len(looks) == 2
        np.testing.assert_array_equal(got.rank, want.rank)

    def test_nan_and_infinite_scores_in_a_later_piece(self, monkeypatch):
        split = make_split(items=45)
        model = build_model("sasrec", num_items=split.dataset.num_items, max_len=6, dim=8)
        monkeypatch.setattr(ranking, "WHOLE", 1)
        monkeypatch.setattr(ranking, "PIECE", 300)
        users = split.test.user[:1]
        item = split.dataset.events["item"].to_numpy()[split.test.row[0]]
        seen = split.dataset.events["item"][split.dataset.events["user"] == users[0]].tolist()
        free = [i for i in np.flatnonzero(split.train_items) if i not in seen]
        before = evaluate(model, split, "test", users=users)
        with torch.no_grad():
            model.item_embedding.weight[seen[0]] = torch.nan  # nobody asks for it
            assert evaluate(model, split, "test", users=users).rank == before.rank
            model.item_embedding.weight[free[-1]] = torch.nan
        with pytest.raises(TutorialError, match="some scores are NaN"):
            evaluate(model, split, "test", users=users)
        with torch.no_grad():
            model.item_embedding.weight[item] = torch.nan
        with pytest.raises(TutorialError, match=f"target {item} has score nan"):
            evaluate(model, split, "test", users=users)

        class Blocking(Fixed):
            """Scores of -inf take an item out of the candidates."""

        scores = [-INF] + [1.0] * split.dataset.num_items
        scores[free[0]] = scores[free[1]] = -INF
        ranks = evaluate(Blocking(scores), split, "test", users=users)
        assert ranks.candidates == before.candidates - 2 and ranks.equal == before.candidates - 3

    def test_the_memory_does_not_grow_with_the_catalogue(self, monkeypatch):
        """Counted: no tensor of scores is larger than a piece."""
        split = make_split(items=45)
        model = build_model("sasrec", num_items=split.dataset.num_items, max_len=6, dim=8)
        monkeypatch.setattr(ranking, "WHOLE", 300)
        monkeypatch.setattr(ranking, "PIECE", 300)
        sizes, original = [], ranking.table_pieces

        def watch(*arguments):
            for first, scores in original(*arguments):
                sizes.append((first, scores.numel()))
                yield first, scores

        monkeypatch.setattr(ranking, "table_pieces", watch)
        evaluate(model, split, "test")
        assert max(size for _, size in sizes) == 300 and {first for first, _ in sizes} == {
            1,
            11,
            21,
            31,
            41,
        }
        table = build_model("popularity", num_items=99, max_len=6)
        assert ranking.rows_at_once(table, 256) == 3 and ranking.rows_at_once(model, 256) == 256


def by_user(model, split, filter_seen):
    """`slow_evaluation` for models that know users."""
    items, result = split.dataset.events["item"].to_numpy(), []
    trained = set(np.flatnonzero(split.train_items))
    for user, start, row in zip(split.test.user, split.test.start, split.test.row, strict=True):
        with torch.no_grad():
            scores = model.score(model(torch.ones(1, 1).long(), users=torch.tensor([user])))[0]
        target = int(items[row])
        seen = set(items[start:row].tolist()) if filter_seen else set()
        candidates = trained - seen | {target}
        scores = scores.tolist()
        miss = target not in trained
        result.append(len(candidates) if miss else brute_rank(scores, target, candidates))
    return np.array(result)


@pytest.mark.parametrize(("repeats", "filtered"), [(None, True), (False, True), (True, False)])
def test_data_with_natural_repeats_are_not_filtered(repeats, filtered):
    split = make_split(repeats=True)
    if repeats is not None:
        object.__setattr__(split.dataset, "repeats", repeats)
    model = constant(split)
    ranks = evaluate(model, split, "test")
    want = evaluate(model, split, "test", filter_seen=filtered)
    np.testing.assert_array_equal(ranks.candidates, want.candidates)
    other = evaluate(model, split, "test", filter_seen=not filtered)
    assert (ranks.candidates != other.candidates).any()


class TestListOfMetrics:
    ranks = Ranks(np.array([0, 0, 1]), np.array([0, 2, 11]), np.zeros(3, np.int64), np.full(3, 40))

    def test_one_right_item_a_list(self):
        """By the definitions for sets of right items, of which there is one here."""
        for k in (1, 3, 10, 12):
            listed = [[place == rank for place in range(1, k + 1)] for rank in (1, 3, 12)]
            precision = [np.cumsum(row) / np.arange(1, k + 1) for row in listed]
            want = [(p * row).sum() for p, row in zip(precision, listed, strict=True)]
            np.testing.assert_allclose(METRICS["MAP"].values(self.ranks, k), want)
            recall = [sum(row) / 1 for row in listed]
            np.testing.assert_allclose(METRICS["Recall"].values(self.ranks, k), recall)
        table = summary(self.ranks, ks=(10,))
        # user 0 has two targets: their mean, and only then the mean over users
        assert table["MAP@10"] == table["MRR@10"] == pytest.approx((1 + 1 / 3) / 2 / 2)
        assert table["Recall@10"] == table["HR@10"] == 0.5
        assert (
            summary(self.ranks, ks=(1,))["NDCG@1"] == summary(self.ranks, ks=(1,))["HR@1"] == 0.25
        )

    def test_coverage_and_novelty_by_hand(self):
        # items 1..4, of which 4 was never trained on; chosen by 8, 4 and 1 of 8 training users
        lists = Lists(np.array([[1, 2], [1, 3], [1, 0]]), np.array([0, 8, 4, 1, 0]), 8)
        ranks = Ranks(np.array([0, 0, 1]), *[np.zeros(3, np.int64)] * 3, lists=lists)
        assert METRICS["Coverage"].values(ranks, 2) == 1.0
        assert METRICS["Coverage"].values(ranks, 1) == pytest.approx(1 / 3)
        assert METRICS["Novelty"].values(ranks, 2).tolist() == [0.5, 1.5, 0]
        assert METRICS["Novelty"].values(ranks, 1).tolist() == [0, 0, 0]
        table = summary(ranks, ks=(1, 2, 5))
        assert table["Novelty@2"] == 0.5 and table["Coverage@2"] == 1 and "Coverage@5" not in table
        for name, k in (("Coverage", 3), ("Novelty", 3), ("Coverage", 0)):
            with pytest.raises(TutorialError, match=r"there are lists of 2: evaluate\(..., lists="):
                METRICS[name].values(ranks, k)
        with pytest.raises(TutorialError, match="lists of 0"):
            METRICS["Novelty"].values(self.ranks, 1)

    @pytest.mark.parametrize("size", [7, 10**6])
    def test_lists_against_sorting(self, size, monkeypatch):
        monkeypatch.setattr(ranking, "WHOLE", size)
        monkeypatch.setattr(ranking, "PIECE", size * 10)
        split = make_split(repeats=True, items=25)
        model = build_model("sasrec", num_items=split.dataset.num_items, max_len=6, dim=8).eval()
        with torch.no_grad():
            model.item_embedding.weight[12:] = model.item_embedding.weight[:-12].clone()  # ties
        items = split.dataset.events["item"].to_numpy()
        for filter_seen, k in ((True, 30), (False, 4)):
            ranks = evaluate(model, split, "test", lists=k, filter_seen=filter_seen, batch_size=9)
            for n, (start, row) in enumerate(zip(split.test.start, split.test.row, strict=True)):
                history = torch.from_numpy(items[max(start, row - 6) : row].copy())[None]
                with torch.no_grad():
                    scores = model.score(model(history))[0, -1]
                seen = set(items[start:row].tolist()) - {items[row]} if filter_seen else set()
                allowed = [i for i in np.flatnonzero(split.train_items) if i not in seen]
                values = {i: round(float(scores[i]), 4) for i in allowed}
                want = sorted(allowed, key=lambda i, v=values: (-v[i], i))[:k]
                got = ranks.lists.items[n]
                assert got[: len(want)].tolist() == want and not got[len(want) :].any()
        chosen = split.train.groupby("item")["user"].nunique()
        assert ranks.lists.choosers[chosen.index].tolist() == chosen.tolist()
        assert ranks.lists.users == split.train["user"].nunique()
        # a constant scorer recommends the first ids, whatever the pieces
        first = evaluate(constant(split), split, "test", lists=3, filter_seen=False).lists.items
        assert (first == np.flatnonzero(split.train_items)[:3]).all()

    def test_names(self):
        rank = self.ranks
        for text, name, want in (
            ("ndcg@10", "NDCG@10", ndcg(rank, 10)),
            (" HR@5 ", "HR@5", hit_rate(rank, 5)),
            ("mrr", "MRR", mrr(rank)),
            ("Mrr@3", "MRR@3", mrr(rank, 3)),
            ("map@20", "MAP@20", mrr(rank, 20)),
        ):
            label, values = parse_metric(text)
            assert label == name
            np.testing.assert_array_equal(values(rank), want)
        for wrong in (
            "auc@10",
            "ndcg",
            "ndcg@",
            "ndcg@0",
            "ndcg@2.5",
            "ndcg@-1",
            "",
            "@10",
            "hr10",
        ):
            with pytest.raises(TutorialError, match=f"give NAME@K .* {', '.join(METRICS)}"):
                parse_metric(wrong)

    def test_a_new_metric_is_one_entry(self, monkeypatch):
        """Then it has a name to choose it by and stands in every table."""

        def precision(ranks, k):
            return hit_rate(ranks, k) / k

        monkeypatch.setitem(metrics.METRICS, "Precision", Metric(precision))
        table = summary(self.ranks, ks=(10,))
        assert table["Precision@10"] == pytest.approx(0.05)
        label, values = parse_metric("precision@2")
        assert label == "Precision@2" and values(self.ranks).tolist() == [0.5, 0, 0]
