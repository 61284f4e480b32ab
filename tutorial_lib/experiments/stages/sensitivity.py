"""Stage 2: test histories without their clock or order."""

import pandas as pd
from matplotlib.figure import Figure

from tutorial_lib.experiments.comparison import Suite
from tutorial_lib.experiments.stages.shared import Stage, forest, named, p_values, paired
from tutorial_lib.experiments.words import cell
from tutorial_lib.language import mark, say

CONDITIONS = ("gaps shuffled", "order shuffled", "gaps constant")


def run(suite: Suite) -> dict[str, pd.DataFrame]:
    """sensitivity: a row a model and condition, with NDCG@10 before and after, the paired change,
    its p, and that of the twin.
    """
    conditions = CONDITIONS if suite.data.dataset.has_times else ("order shuffled",)
    suite.corrupt_all(conditions)
    rows, changes, differences = [], {}, []
    for entry in suite.lineup:
        clean = suite.values(entry)
        for condition in conditions:
            after = suite.values(entry, condition)
            changes[entry.label, condition] = change = paired(after, clean)
            differences.append(after - clean)
            levels = {"clean": clean.mean(), "corrupted": after.mean()}
            rows.append(
                {"model": entry.label, "twin": entry.twin, "condition": condition} | levels | change
            )
    for row in rows:
        beside = changes.get((row["twin"], row["condition"]), {})
        row |= {f"twin_{name}": beside.get(name) for name in ("delta", "delta_low", "delta_high")}
    return {"sensitivity": pd.DataFrame(rows).assign(**p_values(differences))}


def draw(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> dict[str, Figure]:
    table = tables["sensitivity"].assign(aware=lambda table: table["twin"].notna())
    label = say("change of {metric} (95 % interval; orange: time-aware)", metric=metric)
    return {"sensitivity": forest(table, "delta", label, panels="condition", bold="aware")}


def verdict(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> list[str]:
    table, lines = tables["sensitivity"], []
    for condition, part in table.groupby("condition", sort=False):
        losing, aware = part["delta_high"] < 0, part["twin"].notna()
        lines.append(
            named(
                mark(
                    "{condition}: {count} of {aware} time-aware models lose ({names}), {others} of"
                    " {blind} others."
                ),
                mark(
                    "{condition}: {count} of {aware} time-aware models lose (none), {others} of"
                    " {blind} others."
                ),
                part["model"][losing & aware],
                condition=cell("condition", condition),
                count=(losing & aware).sum(),
                aware=aware.sum(),
                others=(losing & ~aware).sum(),
                blind=(~aware).sum(),
            )
        )
    return lines


STAGE = Stage(
    "sensitivity",
    mark("What a destroyed clock or order costs"),
    mark(
        "What a trained model loses when the test histories lose their clock, or their order."
        " Every gap is changed, the one before the target included: a model that is told the query"
        " time must not keep it. A loss shows that the model uses what was destroyed. No loss"
        " shows that it does not, and not that it is robust: see stage 3."
    ),
    run,
    draw,
    verdict,
)
