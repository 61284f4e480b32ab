"""The simulated worlds: what is true in them by construction, and what their two clairvoyant
observers know.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data import simulate as module
from tutorial_lib.data import world as parts
from tutorial_lib.data.simulate import (
    SAMPLES,
    SITTING,
    WORLDS,
    World,
    drift,
    load_ceiling,
    main,
    simulate,
    write_sample,
)
from tutorial_lib.errors import TutorialError

SMALL = World(users=120, shortest=15, longest=30)
RANKS = ["rank_with_clock", "rank_without_clock"]


@pytest.fixture(scope="module")
def drawn():
    """Both worlds of the course, simulated anew."""
    return {name: simulate(world) for name, world in WORLDS.items()}


@pytest.fixture(scope="module")
def small():
    return simulate(SMALL, scores=True)


def gaps_of(events):
    """Gap before each event in s; -1 at first events."""
    user, time = events["user"].to_numpy(), events["timestamp"].to_numpy()
    return np.where(np.diff(user, prepend=-1) != 0, -1, np.diff(time, prepend=0))


def test_committed_files_are_what_the_code_makes(drawn):
    for name, simulation in drawn.items():
        pd.testing.assert_frame_equal(pd.read_csv(SAMPLES / f"{name}.csv.gz"), simulation.events)
        ceiling = load_ceiling(name)
        assert list(ceiling) == RANKS
        for column in RANKS:
            np.testing.assert_array_equal(ceiling[column], getattr(simulation, column))
    assert sum(file.stat().st_size for file in SAMPLES.iterdir()) < 3e6


def test_same_seed_same_bits_other_seed_other_world():
    first, again, other = (
        simulate(SMALL),
        simulate(SMALL),
        simulate(replace(SMALL, seed=SMALL.seed + 1)),
    )
    pd.testing.assert_frame_equal(first.events, again.events)
    for column in RANKS:
        np.testing.assert_array_equal(getattr(first, column), getattr(again, column))
    assert not np.array_equal(first.events["item"][:200], other.events["item"][:200])
    assert not np.array_equal(first.tastes, other.tastes) and not np.array_equal(
        first.embeddings, other.embeddings
    )


def test_nothing_is_seen_twice_and_no_cluster_runs_dry(drawn):
    for name, simulation in drawn.items():
        assert not simulation.events.duplicated(["user", "item"]).any()
        sizes = np.bincount(simulation.clusters)
        assert sizes.min() >= WORLDS[name].longest
        cluster = simulation.clusters[simulation.events["item"] - 1]
        used = np.zeros((WORLDS[name].users, len(sizes)), int)
        np.add.at(used, (simulation.events["user"], cluster), 1)
        # the most faithful user still has a fifth of the cluster to choose from
        assert (used / sizes).max() < 0.8


def test_control_shares_everything_with_sample_but_the_choices(drawn):
    sample, control = drawn["sample"], drawn["control"]
    pd.testing.assert_frame_equal(
        sample.events[["user", "timestamp"]], control.events[["user", "timestamp"]]
    )
    np.testing.assert_array_equal(sample.embeddings, control.embeddings)
    np.testing.assert_array_equal(sample.tastes, control.tastes)
    assert (sample.events["item"] != control.events["item"]).mean() > 0.5


def test_mood_halves_its_distance_in_a_half_life_and_solves_the_ode():
    world = World(half_life=6.0, period=48.0)
    rng = np.random.default_rng(0)
    mood, taste = rng.standard_normal((2, 5, world.dim))

    def after(hours, start=mood):
        return drift(start, taste, np.full(5, hours), world)

    np.testing.assert_allclose(after(0.0), mood, atol=1e-14)
    for hours in (6.0, 12.0, 30.0):
        distance = np.linalg.norm(after(hours) - taste, axis=1) / np.linalg.norm(
            mood - taste, axis=1
        )
        np.testing.assert_allclose(distance, 0.5 ** (hours / 6.0), rtol=1e-12)
    np.testing.assert_allclose(after(7.0), after(4.0, after(3.0)), rtol=1e-12)  # two gaps are one
    # half a period: the opposite direction
    half_turn = drift(mood, taste, np.full(5, 24.0), world) - taste
    np.testing.assert_allclose(half_turn, -(0.5**4) * (mood - taste), atol=1e-12)
    generator = np.kron(
        np.eye(world.dim // 2), 2 * np.pi / 48.0 * np.array([[0.0, -1.0], [1.0, 0.0]])
    )
    velocity = (mood - taste) @ (generator - np.log(2) / 6.0 * np.eye(world.dim)).T
    np.testing.assert_allclose((after(1e-4) - after(-1e-4)) / 2e-4, velocity, rtol=1e-6)


def test_a_clock_that_moves_nothing_is_worth_nothing():
    """Where a real clock changes neither mood nor leaps, both observers know the same, so the gain
    is no artefact of the code.
    """
    still = simulate(replace(SMALL, half_life=1e18, period=1e18, leap=0.0), scores=True)
    np.testing.assert_allclose(still.scores_with_clock, still.scores_without_clock, atol=1e-12)
    np.testing.assert_array_equal(still.rank_with_clock, still.rank_without_clock)


def test_control_never_looks_at_a_gap():
    fixed = replace(SMALL, clock="fixed")
    other_times = {
        "minutes": 20.0,
        "ties": 0.2,
        "active_days": 7.0,
        "pause_sigma": (0.1, 0.5),
        "end_days": 99.0,
    }
    base, changed = simulate(fixed), simulate(replace(fixed, **other_times))
    assert (base.events["timestamp"] != changed.events["timestamp"]).mean() > 0.9
    np.testing.assert_array_equal(base.events["item"], changed.events["item"])
    np.testing.assert_array_equal(base.rank_with_clock, changed.rank_with_clock)
    real, moved = (
        simulate(replace(SMALL, clock="real")),
        simulate(replace(SMALL, clock="real", **other_times)),
    )
    # the same change does tell in the real clock's world
    assert (real.events["item"] != moved.events["item"]).mean() > 0.2


def test_cluster_changes_follow_pauses_in_sample_only(drawn):
    z = {}
    for name, simulation in drawn.items():
        gap = gaps_of(simulation.events)
        change = np.diff(simulation.clusters[simulation.events["item"] - 1], prepend=-1) != 0
        long, short = change[gap >= SITTING], change[(gap >= 0) & (gap < SITTING)]
        error = np.sqrt(long.var() / len(long) + short.var() / len(short))
        z[name] = (long.mean() - short.mean()) / error
    assert z["sample"] > 50
    assert abs(z["control"]) < 4


def test_probabilities_are_proper_and_give_the_ranks(small):
    chosen = small.events["item"].to_numpy() - 1
    first = gaps_of(small.events) < 0
    for scores, ranks in (
        (small.scores_with_clock, small.rank_with_clock),
        (small.scores_without_clock, small.rank_without_clock),
    ):
        np.testing.assert_allclose(scores.sum(1), 1.0, rtol=1e-9)
        assert np.isnan(ranks[first]).all()
        order = np.argsort(-scores, axis=1, kind="stable")
        by_sorting = 1 + np.argmax(order == chosen[:, None], axis=1)
        np.testing.assert_array_equal(by_sorting[~first], ranks[~first])
        for row in np.flatnonzero(~first)[::97]:
            seen = chosen[:row][
                (small.events["user"][:row] == small.events["user"][row]).to_numpy()
            ]
            assert (scores[row, seen] == 0).all() and (scores[row] == 0).sum() == len(seen)


def space_of(world):
    return parts.make_space(
        world, np.random.default_rng(np.random.SeedSequence(world.seed).spawn(4)[0])
    )


def test_probabilities_with_clock_are_the_closed_form(small):
    """A second event soon after the first: the mood is known but for the first event's leap, of
    which one choice must fit.
    """
    space, leapt = space_of(SMALL), []
    items, gap = small.events["item"].to_numpy() - 1, gaps_of(small.events)
    for row in np.flatnonzero(gap < 0) + 1:
        if gap[row] < SITTING:
            taste = small.tastes[small.events["user"][row]]
            before = np.concatenate([taste[None], space.centres])
            mood = 0.1 * before + 0.9 * space.items[items[row - 1]]
            mood = drift(mood, taste, np.full(len(mood), gap[row] / 3600), SMALL)
            weights = np.exp(SMALL.beta * mood @ space.items.T + space.bias)
            weights[:, items[row - 1]] = 0
            errors = np.abs(
                weights / weights.sum(1, keepdims=True) - small.scores_with_clock[row]
            ).max(1)
            assert errors.min() < 1e-9
            leapt.append(errors.argmin() > 0)
    assert abs(np.mean(leapt) - SMALL.leap) < 4 * np.sqrt(0.24 / len(leapt)) and len(leapt) > 50


def surprise(scores, chosen):
    """z-value of the mean of log p(chosen) - E_p log p: near 0 for an observer whose probabilities
    are the true ones.
    """
    logs = np.log(np.where(scores > 0, scores, 1.0))
    difference = logs[np.arange(len(chosen)), chosen] - (scores * logs).sum(1)
    return difference.mean() / (difference.std() / np.sqrt(len(difference)))


def test_clairvoyants_are_calibrated_and_better_than_popularity(small):
    chosen, gap = small.events["item"].to_numpy() - 1, gaps_of(small.events)
    for part in (gap >= 0, gap >= SITTING, (gap >= 0) & (gap < SITTING)):
        assert abs(surprise(small.scores_with_clock[part], chosen[part])) < 4
    assert abs(surprise(small.scores_without_clock[gap >= 0], chosen[gap >= 0])) < 4
    blind_after_pauses = surprise(
        small.scores_without_clock[gap >= SITTING], chosen[gap >= SITTING]
    )
    # it cannot know that these come after pauses: the check does find an ignorant observer
    assert blind_after_pauses < -8
    # from these very events: flatters popularity
    counts = np.bincount(chosen, minlength=SMALL.items) + 1.0
    popular = counts * (small.scores_with_clock > 0)
    popular /= popular.sum(1, keepdims=True)
    rows = np.flatnonzero(gap >= 0)
    log = [
        np.log(scores[rows, chosen[rows]])
        for scores in (small.scores_with_clock, small.scores_without_clock, popular)
    ]
    for better, worse in ((log[0], log[1]), (log[1], log[2])):
        gain = better - worse
        assert gain.mean() > 6 * gain.std() / np.sqrt(len(gain)) and gain.mean() > 0.1


def test_observer_without_clock_is_close_to_the_exact_posterior(small):
    """The fourth event, predicted by enumerating every course of the mood since the first, 12
    pauses to each gap.
    """
    space = space_of(SMALL)
    centre_weights = space.leaps
    exact, told, blind = [], [], []
    nodes, parts.NODES = parts.NODES, 12
    try:
        hours, weight, _ = parts.make_calendar(
            SMALL, np.random.default_rng(np.random.SeedSequence(SMALL.seed).spawn(4)[2])
        )[3]
    finally:
        parts.NODES = nodes
    for user in range(20):
        rows = np.flatnonzero(small.events["user"] == user)[:4]
        taste, chosen = small.tastes[user], small.events["item"].to_numpy()[rows] - 1
        # hypotheses about the mood after the event, and their probabilities
        moods, belief = taste[None], np.ones(1)
        unseen = np.ones(SMALL.items)
        for step, item in enumerate(chosen):
            view = (hours[user], weight[user]) if step else (np.zeros(1), np.ones(1))
            leap = np.where(view[0] >= 1, SMALL.leap, 0.0) if step else np.array([SMALL.leap])
            drifted = drift(
                moods[:, None], taste, np.broadcast_to(view[0], (len(moods), len(view[0]))), SMALL
            )
            scores = np.exp(SMALL.beta * drifted @ space.items.T + space.bias) * unseen  # [H, Q, V]
            scores *= (belief[:, None] * view[1] * (1 - leap) / scores.sum(2))[:, :, None]
            leapt = centre_weights * unseen
            leapt *= (view[1] * leap).sum() / len(leapt) / leapt.sum(1, keepdims=True)  # [C, V]
            if step == 3:
                exact.append(scores.sum((0, 1)) + leapt.sum(0))
            joint = np.concatenate([scores[:, :, item].ravel(), leapt[:, item]])
            belief = joint / joint.sum()
            moods = np.concatenate([drifted.reshape(-1, SMALL.dim), space.centres])
            moods = (1 - SMALL.kappa) * moods + SMALL.kappa * space.items[item]
            keep = belief > 1e-4  # the rest cannot matter
            moods, belief = moods[keep], belief[keep] / belief[keep].sum()
            unseen[item] = 0
        blind.append(small.scores_without_clock[rows[3]])
        told.append(small.scores_with_clock[rows[3]])
    exact, blind, told = np.array(exact), np.array(blind), np.array(told)
    distance = np.abs(exact - blind).sum(1).mean() / 2  # total variation
    assert distance < 0.01
    assert np.abs(exact - told).sum(1).mean() / 2 > 20 * distance


@pytest.mark.parametrize(
    "fault", [{"clock": "none"}, {"dim": 7}, {"longest": 63}, {"shortest": 2}, {"shortest": 61}]
)
def test_impossible_worlds_are_refused(fault):
    with pytest.raises(TutorialError, match="cannot be simulated: use clock 'real' or 'fixed'"):
        World(**fault)


def test_scores_of_a_large_world_are_refused():
    with pytest.raises(TutorialError, match="3000 users needs gigabytes"):
        simulate(World(), scores=True)


def test_writing_gives_the_same_bytes_and_leaves_nothing_half_written(
    monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(module, "WORLDS", {"sample": replace(SMALL, users=10)})
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        write_sample(folder)
    assert sorted(file.name for file in folders[0].iterdir()) == [
        "sample.csv.gz",
        "sample_ceiling.csv.gz",
    ]
    for file in folders[0].iterdir():
        content = file.read_bytes()
        assert content == (folders[1] / file.name).read_bytes()
        assert content[3:8] == bytes(5)  # gzip header: no file name, time 0
    assert pd.read_csv(folders[0] / "sample_ceiling.csv.gz").isna().sum().tolist() == [10, 10]
    (tmp_path / "file").write_text("")
    with pytest.raises(TutorialError, match="could not write"):
        write_sample(tmp_path / "file")

    def full_disk(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    (tmp_path / "full").mkdir()
    with pytest.raises(TutorialError, match="No space left"):
        write_sample(tmp_path / "full")
    assert list((tmp_path / "full").iterdir()) == []


def test_command_line(monkeypatch, capsys):
    for arguments, code in (["--help"], 0), ([], 2):
        monkeypatch.setattr("sys.argv", ["simulate", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == code
    assert "--write" in capsys.readouterr().out

    def fail():
        raise TutorialError("one sentence.")

    monkeypatch.setattr(module, "write_sample", fail)
    monkeypatch.setattr("sys.argv", ["simulate", "--write"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2 and capsys.readouterr().err == "one sentence.\n"
