"""What a simulated world is made of: parameters, items and tastes, calendars, moods and forecasts.
The story that they tell is in `simulate`.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from tutorial_lib.errors import TutorialError

SITTING = 3600  # s: a pause this long starts a new sitting
END = 1735689600  # 2025-01-01 00:00 UTC: every history ends before it
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
            raise TutorialError(
                "{self} cannot be simulated: use clock 'real' or 'fixed', an even dim,"
                " 3 <= shortest <= longest <= items // clusters.",
                self=self,
            )


WORLDS = {"sample": World(), "control": World(clock="fixed")}


class Space(NamedTuple):
    clusters: np.ndarray  # [V]
    centres: np.ndarray  # [C, k]
    items: np.ndarray  # [V, k]
    bias: np.ndarray  # [V]
    leaps: np.ndarray  # [C, V]: weights exp(beta e.m + b) where the mood is a centre


class Forecast(NamedTuple):
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


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def make_space(world: World, rng: np.random.Generator) -> Space:
    centres = unit(rng.standard_normal((world.clusters, world.dim)))
    clusters = rng.permutation(np.arange(world.items) % world.clusters)
    noise = rng.standard_normal((world.items, world.dim)) / np.sqrt(world.dim)
    items = unit(centres[clusters] + world.spread * noise)
    bias = world.popularity * rng.standard_normal(world.items)
    return Space(clusters, centres, items, bias, np.exp(world.beta * centres @ items.T + bias))


def make_calendar(
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


def forecast(
    world: World,
    space: Space,
    mood: np.ndarray,
    taste: np.ndarray,
    view: tuple,
    unseen: np.ndarray,
) -> Forecast:
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
    return Forecast(probability, moods, weights, drift_scale, leap_scale)


def expected_mood(space: Space, forecast: Forecast, chosen: np.ndarray) -> np.ndarray:
    """Mean mood [B, k] just before the event, once the chosen item has told how likely each case
    was (Bayes' rule).
    """
    drifted = forecast.drift_scale * forecast.weights[np.arange(len(chosen)), :, chosen]  # [B, Q]
    leapt = forecast.leap_scale * space.leaps[:, chosen].T  # [B, C]
    mean = (drifted[:, None] @ forecast.moods)[:, 0] + leapt @ space.centres
    return mean / (drifted.sum(1) + leapt.sum(1))[:, None]
