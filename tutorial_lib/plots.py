"""Small pictures in one style. Every function draws into `ax` (or a new figure) and returns the
Axes; none calls plt.show().

Colours are those of Okabe and Ito (2008), which readers with any colour vision can tell apart.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib import font_manager
from matplotlib.axes import Axes

from tutorial_lib.errors import TutorialError
from tutorial_lib.language import FONT, language, mark, say
from tutorial_lib.notebook import sharpen_pictures
from tutorial_lib.statistics import Interval

BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, YELLOW, BLACK = PALETTE = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000"
)  # fmt: skip
MARKERS = "osD^vP*X"  # with the colours: groups differ by shape too
DASHES = ("--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)))
UNITS = ((mark("days"), 86_400), (mark("hours"), 3_600), (mark("minutes"), 60),
         (mark("seconds"), 1))  # fmt: skip


def use_style() -> None:
    """Set the look of all later figures: 90 dpi, the palette, thin grid, no box; in Chinese with a
    font that has its characters; in a notebook with twice the pixels of the width on the page.
    """
    plt.rcParams.update(
        {
            "figure.dpi": 90,
            "savefig.dpi": 90,
            "figure.figsize": (6.4, 3.6),
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.prop_cycle": plt.cycler(color=PALETTE[:6]),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#E0E0E0",
            "grid.linewidth": 0.6,
            "legend.frameon": False,
        }
    )
    if language() == "zh" and FONT.exists():
        font_manager.fontManager.addfont(FONT)
        family = font_manager.FontProperties(fname=FONT).get_name()
        plt.rcParams["font.family"] = ["DejaVu Sans", family]
    sharpen_pictures()


def heatmap(
    matrix: Any,
    rows: Sequence | None = None,
    columns: Sequence | None = None,
    title: str = "",
    *,
    xlabel: str = mark("key (event that is read)"),
    ylabel: str = mark("query (event that reads)"),
    label: str | None = None,
    digits: int = 2,
    cmap: str = "Blues",
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A matrix [R, C] as coloured cells with their numbers (readable up to about 12 x 12): masks,
    attention weights.

    Truth values show as 1 and a dot. Cells that are not finite (a mask of -inf) are grey and
    crossed. `rows`, `columns`: tick labels; `label`: name and unit of the colours (draws a colour
    bar); `limits`: values at the ends of the colour scale.
    """
    values = np.asarray(matrix.detach().cpu() if isinstance(matrix, torch.Tensor) else matrix)
    if values.ndim != 2 or 0 in values.shape:
        raise TutorialError(
            "heatmap got an array of shape {shape}: pass one matrix [rows, columns]",
            shape=values.shape,
        )
    truth, numbers = values.dtype == bool, values.astype(np.float64)
    finite = np.isfinite(numbers)
    low, high = numbers[finite].min(initial=0), numbers[finite].max(initial=1e-9)
    limits = limits or ((0.0, 1.0) if truth else (low, high))
    if ax is None:
        size = 0.55 * np.array(values.shape[::-1]) + (2.2 if label is None else 3.2, 1.3)
        ax = plt.subplots(figsize=tuple(np.clip(size, 2.5, 8)))[1]
    image = ax.imshow(
        np.where(finite, numbers, np.nan), cmap=cmap, vmin=limits[0], vmax=limits[1], aspect="auto"
    )
    ax.set_facecolor("#D0D0D0")
    ax.grid(False)
    for place, value in np.ndenumerate(numbers):
        red, green, blue, _ = image.cmap(image.norm(value)) if finite[place] else (1, 1, 1, 1)
        ink = "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "white"
        text = f"{round(value, digits) + 0.0:.{digits}f}" if finite[place] else "×"
        text = ("1" if value else "·") if truth else text
        style = {"ha": "center", "va": "center", "fontsize": 16 if text == "·" else 9}
        ax.text(place[1], place[0], text, color=ink, **style)
    for axis, names, count in (
        (ax.xaxis, columns, values.shape[1]),
        (ax.yaxis, rows, values.shape[0]),
    ):
        names = range(1, count + 1) if names is None else names
        axis.set_ticks(range(count), [str(name) for name in names])
    # long names would run into each other
    if columns is not None and max(len(str(name)) for name in columns) > 5:
        plt.setp(ax.get_xticklabels(), rotation=30, ha="right", rotation_mode="anchor")
    ax.set(title=title, xlabel=say(xlabel), ylabel=say(ylabel))
    ax.tick_params(length=0)
    if label is not None:
        ax.figure.colorbar(image, ax=ax, label=label)
    return ax


def learning_curve(
    histories: Any,
    column: str = "ndcg",
    *,
    ylabel: str = mark("validation NDCG@10"),
    lines: Mapping[str, float] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """One quantity against the epoch. A history is what `train` returns, or rows with "epoch" and
    `column`.

    `histories`: one of them, or {name: history} to compare several; a ring marks the best epoch
    (lowest for "loss"). `lines`: {name: value} drawn as horizontal references.
    """
    named = histories if isinstance(histories, Mapping) else {"": histories}
    ax = ax or plt.subplots()[1]
    for index, (name, history) in enumerate(named.items()):
        table = pd.DataFrame(getattr(history, "rows", history))
        if table.empty or not {"epoch", column} <= set(table.columns):
            raise TutorialError(
                "the history {name!r} has the columns {columns}: wanted rows with epoch"
                " and {column}",
                name=name, columns=list(table.columns), column=column,
            )  # fmt: skip
        color = PALETTE[index % 6]
        ax.plot(table["epoch"], table[column], color=color, marker=".", label=name)
        best = table[column].idxmin() if column == "loss" else table[column].idxmax()
        ax.plot(
            table["epoch"][best], table[column][best], "o", ms=10, mfc="none", mec=color, mew=1.5
        )
    for index, (name, value) in enumerate((lines or {}).items()):
        ax.axhline(value, color="#555555", lw=1.2, ls=DASHES[index % len(DASHES)], label=name)
    ax.xaxis.get_major_locator().set_params(integer=True)
    xlabel = say("epoch (passes over the training data)")
    ax.set(xlabel=xlabel, ylabel=say(ylabel), title=title)
    if lines or any(named):
        ax.legend(loc="best")
    return ax


def draw_interval(
    ax: Axes, interval: Interval, y: float, marker: str, size: float, width: float, **style: Any
) -> None:
    """A line from end to end at height `y`, and on it the mean, which alone stands in a legend."""
    ends = [interval.low, interval.high]
    ax.plot(ends, [y, y], color=style["color"], lw=width, solid_capstyle="butt")
    ax.plot(interval.mean, y, marker, ms=size, ls="", **style)


def metric_bars(
    table: Mapping[str, Interval],
    lines: Mapping[str, float] | None = None,
    *,
    xlabel: str = mark("NDCG@10 (mean over users, 95 % interval)"),
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """One row a model, first on top: a point with its interval; vertical lines for floor and
    ceiling.

    `table`: {model: Interval}. `lines`: for example {"popularity": 0.009, "clairvoyant": 0.127};
    the axis starts at 0.
    """
    if not table:
        raise TutorialError(
            "metric_bars got no model: pass {name: Interval}, for example from bootstrap_interval"
        )
    lines = lines or {}
    ax = ax or plt.subplots(figsize=(6.4, 1.2 + 0.35 * len(table)))[1]
    for row, interval in enumerate(table.values()):
        draw_interval(ax, interval, row, "o", 7, 2.5, color=BLUE)
    right = 1.08 * max([interval.high for interval in table.values()] + list(lines.values()))
    for index, (name, value) in enumerate(lines.items()):
        ax.axvline(value, color="#555555", lw=1.2, ls=DASHES[index % len(DASHES)])
        above = {"xytext": (0, 3 + 12 * (index % 2)), "textcoords": "offset points", "fontsize": 9}
        ax.annotate(
            name,
            (value, 1),
            xycoords=("data", "axes fraction"),
            ha="right" if value > right / 2 else "left",
            **above,
        )
    ax.set_yticks(range(len(table)), list(table))
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.set_xlim(min([0.0] + [interval.low for interval in table.values()]), right)
    ax.set_xlabel(say(xlabel))
    ax.set_title(title, pad=6 + 12 * min(len(lines), 2))
    ax.grid(axis="y", visible=False)
    return ax


def differences(
    table: Mapping[str, Mapping[str, Interval]],
    *,
    rivals: Sequence[str] | None = None,
    xlabel: str = mark("difference of NDCG@10"),
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """One row a model, in it a point and its interval for every rival that was subtracted; a line
    at 0.

    `table`: {model: {rival: Interval}}. A rival has the same colour and marker in every row, and in
    every picture that is given the same `rivals`. The labels are for a legend: `ax.legend()`.
    """
    if not table or not all(table.values()):
        raise TutorialError(
            "differences got a model without a rival: pass {model: {rival: Interval}}, each with at"
            " least one"
        )
    rivals = list(rivals or dict.fromkeys(rival for row in table.values() for rival in row))
    ax = ax or plt.subplots(figsize=(6.4, 1.2 + 0.5 * len(table)))[1]
    labelled = set()
    for row, found in enumerate(table.values()):
        for rival, interval in found.items():
            index = rivals.index(rival)
            style = {"color": PALETTE[index % 6], "label": None if rival in labelled else rival}
            y = row + 0.6 * ((index + 0.5) / len(rivals) - 0.5)
            draw_interval(ax, interval, y, MARKERS[index % len(MARKERS)], 6, 2, **style)
            labelled.add(rival)
    ax.axvline(0, color=BLACK, lw=1)
    ax.set_yticks(range(len(table)), list(table))
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.xaxis.get_major_locator().set_params(nbins=5)
    ax.set(xlabel=say(xlabel), title=title)
    return ax


def timeline(
    times: Any,
    groups: Sequence | np.ndarray | None = None,
    *,
    clock: bool = True,
    ylabel: str = mark("cluster of the item"),
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """The events of one user on a real time axis, one row a group; `clock=False`: the same by order
    of events alone.

    times: int64 seconds [n] in order. groups: what to tell apart, one label per event [n], such as
    the cluster of the item. Events that would cover each other are stacked.
    """
    times = np.asarray(times, dtype=np.int64)
    groups = np.zeros(len(times), dtype=np.int64) if groups is None else np.asarray(groups)
    if len(times) == 0 or times.shape != groups.shape:
        raise TutorialError(
            "timeline got {shape} times and {shape2} groups: pass one group per event, at"
            " least one event",
            shape=times.shape, shape2=groups.shape,
        )  # fmt: skip
    span = times - times[0]
    unit, seconds = next((u for u in UNITS if span[-1] >= 2 * u[1]), UNITS[-1])
    x = span / seconds if clock else np.arange(1, len(times) + 1)
    names, row = np.unique(groups, return_inverse=True)
    ax = ax or plt.subplots(figsize=(6.4, 1.2 + 0.3 * max(len(names), 2)))[1]
    close = (
        pd.DataFrame({"row": row, "x": np.floor(x / max(x[-1] * 0.012, 1e-9))})
        .groupby(["row", "x"])
        .cumcount()
        .to_numpy()
    )
    y = row - 0.13 * np.minimum(close, 5)
    ax.plot(x, row, color="#BBBBBB", lw=0.8, zorder=1)
    for index in range(len(names)):
        here = row == index
        color, marker = PALETTE[index % 6], MARKERS[index % len(MARKERS)]
        style = {"s": 36, "edgecolor": "white", "linewidth": 0.6, "zorder": 2}
        ax.scatter(x[here], y[here], color=color, marker=marker, **style)
    ax.set_yticks(
        *((range(len(names)), [str(name) for name in names]) if len(names) > 1 else ([],))
    )
    ax.set_ylim(len(names) - 0.5, -0.9)
    along = mark("time since the first event ({unit})" if clock else "event number (order alone)")
    ax.set(xlabel=say(along, unit=unit), title=title)
    ax.set_ylabel(say(ylabel) if len(names) > 1 else "")
    return ax
