"""The picture of the READMEs: twelve choices of one simulated user, as the clock has them and as a
time-blind model sees them.

python notebooks/figures/overview.py        writes overview.png beside this file, the same bytes
    every time
"""

import os
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.patches import ConnectionPatch  # noqa: E402

from tutorial_lib.data.simulate import SITTING, WORLDS, drift, simulate  # noqa: E402
from tutorial_lib.plots import MARKERS, PALETTE, use_style  # noqa: E402

USER, FIRST, COUNT = 52, 25, 12  # a user with four sittings of three events each in a week
# the world of the sample with fewer people, because they are drawn quicker
WORLD = replace(WORLDS["sample"], users=200)


def mood_path(
    items: np.ndarray, times: np.ndarray, taste: np.ndarray, clock: np.ndarray
) -> np.ndarray:
    """Distance of the mood from the taste at the seconds `clock`, replayed from the items [n, k]
    chosen at `times` [n].

    The world's random leaps are not replayed: after the choice that follows a leap, a tenth of it
    is left.
    """
    mood, at, path = taste, times[0], np.zeros(len(clock))
    for item, time in zip(items, times, strict=True):
        before = drift(mood, taste, np.array((time - at) / 3600), WORLD)
        mood, at = before + WORLD.kappa * (item - before), time
        later = clock >= time  # until the next event, which writes over the rest
        hours = (clock[later] - time) / 3600
        path[later] = np.linalg.norm(
            drift(np.broadcast_to(mood, (len(hours), len(mood))), taste, hours, WORLD) - taste,
            axis=1,
        )
    return path


def draw() -> plt.Figure:
    world = simulate(WORLD)
    events = world.events[world.events["user"] == USER].iloc[: FIRST + COUNT]
    times, items = events["timestamp"].to_numpy(), events["item"].to_numpy() - 1
    shown, clusters = times[FIRST:], world.clusters[items[FIRST:]]
    days, pauses = (shown - shown[0]) / 86400, np.diff(shown)[np.diff(shown) >= SITTING] / 3600
    sitting = np.searchsorted(np.flatnonzero(np.diff(shown) >= SITTING), np.arange(COUNT))
    # place within its sitting
    height = np.array([np.sum(sitting[:place] == sitting[place]) for place in range(COUNT)])
    now = days[-1] + 1
    clock = shown[0] + np.arange(-0.3, now, 0.002) * 86400

    use_style()
    plt.rcParams.update({"font.size": 10.5, "axes.titlesize": 11.5, "axes.grid": False})
    figure, (mood, real, equal) = plt.subplots(
        3, 1, figsize=(9.2, 5.8), height_ratios=(1.3, 1.0, 0.55)
    )
    mood.plot(
        (clock - shown[0]) / 86400,
        mood_path(world.embeddings[items], times, world.tastes[USER], clock),
        color="#444444",
        lw=1.5,
    )
    mood.set_title(
        "The mood leaps at a choice and drifts back to the taste in between (half-life"
        f" {WORLD.half_life:.0f} h)"
    )
    mood.set(ylabel="distance of the\nmood from the taste", ylim=(0, None), xticklabels=[])
    lengths = ", ".join(f"{pause:.0f}" for pause in pauses[:-1]) + f" and {pauses[-1]:.0f}"
    real.set_title(
        f"What the clock shows: {sitting[-1] + 1} sittings of some minutes, pauses of {lengths}"
        " hours"
    )
    real.set(xlabel="time (days)", ylim=(-0.8, 2.7), yticks=[])
    equal.set_title(f"What a model without a clock sees: {COUNT} equal steps")
    equal.set(
        xlabel="number of the event",
        ylim=(-1, 1),
        yticks=[],
        xticks=range(1, COUNT + 2),
        xlim=(0.3, COUNT + 1.6),
    )
    for axes in (mood, real):
        axes.set_xlim(-0.3, now + 0.8)
        axes.axvline(now, color="#444444", lw=1.2, ls="--")
    real.text(now + 0.1, 1, "now:\nwhat\ncomes\nnext?", va="center")
    equal.text(COUNT + 1, 0, "?", ha="center", va="center", fontsize=16)
    for axes in (real, equal):
        axes.spines["left"].set_visible(False)
        # readable where the connecting lines cross
        for text in (axes._left_title, axes.xaxis.label):
            text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.5})
    for row, cluster in enumerate(dict.fromkeys(clusters)):
        here, style = (
            clusters == cluster,
            {
                "color": PALETTE[row],
                "marker": MARKERS[row],
                "s": 60,
                "zorder": 3,
            },
        )
        real.scatter(days[here], height[here], label="ABCDEFGH"[row], **style)
        equal.scatter(1 + np.flatnonzero(here), np.zeros(here.sum()), **style)
    real.legend(
        title="kind of item",
        ncols=4,
        loc="center",
        bbox_to_anchor=(0.305, 0.55),
        columnspacing=0.8,
        handletextpad=0.1,
    )
    for place in range(COUNT):
        ends = {"xyA": (days[place], -0.5), "xyB": (place + 1, 0.5), "axesA": real, "axesB": equal}
        line = ConnectionPatch(
            **ends, coordsA="data", coordsB="data", color="#BBBBBB", lw=0.8, zorder=0
        )
        line.set_in_layout(False)
        equal.add_artist(line)
    return figure


def main() -> None:
    path = Path(__file__).with_suffix(".png")
    part = path.with_suffix(".part")
    draw().savefig(part, format="png", dpi=100, metadata={"Software": None})
    os.replace(part, path)


if __name__ == "__main__":
    main()
