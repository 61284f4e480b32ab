"""Stage 3: disturbed clocks and lost events."""

import pandas as pd
from matplotlib.figure import Figure

from tutorial_lib.experiments.comparison import Suite
from tutorial_lib.experiments.stages.shared import (
    Stage,
    ends,
    forest,
    hierarchical_interval,
    listed,
    named,
    p_values,
    paired,
)
from tutorial_lib.experiments.words import cell
from tutorial_lib.language import mark, say

CLOCK = ("jitter 0.5", "jitter 1", "jitter 2", "quantised 3600", "quantised 86400")
CORRUPTIONS = (*CLOCK, "dropped 0.1", "dropped 0.3")
COLUMNS = (
    "model",
    "twin",
    "corruption",
    "uses_time",
    "clean",
    "corrupted",
    "delta",
    "delta_low",
    "delta_high",
    "verdict",
)
BLIND, HOLDS = "does not use time: proves nothing", "robust: uses time, no significant loss"
AHEAD, BEATEN = "loses, still ahead of its twin", "loses its gain"

COUNTED = {
    BLIND: mark("{count} does not use time: proves nothing"),
    HOLDS: mark("{count} robust: uses time, no significant loss"),
    AHEAD: mark("{count} loses, still ahead of its twin"),
    BEATEN: mark("{count} loses its gain"),
}


def judge(uses_time: bool, loses: bool, ahead: bool) -> str:
    """The verdict on a time-aware model: does it use time, does it lose, is it still ahead of its
    twin?
    """
    if not uses_time:
        return BLIND
    return HOLDS if not loses else AHEAD if ahead else BEATEN


def run(suite: Suite) -> dict[str, pd.DataFrame]:
    """robustness: a row a time-aware model and corruption; its loss with p, its twin's, its lead
    before and after.
    """
    if not suite.data.dataset.has_times:
        return {"robustness": pd.DataFrame(columns=list(COLUMNS))}
    suite.corrupt_all(CORRUPTIONS)
    rows, losses = [], []
    for entry in suite.aware:
        twin = suite.entry(entry.twin)
        clean, twin_clean = suite.values(entry), suite.values(twin)
        # other seeds must not undo it
        gain = ends("gain", hierarchical_interval(clean - twin_clean))
        for name in CORRUPTIONS:
            after, twin_after = suite.values(entry, name), suite.values(twin, name)
            change, twin_change = paired(after, clean), paired(twin_after, twin_clean, "twin_delta")
            left = paired(after, twin_after, "gain_left")
            uses, loses, ahead = (
                gain["gain_low"] > 0,
                change["delta_high"] < 0,
                left["gain_left_low"] > 0,
            )
            row = {"model": entry.label, "twin": entry.twin, "corruption": name, "uses_time": uses}
            row |= (
                {"clean": clean.mean(), "corrupted": after.mean()}
                | change
                | {"verdict": judge(uses, loses, ahead)}
            )
            rows.append(row | twin_change | gain | left)
            losses.append(after - clean)
    return {
        "robustness": (
            pd.DataFrame(rows, columns=None if rows else list(COLUMNS)).assign(**p_values(losses))
        )
    }


def draw(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> dict[str, Figure]:
    table = tables["robustness"]
    if table.empty:
        return {}
    label = say(
        "change of {metric} (95 % interval; orange: the clean model beats its twin)", metric=metric
    )
    parts = {"clock": table["corruption"].isin(CLOCK), "dropped": ~table["corruption"].isin(CLOCK)}
    return {
        name: forest(table[part], "delta", label, panels="corruption", bold="uses_time")
        for name, part in parts.items()
    }


def verdict(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> list[str]:
    table = tables["robustness"]
    if table.empty:
        return [say("No model that uses time took part.")]
    using = table.drop_duplicates("model").query("uses_time")["model"]
    blind = table.drop_duplicates("model").query("not uses_time")["model"]
    lines = [
        named(
            mark("Beat their twin when nothing is disturbed, so use time: {names}."),
            mark("Beat their twin when nothing is disturbed, so use time: none."),
            using,
        ),
        named(
            mark("Do not, so that small losses prove nothing for them: {names}."),
            mark("Do not, so that small losses prove nothing for them: none."),
            blind,
        ),
    ]
    for name, part in table[table["uses_time"]].groupby("corruption", sort=False):
        counts = listed(
            say(COUNTED[text], count=count)
            for text, count in part["verdict"].value_counts().items()
        )
        lines.append(
            say(
                "{corruption}, of the {models} that use time: {counts}.",
                corruption=cell("corruption", name),
                models=len(part),
                counts=counts,
            )
        )
    return lines


STAGE = Stage(
    "robustness",
    mark("Disturbed clocks, lost events"),
    mark(
        "Disturbed clocks and lost events, the same for every model, and beside each model its"
        " twin without a clock. A model that never looks at the clock loses nothing when the clock"
        " is disturbed. So a small loss counts as robust only where the undisturbed model beats"
        " its twin: the column `uses_time`."
    ),
    run,
    draw,
    verdict,
)
