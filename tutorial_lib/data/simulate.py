"""Two worlds in which the value of time is known: `sample` follows the real clock, `control` does
not. Taught in lesson 01.

Items lie in clusters on the unit sphere of R^k. User u has a taste mu_u and a mood m(t), which
drifts home by the linear ODE dm/dt = (-lambda + rotation) (m - mu_u) and jumps towards every item
that is chosen: m <- m + kappa (e_item - m). The next item is drawn from softmax(beta e.m + b) over
the items that the user has not seen yet. In `sample` the drift takes the true time, and a pause of
an hour or more starts a sitting, at which the mood may leap to a random cluster. `control` has the
same users, items and timestamps, but there the drift takes the same time at every event and leaps
strike all events alike: no gap carries any information. `python -m tutorial_lib.data.simulate
--write` makes data/sample.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tutorial_files.places import SAMPLES
from tutorial_lib.data.events import Dataset
from tutorial_lib.data.world import (
    SITTING,
    WORLDS,
    World,
    drift,
    expected_mood,
    forecast,
    make_calendar,
    make_space,
    unit,
)
from tutorial_lib.errors import TutorialError
from tutorial_lib.files import replacing, write_command
from tutorial_lib.language import say

__all__ = [  # a world and its parts have one address
    "SITTING",
    "WORLDS",
    "Simulation",
    "World",
    "ceiling_ranks",
    "drift",
    "item_clusters",
    "last_gap_task",
    "load_ceiling",
    "simulate",
    "write_sample",
]
# users simulated at a time, so that their [50, 1000] arrays stay in the processor's cache
BLOCK = 50


@dataclass(frozen=True, eq=False)
class Simulation:
    """One drawn world: N events of U users over V items. Ranks and scores are aligned with the rows
    of `events`.
    """

    # user 0..U-1, item 1..V, timestamp s; sorted by (user, timestamp), a tie in order of choice
    events: pd.DataFrame
    # [N]: rank of the event's item among the unseen ones; NaN at first events
    rank_with_clock: np.ndarray
    rank_without_clock: np.ndarray  # [N], the same for an observer who sees no gap
    clusters: np.ndarray  # int64 [V]: cluster of item i at [i - 1]
    embeddings: np.ndarray  # [V, k]
    tastes: np.ndarray  # [U, k]
    # [N, V]: P(item i + 1 is next) before the event, 0 for seen items
    scores_with_clock: np.ndarray | None = None
    scores_without_clock: np.ndarray | None = None


def simulate(world: World, *, scores: bool = False) -> Simulation:
    """Draw a world, and for each event but a user's first the rank of its item under two
    clairvoyant predictors.

    Both know every parameter, the user's taste and habits and all past items, but no dice: whether
    the mood will leap they do not know, so they mix all cases. *With the clock* sees the
    timestamps, the query's included, and the mood after the last event: its P(next item) is exact.
    *Without the clock* sees no gap, past or next: it averages over the user's law of gaps (one
    short gap and `NODES` pauses of equal probability) and follows the mood's mean, its cases
    weighted by Bayes' rule. As only 1 - kappa of a mood survives an event, that is nearly exact:
    told the true mood, its NDCG@10 moves by less than 0.001. In a "fixed" world gaps say nothing
    and the two are one. `scores=True` keeps the probabilities (small worlds only).
    """
    streams = [np.random.default_rng(seed) for seed in np.random.SeedSequence(world.seed).spawn(4)]
    space = make_space(world, streams[0])
    tastes = space.centres[streams[1].integers(world.clusters, size=world.users)]
    tastes = unit(
        tastes + world.taste_spread * streams[1].standard_normal(tastes.shape) / np.sqrt(world.dim)
    )
    lengths, gaps, times, habits = make_calendar(world, streams[2])
    dice = streams[3].random((3, world.users, world.longest))  # leap? where to? which item?
    real = np.arange(world.longest) < lengths[:, None]
    if scores and real.sum() * world.items > 5e7:
        raise TutorialError(
            "scores=True with {users} users needs gigabytes of memory: ask for it in a"
            " world of fewer.",
            users=world.users,
        )
    if world.clock == "real":
        hours, leap = gaps / 3600, world.leap * (gaps >= SITTING)
    else:  # as many leaps on average, but the gaps are not looked at
        hours, leap = (
            np.full(gaps.shape, x)
            for x in (world.hours_per_event, world.leap * (1 - np.mean(world.within)))
        )
    items, ranks = np.zeros(gaps.shape, np.int64), np.zeros((2, *gaps.shape))
    kept = np.zeros((2, *gaps.shape, world.items)) if scores else None
    # similar lengths together: a block shrinks as its histories end
    order = np.argsort(-lengths, kind="stable")
    for first in range(0, world.users, BLOCK):
        block = order[first : first + BLOCK]
        mood = belief = tastes[block]
        unseen = np.ones((len(block), world.items))
        for step in range(lengths[block[0]]):
            block = block[lengths[block] > step]
            mood, belief, unseen = mood[: len(block)], belief[: len(block)], unseen[: len(block)]
            truth = (hours[block, step, None], 1.0, leap[block, step, None])
            informed = forecast(world, space, mood, tastes[block], truth, unseen)
            leaps = dice[0, block, step, None] < leap[block, step, None]
            target = (dice[1, block, step] * world.clusters).astype(np.int64)
            now = np.where(leaps, space.centres[target], informed.moods[:, 0])
            cumulative = np.cumsum(
                np.where(leaps, space.leaps[target] * unseen, informed.weights[:, 0]), 1
            )
            chosen = (cumulative <= dice[2, block, step, None] * cumulative[:, -1:]).sum(1)
            blind = informed
            if world.clock == "real":
                # a first event is known to start a sitting
                view = tuple(part[block] for part in habits) if step else truth
                blind = forecast(world, space, belief, tastes[block], view, unseen)
                belief = (1 - world.kappa) * expected_mood(
                    space, blind, chosen
                ) + world.kappa * space.items[chosen]
            mood = (1 - world.kappa) * now + world.kappa * space.items[chosen]
            items[block, step] = chosen + 1
            guesses = np.stack([informed.probability, blind.probability])  # [2, B, V]
            ranks[:, block, step] = 1 + (
                guesses > guesses[:, np.arange(len(block)), chosen, None]
            ).sum(2)
            if kept is not None:
                kept[:, block, step] = guesses
            unseen[np.arange(len(block)), chosen] = 0
    ranks[:, :, 0] = np.nan
    events = pd.DataFrame(
        {
            "user": np.repeat(np.arange(world.users), lengths),
            "item": items[real],
            "timestamp": times[real],
        }
    )
    probabilities = () if kept is None else (kept[0][real], kept[1][real])
    return Simulation(
        events, ranks[0][real], ranks[1][real], space.clusters, space.items, tastes, *probabilities
    )


def item_clusters(world: World) -> np.ndarray:
    """Cluster of item i at [i - 1], int64 [V], without drawing any user."""
    (stream, *_) = np.random.SeedSequence(world.seed).spawn(4)
    return make_space(world, np.random.default_rng(stream)).clusters


def load_ceiling(name: str) -> pd.DataFrame:
    """rank_with_clock, rank_without_clock: one row per event of the full data set, NaN at first
    events. Taught in lesson 01.
    """
    if name not in WORLDS:
        raise TutorialError(
            "No ceiling is known for {name!r}: only the simulated worlds have one ({worlds}).",
            name=name,
            worlds=", ".join(WORLDS),
        )
    path = SAMPLES / f"{name}_ceiling.csv.gz"
    if not path.exists():
        raise TutorialError(
            "{path} is missing: make it with python -m tutorial_lib.data.simulate --write.",
            path=path,
        )
    return pd.read_csv(path, dtype=np.float64)


def ceiling_ranks(dataset: Dataset, rows: np.ndarray) -> pd.DataFrame:
    """`load_ceiling` at the given rows of `dataset.events`, say `split.test.row`; any metric of
    these ranks is its ceiling there.

    Users may have been left out, for a row is found by its user's original id and its position, but
    histories not changed.
    """
    ceiling = load_ceiling(dataset.name)
    starts = np.append(np.flatnonzero(ceiling["rank_with_clock"].isna()), len(ceiling))
    if not np.array_equal(np.diff(starts)[dataset.user_ids], np.diff(dataset.offsets)):
        raise TutorialError(
            "Histories of {dataset} were changed, so it has no ceiling: pass it as"
            " load_dataset gives it.",
            dataset=dataset.name,
        )
    users = dataset.events["user"].to_numpy()[rows]
    return ceiling.iloc[
        starts[dataset.user_ids[users]] + rows - dataset.offsets[users]
    ].reset_index(drop=True)


def last_gap_task(
    num_sequences: int, length: int, seed: int = 0, *, gap: str = "query"
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sequences whose answer only the last gap tells: item 1 if it is short (1 to 10 minutes), item
    2 if long (1 to 10 days).

    `gap="query"`: from the last event to the query; "past": from the last event but one to the
    last. All other gaps are short or long at random and tell nothing, like the items, drawn from
    3..12. Half of the answers are 1, half 2, so a model blind to time is right half of the time.
    Returns items, times, query_times [N, L] and answer [N], int64; sequences have 2 to `length`
    events, padded on the right (times repeat, gap 0).
    """
    if gap not in ("query", "past") or length < 2 or num_sequences < 1:
        raise TutorialError(
            "Got gap={gap!r}, length={length!r}, num_sequences={num_sequences!r}: use"
            " 'query' or 'past', 2 or more and 1 or more.",
            gap=gap,
            length=length,
            num_sequences=num_sequences,
        )
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, length + 1, num_sequences)
    answer = rng.permutation(np.arange(num_sequences) % 2) + 1
    # column i: the gap before event i, column `lengths` the query's
    long = rng.integers(0, 2, (num_sequences, length + 1))
    long[np.arange(num_sequences), lengths - (gap == "past")] = answer - 1
    gaps = (np.where(long, 86400, 60) * 10 ** rng.random(long.shape)).astype(np.int64)
    instants = 1_700_000_000 + np.cumsum(gaps, 1)
    real, last = (
        np.arange(length) < lengths[:, None],
        instants[np.arange(num_sequences), lengths - 1, None],
    )
    items, times, queries = (
        rng.integers(3, 13, real.shape) * real,
        instants[:, :-1],
        instants[:, 1:],
    )
    columns = (items, np.where(real, times, last), np.where(real, queries, last), answer)
    return tuple(torch.from_numpy(column) for column in columns)


def write_sample(folder: Path = SAMPLES) -> None:
    """Simulate WORLDS; write event tables and ceilings as gzipped CSV. The same worlds give the
    same bytes.
    """
    for name, world in WORLDS.items():
        simulation = simulate(world)
        ranks = {
            "rank_with_clock": simulation.rank_with_clock,
            "rank_without_clock": simulation.rank_without_clock,
        }
        for stem, table in (
            (name, simulation.events),
            (f"{name}_ceiling", pd.DataFrame(ranks).astype("Int64")),
        ):
            path = folder / f"{stem}.csv.gz"
            text = table.to_csv(index=False, lineterminator="\n").encode()
            with replacing(path) as part:
                part.write_bytes(gzip.compress(text, 9, mtime=0))
            print(say("wrote {path}: {count} rows", path=path, count=len(table)))


def main() -> None:
    """Command line: python -m tutorial_lib.data.simulate --write."""
    about = say("Simulate sample and control, and write data/sample, in about 10 s.")
    write_command("tutorial_lib.data.simulate", about, write_sample)


if __name__ == "__main__":
    main()
