"""When does time help? One command on a log of one's own, before any network is trained.

    python -m tutorial_lib.experiments clock --dataset csv:PATH

Counting models (`experiments.counting`) with the real clock and with a shuffled one, evaluated on
the last tenth of the time of the log: a table, a picture and three sentences of advice. Taught in
lesson 03.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import Dataset
from tutorial_lib.data.splits import Split, Targets, temporal_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.counting import KINDS
from tutorial_lib.experiments.mixture import ask, pick
from tutorial_lib.experiments.protocol import MARGIN
from tutorial_lib.experiments.runs import Run
from tutorial_lib.experiments.settings import add_arguments, shared
from tutorial_lib.experiments.words import CELLS, cell, in_words, printed
from tutorial_lib.files import replacing, write_text
from tutorial_lib.knobs import check, knob, knobs
from tutorial_lib.language import language, mark, say
from tutorial_lib.plots import BLUE, ORANGE, use_style
from tutorial_lib.statistics import paired_bootstrap

MECHANISMS = KINDS[:-1]  # "order" explains recency, and is no use of the clock
MEANING = CELLS["clock"]
QUESTIONS, NUMBERS = 6000, 16_000_000  # at most so many targets, and scores of a model
ADVICE = {
    "gaps": mark("a model that reads the gaps between events (tisasrec, deepm3)"),
    "query": mark("a model that is told the time of the question (query_time=True)"),
    "calendar": mark("the hour and weekday of the question and of each event as inputs"),
    "recency": mark(
        "popularity with a half-life as a baseline, and a model that is retrained often"
    ),
}


@dataclass(frozen=True)
class ClockQuestion:
    """What is asked, of which log."""

    dataset: str = shared(Run, "dataset")
    users: int | None = shared(Run, "users")
    out: Path | None = knob(
        None, "folder of table, picture and advice; none: experiments/clock/DATASET"
    )
    seed: int = knob(0, "of the shuffled clock and the choice of targets", least=0)

    def __post_init__(self):
        check(self)


def questions(dataset: Dataset, seed: int = 0) -> Split:
    """A temporal split in which every event of the last two tenths is a target, or a random subset
    of as many as can be answered in a minute or two.
    """
    split = temporal_split(dataset, targets="successive")
    most = max(200, min(QUESTIONS, NUMBERS // (dataset.num_items + 1)))
    rng = np.random.default_rng(seed)

    def some(part: Targets) -> Targets:
        return pick(part, np.sort(rng.permutation(len(part))[:most]))

    return replace(split, valid=some(split.valid), test=some(split.test))


def worth(dataset: Dataset, seed: int = 0) -> pd.DataFrame:
    """A row for each mechanism and evaluation, frozen and live.

    blind, ndcg@10, shuffled: of the model without the clock, with it, and with a shuffled one;
    gain: real minus shuffled, paired over users, with an interval that holds for all mechanisms of
    an evaluation at once (95 %, Bonferroni); helps: it excludes 0, the gain is more than 2 % of the
    shuffled model, and the real one is ahead of the blind one too.
    """
    if not dataset.has_times:
        raise TutorialError(
            "{dataset} knows the order of events but not their times: there is no clock to"
            " ask about; give a log with a column of times",
            dataset=dataset.name,
        )
    split, rows = questions(dataset, seed), []
    for evaluation in ("frozen", "live"):
        found = ask(split, live=evaluation == "live", seed=seed)
        blind = found["blind", False]
        for kind in KINDS:
            real, shuffled = found[kind, False], found[kind, True]
            gain = paired_bootstrap(real, shuffled, level=1 - 0.05 / len(MECHANISMS))
            row = {"dataset": dataset.name, "evaluation": evaluation, "clock": kind}
            row |= {"users": len(real), "targets": len(split.test), "blind": blind.mean()}
            row |= {"ndcg@10": real.mean(), "shuffled": shuffled.mean()}
            row |= {"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high}
            helps = gain.low > 0 and gain.mean > MARGIN * shuffled.mean()
            row |= {"gain_percent": 100 * gain.mean / max(shuffled.mean(), 1e-12)}
            rows.append(row | {"helps": bool(helps and real.mean() > blind.mean())})
    return pd.DataFrame(rows)


def advice(table: pd.DataFrame) -> list[str]:
    """Three sentences: does the clock help, what to do, and how far to trust this."""
    used = table[table["clock"].isin(MECHANISMS)]
    helps = used[used["helps"]].sort_values("gain", ascending=False)
    best = helps.drop_duplicates("clock")
    if best.empty:
        first = say("The clock of this log helps no counting model, frozen or live.")
        second = say(
            "Take a model without a clock (sasrec, gru4rec) and spend the effort on its learning"
            " rate; a clock is worth a try only against its twin and a shuffled clock."
        )
    else:
        found = [
            say(
                "{what} ({evaluation}: {gain:+.4f} NDCG@10, {percent:+.0f} %)",
                what=say(MEANING[row.clock]),
                evaluation=cell("evaluation", row.evaluation),
                gain=row.gain,
                percent=row.gain_percent,
            )
            for row in best.itertuples()
        ]
        first = say("The clock of this log helps: {mechanisms}.", mechanisms=say("; ").join(found))
        steps = say("; then ").join(say(ADVICE[kind]) for kind in best["clock"])
        second = say("Try {steps}.", steps=steps)
    size = used[["users", "targets"]].iloc[0]
    quiet = used if used["helps"].all() else used[~used["helps"]]
    widest = ((quiet["gain_high"] - quiet["gain_low"]) / 2).max()
    third = say(
        "Asked on {targets} targets of {users} users in the last tenth of the events; gains below"
        " {widest:.4f} would go unseen, and a network may find what counting misses.",
        **size,
        widest=widest,
    )
    return [first, second, third]


def draw(table: pd.DataFrame) -> Figure:
    """Gain of the real over the shuffled clock with its interval, orange where it helps."""
    figure = Figure(figsize=(6.4, 2.8))
    for ax, (evaluation, part) in zip(
        figure.subplots(1, 2, sharey=True), table.groupby("evaluation", sort=False), strict=True
    ):
        for place, row in enumerate(part.itertuples()):
            color = ORANGE if row.helps else BLUE
            ax.plot([row.gain_low, row.gain_high], [place, place], color=color, lw=3)
            ax.plot(row.gain, place, "D" if row.helps else "o", color=color, ms=5)
        ax.axvline(0, color="#555555", lw=1)
        ax.set_yticks(range(len(part)), [cell("clock", kind) for kind in part["clock"]])
        ax.set(title=cell("evaluation", evaluation), ylim=(len(part) - 0.5, -0.5))
        ax.locator_params(axis="x", nbins=4)
    label = say("NDCG@10, real minus shuffled clock; diamond: it helps")
    figure.supxlabel(label, fontsize=9)
    figure.tight_layout()
    return figure


def add_parser(commands: argparse._SubParsersAction, usage: str) -> None:
    parser = commands.add_parser(
        "clock",
        usage=usage.format("clock --dataset csv:PATH"),
        help=say("does the clock of a log help? Counting models with a real and a shuffled clock"),
        description=say(
            "When does time help? One command on a log of one's own, before any network is trained."
        ),
    )
    add_arguments(parser, ClockQuestion, say("what is asked"))


def clock_command(args: argparse.Namespace) -> int:
    """`clock`: table, picture and advice."""
    given = {name: value for name, value in vars(args).items() if name in knobs(ClockQuestion)}
    asked = ClockQuestion(**given)
    dataset = load_dataset(asked.dataset, users=asked.users)
    table = worth(dataset, asked.seed)
    lines = advice(table)
    out = asked.out or Path("experiments") / "clock" / Path(asked.dataset).name
    write_text(out / "clock.csv", table.to_csv(index=False, float_format="%.6g"))
    write_text(out / "advice.txt", "\n".join(lines) + "\n")
    with plt.rc_context(), replacing(out / "clock.png") as partial:
        if language() != "en":  # a font with its characters
            use_style()
        draw(table).savefig(partial, format="png", dpi=120)
    shown = ["evaluation", "clock", "ndcg@10", "shuffled", "gain", "gain_low", "gain_high", "helps"]
    print(printed(in_words(table[shown].round(4))), *lines, sep="\n")
    print(say("written to {out}", out=out))
    return 0
