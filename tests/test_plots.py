"""The data behind the pictures: what stands where, with which label."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgb

from tutorial_lib import plots
from tutorial_lib.errors import TutorialError
from tutorial_lib.statistics import Interval


@pytest.fixture(autouse=True)
def fresh_figures(monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("a plot function called plt.show()")

    monkeypatch.setattr(plt, "show", forbidden)
    with matplotlib.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def texts(ax):
    return [text.get_text() for text in ax.texts]


def labels(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def test_style_and_palette():
    assert plt.rcParams["figure.dpi"] == plt.rcParams["savefig.dpi"] == 90
    assert plt.rcParams["axes.prop_cycle"].by_key()["color"][0] == plots.BLUE
    assert len({to_rgb(color) for color in plots.PALETTE}) == 8
    before = dict(plt.rcParams)
    plots.heatmap(np.eye(2))
    assert dict(plt.rcParams) == before  # a plot leaves the global style alone


def test_heatmap_shows_every_number_in_its_cell():
    matrix = torch.tensor([[0.25, -0.001, -torch.inf], [1.0, 0.5, 0.126]])
    ax = plots.heatmap(matrix, ["a", "b"], ["x", "y", "z"], "Weights", label="weight (share)")
    assert texts(ax) == ["0.25", "0.00", "×", "1.00", "0.50", "0.13"]
    assert [text.get_position() for text in ax.texts][:4] == [(0, 0), (1, 0), (2, 0), (0, 1)]
    assert labels(ax.xaxis) == ["x", "y", "z"] and labels(ax.yaxis) == ["a", "b"]
    assert ax.get_xlabel() and ax.get_ylabel() and ax.get_title(loc="left") == "Weights"
    drawn = ax.images[0].get_array()
    assert drawn.mask.tolist() == [[False, False, True], [False] * 3]
    assert ax.images[0].get_clim() == (pytest.approx(-0.001), 1.0)
    assert ax.figure.axes[1].get_ylabel() == "weight (share)"
    # readable on its cell
    assert to_rgb(ax.texts[3].get_color()) == (1, 1, 1) and to_rgb(ax.texts[1].get_color()) == (
        0,
        0,
        0,
    )


def test_heatmap_of_a_mask():
    ax = plots.heatmap(torch.ones(2, 2).tril().bool())
    assert texts(ax) == ["1", "·", "1", "1"]
    assert labels(ax.xaxis) == ["1", "2"]
    assert plots.heatmap(np.zeros((2, 2), bool)).images[0].get_clim() == (0, 1)
    for bad in (np.zeros(3), np.zeros((0, 2)), np.zeros((1, 2, 3))):
        with pytest.raises(TutorialError, match="one matrix"):
            plots.heatmap(bad)


def test_learning_curve_marks_the_best_epoch():
    rows = [
        {"epoch": 2, "loss": 3.0, "ndcg": 0.1},
        {"epoch": 4, "loss": 2.5, "ndcg": 0.3},
        {"epoch": 6, "loss": 2.0, "ndcg": 0.2},
    ]
    ax = plots.learning_curve(rows)
    curve, ring = ax.lines
    assert curve.get_xdata().tolist() == [2, 4, 6] and curve.get_ydata().tolist() == [0.1, 0.3, 0.2]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (4, 0.3)
    assert ax.get_legend() is None and "epoch" in ax.get_xlabel()
    loss = plots.learning_curve(pd.DataFrame(rows), "loss", ylabel="loss (nats)")
    assert loss.lines[1].get_xdata()[0] == 6 and loss.get_ylabel() == "loss (nats)"

    class History:
        def __init__(self):
            self.rows = rows

    both = plots.learning_curve({"a": History(), "b": rows}, lines={"popularity": 0.05})
    assert [text.get_text() for text in both.get_legend().get_texts()] == ["a", "b", "popularity"]
    assert set(both.lines[-1].get_ydata()) == {0.05}
    assert both.lines[0].get_color() != both.lines[2].get_color()
    for bad in ([], [{"epoch": 1}]):
        with pytest.raises(TutorialError, match="wanted rows with epoch and ndcg"):
            plots.learning_curve(bad)


def test_metric_bars_places_points_intervals_and_ceilings():
    table = {"markov": Interval(0.03, 0.02, 0.04), "sasrec": Interval(0.06, 0.05, 0.07)}
    ax = plots.metric_bars(table, {"popularity": 0.01, "clairvoyant": 0.127})
    assert labels(ax.yaxis) == ["markov", "sasrec"]
    assert ax.yaxis_inverted()  # the first stands on top
    bar, point = ax.lines[2:4]
    assert list(bar.get_xdata()) == [0.05, 0.07] and (
        point.get_xdata()[0],
        point.get_ydata()[0],
    ) == (0.06, 1)
    assert [line.get_xdata()[0] for line in ax.lines[4:]] == [0.01, 0.127]
    assert len({str(line.get_linestyle()) for line in ax.lines[4:]}) == 2
    assert texts(ax) == ["popularity", "clairvoyant"]
    low, high = ax.get_xlim()
    assert low == 0 and high > 0.127
    assert (
        plots.metric_bars({"worse": Interval(-0.1, -0.2, 0.0)}, {"none": 0.1}).get_xlim()[0] == -0.2
    )
    with pytest.raises(TutorialError, match="no model"):
        plots.metric_bars({})


def scattered(ax):
    return np.concatenate([collection.get_offsets() for collection in ax.collections])


def test_timeline_uses_the_clock_or_the_order():
    times = 1_700_000_000 + np.array([0, 86_400, 4 * 86_400])
    clock = plots.timeline(times, ["b", "a", "b"])
    assert labels(clock.yaxis) == ["a", "b"]
    assert sorted(map(tuple, scattered(clock).tolist())) == [(0, 1), (1, 0), (4, 1)]
    assert clock.get_xlabel() == "time since the first event (days)"
    order = plots.timeline(times, ["b", "a", "b"], clock=False)
    assert sorted(scattered(order)[:, 0].tolist()) == [1, 2, 3] and "order" in order.get_xlabel()
    colors = [tuple(collection.get_facecolor()[0]) for collection in clock.collections]
    assert len(set(colors)) == 2


@pytest.mark.parametrize(
    ("span", "unit"),
    [
        (3 * 86_400, "days"),
        (47 * 3_600, "hours"),
        (600, "minutes"),
        (90, "seconds"),
        (0, "seconds"),
    ],
)
def test_timeline_chooses_its_unit(span, unit):
    ax = plots.timeline([10**9, 10**9 + span])
    assert unit in ax.get_xlabel()
    ax.figure.canvas.draw()


def test_timeline_stacks_what_would_cover_each_other():
    ax = plots.timeline([0, 1, 2, 1_000_000], [5, 5, 5, 5])
    heights = scattered(ax)[:, 1]
    assert len(set(heights[:3])) == 3 and heights[3] == heights[0] == 0
    for times, groups in [([], None), ([1, 2], [1])]:
        with pytest.raises(TutorialError, match="one group per event"):
            plots.timeline(times, groups)


def test_functions_draw_into_the_axes_they_are_given():
    figure, axes = plt.subplots(2, 2)
    table = {"a": Interval(1.0, 0.5, 1.5)}
    got = [
        plots.heatmap(np.eye(2), ax=axes[0, 0]),
        plots.learning_curve([{"epoch": 1, "ndcg": 0.1}], ax=axes[0, 1]),
        plots.metric_bars(table, ax=axes[1, 0]),
        plots.timeline([1, 2], ax=axes[1, 1]),
    ]
    assert got == list(axes.flat) and plt.get_fignums() == [figure.number]


def test_differences_place_every_rival_and_name_each_once():
    one, two = Interval(0.1, 0.05, 0.15), Interval(-0.2, -0.3, 0.1)
    ax = plots.differences({"a": {"clock": one, "plain": two}, "b": {"plain": one}})
    lines, points = ax.lines[0:6:2], ax.lines[1:6:2]
    assert [tuple(line.get_xdata()) for line in lines] == [(0.05, 0.15), (-0.3, 0.1), (0.05, 0.15)]
    assert [float(point.get_xdata()[0]) for point in points] == [0.1, -0.2, 0.1]
    rows = [float(point.get_ydata()[0]) for point in points]
    assert rows[0] < 0 < rows[1] < 0.5 and rows[2] == rows[1] + 1 and labels(ax.yaxis) == ["a", "b"]
    assert points[1].get_marker() == points[2].get_marker() != points[0].get_marker()
    assert points[1].get_color() == points[2].get_color() != points[0].get_color()
    assert ax.get_legend_handles_labels()[1] == ["clock", "plain"] and ax.lines[-1].get_xdata() == [
        0,
        0,
    ]
    ordered = plots.differences({"b": {"plain": one}}, rivals=["clock", "plain"])
    assert ordered.lines[1].get_color() == points[1].get_color()
    for wrong in ({}, {"a": {}}):
        with pytest.raises(TutorialError, match="model without a rival"):
            plots.differences(wrong)
