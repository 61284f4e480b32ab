"""Stage 5: pairs of models, and time-aware models against their twins."""

from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tutorial_lib.experiments.comparison import Suite
from tutorial_lib.experiments.protocol import answers
from tutorial_lib.experiments.stages.shared import (
    ALPHA,
    Stage,
    ceiling,
    effect_size,
    hierarchical_interval,
    listed,
    p_values,
    paired,
    thirds,
)
from tutorial_lib.experiments.words import cell
from tutorial_lib.language import mark, say

LENGTHS = ("short histories", "middle", "long histories")


def compare(
    values: dict[str, np.ndarray], pairs: list[tuple[str, str]], names: tuple[str, str, str]
) -> pd.DataFrame:
    """A row a pair (a, b): mean of a - b, interval, effect size, p, Holm's p. `names`: of the
    columns a, b and difference.
    """
    rows = []
    for a, b in pairs:
        row = {names[0]: a, names[1]: b, "users": values[a].shape[1]} | paired(
            values[a], values[b], names[2]
        )
        rows.append(row | {"effect": effect_size(values[a], values[b])})
    measured = (
        "users",
        names[2],
        f"{names[2]}_low",
        f"{names[2]}_high",
        "effect",
        "p",
        "p_holm",
        "significant",
    )
    table = pd.DataFrame(rows, columns=[*names[:2], *measured])
    if rows:
        table = table.assign(**p_values([difference(values[a], values[b]) for a, b in pairs]))
        table["significant"] = table["p_holm"] < ALPHA
    return table


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """By seed and user, [S, N]; [1, N] where a seed has collapsed and their numbers differ."""
    return a - b if len(a) == len(b) else (a.mean(0) - b.mean(0))[None]


def answered(suite: Suite, values: dict[str, np.ndarray]) -> pd.DataFrame:
    """The comparisons of which verdicts are made: each model that reads the clock against its twin
    and against its own controls, Holm over all of them.
    """
    pairs = [(entry.label, entry.twin) for entry in suite.aware]
    pairs += [(entry.control_of, entry.label) for entry in suite.lineup if entry.control_of]
    p = p_values([difference(values[a], values[b]) for a, b in pairs])["p"]
    return answers(values, pairs, p, ceiling(suite))


def run(suite: Suite) -> dict[str, pd.DataFrame]:
    """pairs: all pairs of models; gains: time-aware models against their twins; by_length: pairs
    within thirds by history; under the protocol answers.
    """
    suite.train_all()
    values = {entry.label: suite.values(entry) for entry in suite.lineup}
    pairs = list(combinations(values, 2))
    gains = compare(
        values, [(entry.label, entry.twin) for entry in suite.aware], ("model", "twin", "gain")
    )
    if len(gains):
        redrawn = [
            hierarchical_interval(difference(values[entry.label], values[entry.twin]))
            for entry in suite.aware
        ]
        gains["seeds_low"], gains["seeds_high"] = (
            [one.low for one in redrawn],
            [one.high for one in redrawn],
        )
    last = pd.DataFrame(
        {"user": suite.data.test.user, "length": suite.data.test.row - suite.data.test.start}
    )
    lengths = last.groupby("user")["length"].max().to_numpy()
    group, parts = thirds(lengths), []
    for number, name in enumerate(LENGTHS):
        if (inside := group == number).sum() > 1:  # histories of one length fill one group only
            part = compare(
                {label: v[:, inside] for label, v in values.items()},
                pairs,
                ("a", "b", "difference"),
            )
            span = f"{lengths[inside].min()} to {lengths[inside].max()}"
            parts.append(part.assign(group=name, events=span))
    overall = compare(values, pairs, ("a", "b", "difference"))
    return {
        "pairs": overall,
        "gains": gains,
        "by_length": pd.concat(parts) if parts else overall[:0],
    } | ({"answers": answered(suite, values)} if suite.strict else {})


def draw(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> dict[str, Figure]:
    if (pairs := tables["pairs"]).empty:
        return {}
    models = list(dict.fromkeys([*pairs["a"], *pairs["b"]]))
    matrix = np.full((len(models), len(models)), np.nan)
    figure = Figure(figsize=(2.6 + 0.24 * len(models), 1.6 + 0.24 * len(models)))
    ax = figure.subplots()
    for row in pairs.to_dict("records"):
        i, j = models.index(row["a"]), models.index(row["b"])
        matrix[i, j], matrix[j, i] = row["difference"], -row["difference"]
        if row["significant"]:
            ax.plot([i, j], [j, i], "k.", ms=3)
    limit = np.nanmax(np.abs(matrix), initial=1e-9)
    image = ax.imshow(matrix, cmap="PuOr", vmin=-limit, vmax=limit)
    label = say("{metric}, row minus column", metric=metric)
    figure.colorbar(image, ax=ax, label=label, shrink=0.8)
    ax.set_xticks(range(len(models)), models, rotation=90, fontsize=7)
    ax.set_yticks(range(len(models)), models, fontsize=7)
    ax.set_title(say("dot: different, Holm p < 0.05"), fontsize=9)
    ax.grid(False)
    return {"pairs": figure}


def verdict(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> list[str]:
    pairs, gains = tables["pairs"], tables["gains"]
    count = pairs["significant"].sum()
    message = mark("{count} of {pairs} pairs differ (Holm p < {alpha}).")
    lines = [say(message, count=count, pairs=len(pairs), alpha=ALPHA)]
    if "answers" in tables:
        for word, part in tables["answers"].groupby("answer"):
            names = listed(
                say("{model} over {twin}", model=row.model, twin=row.against)
                for row in part.itertuples()
            )
            message = mark("Gain by the clock, {answer}: {names}.")
            lines.append(say(message, answer=cell("answer", word), names=names))
    if gains.empty:
        return [*lines, say("No model that uses time took part.")]
    ahead = gains["significant"] & (gains["gain"] > 0)
    up, lucky = gains[ahead & (gains["seeds_low"] > 0)], gains[ahead & (gains["seeds_low"] <= 0)]
    down = gains[gains["significant"] & (gains["gain"] < 0)]
    lines.append(
        say("Gain significantly over their twins: {names}.", names=listed(up["model"]))
        if len(up)
        else say(
            "No time-aware model gains significantly over its twin ({count} tested).",
            count=len(gains),
        )
    )
    if len(lucky):
        message = mark("Gain over all users, but other seeds might undo it: {names}.")
        lines.append(say(message, names=listed(lucky["model"])))
    if len(down):
        message = mark("Are significantly worse than their twins: {names}.")
        lines.append(say(message, names=listed(down["model"])))
    best = gains.loc[gains["gain"].idxmax()]
    message = mark(
        "Largest gain: {model} over {twin}, {gain:+.4f} [{gain_low:+.4f}, {gain_high:+.4f}], Holm p"
        " {p_holm:.3g}."
    )
    return [*lines, say(message, **best)]


STAGE = Stage(
    "significance",
    mark("Who is better than whom"),
    mark(
        "All pairs of models, paired over users, and each time-aware model against its twin."
        " Seeds are averaged first, so the user is the unit; p-values are those of the sign-flip"
        " test, corrected after Holm within a table (and within a group of users). A gain over a"
        " twin must also hold in the interval that draws seeds anew (seeds_low, seeds_high)."
    ),
    run,
    draw,
    verdict,
)
