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

import argparse
import gzip
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tutorial_lib.data.events import Dataset
from tutorial_lib.errors import TutorialError
from tutorial_lib.files import replacing

SAMPLE_DIR = Path(__file__).resolve().parents[2] / "data" / "sample"
SITTING = 3600  # s: a pause this long starts a new sitting
END = 1735689600  # 2025-01-01 00:00 UTC: every history ends before it
# users simulated at a time, so that their [50, 1000] arrays stay in the processor's cache
BLOCK = 50
# pauses of equal probability that stand for the pause which the clairvoyant without a clock cannot
# see
NODES = 4


@dataclass(frozen=True)
class World:
    """The parameters of a simulated world. Pairs are (most regular user, most irregular user)."""

    # "real": the mood follows the timestamps; "fixed": it advances `hours_per_event` at each event
    clock: str = "real"
    users: int = 3000
    items: int = 1000
    # of items // clusters items or one more: no history is longer, so none can exhaust a cluster
    clusters: int = 16
    dim: int = 8  # k, even: the rotation acts on pairs of axes
    shortest: int = 20  # events in a history: uniform from `shortest` ...
    longest: int = 60  # ... to `longest`
    half_life: float = 24.0  # hours until the mood is half as far from the taste
    period: float = 96.0  # hours of one turn of the slow rotation
    hours_per_event: float = 6.0  # what the fixed clock counts
    kappa: float = 0.9  # share of the way to the chosen item that the mood jumps
    beta: float = 12.0  # sharpness of the choice
    # distance of an item from its cluster's centre, before both are put on the sphere
    spread: float = 0.8
    taste_spread: float = 0.5  # distance of a taste from the centre of its home cluster, likewise
    # standard deviation of the item bias b: exp(b) is log-normal, so popularity has a long tail
    popularity: float = 0.4
    # probability that the mood leaps to a random cluster at the first event of a sitting
    leap: float = 0.4
    within: tuple[float, float] = (0.25, 0.95)  # share of a user's gaps that lie within a sitting
    # log-normal sigma of a user's pauses between sittings
    pause_sigma: tuple[float, float] = (0.3, 1.6)
    minutes: float = 3.0  # median gap within a sitting (log-normal, sigma 0.8)
    ties: float = 0.03  # share of the gaps within a sitting that are exactly 0 s
    active_days: float = 70.0  # mean time from a user's first event to the last
    end_days: float = 20.0  # the last events are uniform over this many days before END
    seed: int = 2024

    def __post_init__(self) -> None:
        # or a faithful user could run out of items
        fits = 3 <= self.shortest <= self.longest <= self.items // self.clusters
        if self.clock not in ("real", "fixed") or self.dim % 2 or not fits:
            rule = (
                "clock 'real' or 'fixed', an even dim, 3 <= shortest <= longest <= items //"
                " clusters"
            )
            raise TutorialError(f"{self} cannot be simulated: use {rule}.")


WORLDS = {"sample": World(), "control": World(clock="fixed")}


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


class _Space(NamedTuple):
    clusters: np.ndarray  # [V]
    centres: np.ndarray  # [C, k]
    items: np.ndarray  # [V, k]
    bias: np.ndarray  # [V]
    leaps: np.ndarray  # [C, V]: weights exp(beta e.m + b) where the mood is a centre


class _Forecast(NamedTuple):
    """P(next item) and the Q + C cases it is mixed from: the mood drifted for one of Q times or
    leapt to one of C centres.
    """

    probability: np.ndarray  # [B, V], 0 for seen items
    moods: np.ndarray  # [B, Q, k]
    weights: np.ndarray  # [B, Q, V]: exp(beta e.m + b), 0 for seen items
    drift_scale: np.ndarray  # [B, Q]: P(case) / sum of the case's weights
    leap_scale: np.ndarray  # [B, C]


def drift(mood: np.ndarray, taste: np.ndarray, hours: np.ndarray, world: World) -> np.ndarray:
    """Mood [..., k] after `hours` [...] without an event: the closed form of dm/dt = (-lambda +
    rotation) (m - taste).
    """
    # Two axes make one complex number, so decay and rotation together are one complex exponential.
    rate = -np.log(2) / world.half_life + 2j * np.pi / world.period
    away = np.ascontiguousarray(mood - taste).view(np.complex128)  # [..., k / 2]
    return taste + (away * np.exp(rate * hours)[..., None]).view(np.float64)


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
    space = _space(world, streams[0])
    tastes = space.centres[streams[1].integers(world.clusters, size=world.users)]
    tastes = _unit(
        tastes + world.taste_spread * streams[1].standard_normal(tastes.shape) / np.sqrt(world.dim)
    )
    lengths, gaps, times, habits = _calendar(world, streams[2])
    dice = streams[3].random((3, world.users, world.longest))  # leap? where to? which item?
    real = np.arange(world.longest) < lengths[:, None]
    if scores and real.sum() * world.items > 5e7:
        raise TutorialError(
            f"scores=True with {world.users} users needs gigabytes of memory: ask for it in a world"
            " of fewer."
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
            informed = _forecast(world, space, mood, tastes[block], truth, unseen)
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
                blind = _forecast(world, space, belief, tastes[block], view, unseen)
                belief = (1 - world.kappa) * _expected_mood(
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


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _space(world: World, rng: np.random.Generator) -> _Space:
    centres = _unit(rng.standard_normal((world.clusters, world.dim)))
    clusters = rng.permutation(np.arange(world.items) % world.clusters)
    noise = rng.standard_normal((world.items, world.dim)) / np.sqrt(world.dim)
    items = _unit(centres[clusters] + world.spread * noise)
    bias = world.popularity * rng.standard_normal(world.items)
    return _Space(clusters, centres, items, bias, np.exp(world.beta * centres @ items.T + bias))


def item_clusters(world: World) -> np.ndarray:
    """Cluster of item i at [i - 1], int64 [V], without drawing any user."""
    (stream, *_) = np.random.SeedSequence(world.seed).spawn(4)
    return _space(world, np.random.default_rng(stream)).clusters


def _calendar(
    world: World, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple]:
    """Lengths [U], gaps and times [U, longest] s, and the outlook that the users' habits allow who
    sees no clock, [U, Q] each.
    """
    size = (world.users, world.longest)
    lengths = rng.integers(world.shortest, world.longest + 1, world.users)
    irregularity = rng.random((world.users, 1))
    within, sigma = (
        low + (high - low) * irregularity for low, high in (world.within, world.pause_sigma)
    )
    # The fewer pauses a user makes, the longer they are: all are active for about as many days.
    median = (
        world.active_days * 86400 / ((lengths[:, None] - 1) * (1 - within)) - SITTING
    ) / np.exp(sigma**2 / 2)
    short = np.clip(60 * world.minutes * np.exp(0.8 * rng.standard_normal(size)), 1, SITTING - 1)
    short[rng.random(size) < world.ties] = 0
    pauses = SITTING + median * np.exp(sigma * rng.standard_normal(size))
    gaps = np.where(rng.random(size) < within, short, pauses).astype(np.int64)
    gaps[:, 0] = SITTING  # a first event starts a sitting
    elapsed = np.cumsum(gaps, 1) - SITTING
    last = END - 1 - (86400 * world.end_days * rng.random(world.users)).astype(np.int64)
    times = elapsed + (last - elapsed[np.arange(world.users), lengths - 1])[:, None]
    quantiles = np.array([NormalDist().inv_cdf((node + 0.5) / NODES) for node in range(NODES)])
    hours = np.hstack(
        [
            np.full_like(within, world.minutes / 60),
            (SITTING + median * np.exp(sigma * quantiles)) / 3600,
        ]
    )
    weight = np.hstack([within, np.repeat((1 - within) / NODES, NODES, axis=1)])
    return lengths, gaps, times, (hours, weight, np.where(hours >= 1, world.leap, 0.0))


def _forecast(
    world: World,
    space: _Space,
    mood: np.ndarray,
    taste: np.ndarray,
    view: tuple,
    unseen: np.ndarray,
) -> _Forecast:
    """`view`: hours, probability and chance of a leap of the Q drifts that the observer holds
    possible, [B, Q] each.
    """
    hours, weight, leap = view
    moods = drift(mood[:, None], taste[:, None], hours, world)  # [B, Q, k]
    weights = np.exp(world.beta * moods @ space.items.T + space.bias) * unseen[:, None]  # [B, Q, V]
    drift_scale = weight * (1 - leap) / weights.sum(2)  # [B, Q]
    chance = (weight * leap).sum(1, keepdims=True) / len(space.centres)  # of each centre
    leap_scale = chance / (unseen @ space.leaps.T)  # [B, C]
    probability = (drift_scale[:, None] @ weights)[:, 0] + leap_scale @ space.leaps * unseen
    return _Forecast(probability, moods, weights, drift_scale, leap_scale)


def _expected_mood(space: _Space, forecast: _Forecast, chosen: np.ndarray) -> np.ndarray:
    """Mean mood [B, k] just before the event, once the chosen item has told how likely each case
    was (Bayes' rule).
    """
    drifted = forecast.drift_scale * forecast.weights[np.arange(len(chosen)), :, chosen]  # [B, Q]
    leapt = forecast.leap_scale * space.leaps[:, chosen].T  # [B, C]
    mean = (drifted[:, None] @ forecast.moods)[:, 0] + leapt @ space.centres
    return mean / (drifted.sum(1) + leapt.sum(1))[:, None]


def load_ceiling(name: str) -> pd.DataFrame:
    """rank_with_clock, rank_without_clock: one row per event of the full data set, NaN at first
    events. Taught in lesson 01.
    """
    if name not in WORLDS:
        raise TutorialError(
            f"No ceiling is known for {name!r}: only the simulated worlds have one"
            f" ({', '.join(WORLDS)})."
        )
    path = SAMPLE_DIR / f"{name}_ceiling.csv.gz"
    if not path.exists():
        raise TutorialError(
            f"{path} is missing: make it with python -m tutorial_lib.data.simulate --write."
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
            f"Histories of {dataset.name} were changed, so it has no ceiling: pass it as"
            " load_dataset gives it."
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
            f"Got {gap=}, {length=}, {num_sequences=}: use 'query' or 'past', 2 or more and 1 or"
            " more."
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


def write_sample(folder: Path = SAMPLE_DIR) -> None:
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
            print(f"wrote {path}: {len(table)} rows")


def main() -> None:
    """Command line: python -m tutorial_lib.data.simulate --write."""
    parser = argparse.ArgumentParser(
        prog="python -m tutorial_lib.data.simulate", description="Simulate sample and control."
    )
    parser.add_argument(
        "--write", action="store_true", required=True, help="write data/sample again (about 10 s)"
    )
    parser.parse_args()
    try:
        write_sample()
    except TutorialError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
