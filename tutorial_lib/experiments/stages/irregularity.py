"""Stage 6: the gain from time, by how irregular a user's gaps are."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tutorial_lib.data.gaps import irregularity as gap_cv
from tutorial_lib.data.splits import Split
from tutorial_lib.experiments.comparison import Suite
from tutorial_lib.experiments.stages.shared import (
    ALPHA,
    Stage,
    forest,
    label_permutations,
    listed,
    named,
    paired,
    thirds,
)
from tutorial_lib.language import mark, say
from tutorial_lib.statistics import holm, mean_over_seeds

GROUPS = ("regular", "middle", "irregular")
LEAST_GAPS, LEAST_USERS = 3, 2
GROUP_COLUMNS = [
    "model",
    "twin",
    "group",
    "users",
    "cv_from",
    "cv_to",
    "gain",
    "gain_low",
    "gain_high",
]
COLUMNS = [
    "model",
    "twin",
    "difference",
    "difference_low",
    "difference_high",
    "p",
    "p_holm",
    "significant",
]


def training_cv(split: Split) -> np.ndarray:
    """CV of each user's training gaps, float64 [num_users]; NaN with fewer than 3 gaps or no time
    between the events.
    """
    return gap_cv(split.train, least=LEAST_GAPS, num_users=split.dataset.num_users)


def difference_interval(
    top: np.ndarray, bottom: np.ndarray, draws: int = 2000, seed: int = 0
) -> dict[str, float]:
    """mean(top) - mean(bottom) with its 95 % bootstrap interval; the users of each group are drawn
    anew among themselves.
    """
    rng = np.random.default_rng(seed)
    means = [
        np.array([part[rng.integers(0, len(part), len(part))].mean() for _ in range(draws)])
        for part in (top, bottom)
    ]
    low, high = np.quantile(means[0] - means[1], [0.025, 0.975])
    return {
        "difference": top.mean() - bottom.mean(),
        "difference_low": low,
        "difference_high": high,
    }


def run(suite: Suite) -> dict[str, pd.DataFrame]:
    """gains: a row a time-aware model and group; differences: a row a model, top group minus bottom
    group, Holm over models.
    """
    rows, gains, group = [], {}, np.zeros(0)
    if suite.aware:
        cv = training_cv(suite.data)[np.unique(suite.data.test.user)]
        group = thirds(cv)
    if min(np.count_nonzero(group == number) for number in range(len(GROUPS))) < LEAST_USERS:
        return {
            "gains": pd.DataFrame(columns=GROUP_COLUMNS),
            "differences": pd.DataFrame(columns=COLUMNS),
        }
    suite.train_all()
    for entry in suite.aware:
        values, twin = suite.values(entry), suite.values(suite.entry(entry.twin))
        gains[entry.label] = mean_over_seeds(values) - mean_over_seeds(twin)
        for number, name in enumerate(GROUPS):
            inside = group == number
            row = {
                "model": entry.label,
                "twin": entry.twin,
                "group": name,
                "users": int(inside.sum()),
            }
            row |= {"cv_from": cv[inside].min(), "cv_to": cv[inside].max()}
            rows.append(row | paired(values[:, inside], twin[:, inside], "gain"))
    table, top, bottom = np.stack(list(gains.values()), axis=1), group == 2, group == 0
    differences = pd.DataFrame(
        {"model": entry.label, "twin": entry.twin}
        | difference_interval(gains[entry.label][top], gains[entry.label][bottom])
        for entry in suite.aware
    )
    differences["p"] = label_permutations(table[top | bottom], top[top | bottom])
    differences["p_holm"] = holm(differences["p"])
    differences["significant"] = differences["p_holm"] < ALPHA
    return {"gains": pd.DataFrame(rows), "differences": differences}


def draw(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> dict[str, Figure]:
    if tables["gains"].empty:
        return {}
    marked = tables["gains"].merge(tables["differences"][["model", "significant"]], on="model")
    label = say(
        "gain in {metric} over the twin (95 % interval; orange: groups differ, Holm p < 0.05)",
        metric=metric,
    )
    return {"gains": forest(marked, "gain", label, panels="group", bold="significant")}


def verdict(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> list[str]:
    table = tables["differences"]
    if table.empty:
        return [
            say(
                "No model that uses time took part, or the users cannot be told apart by their"
                " gaps."
            )
        ]
    more = table[table["significant"] & (table["difference"] > 0)]
    less = table[table["significant"] & (table["difference"] < 0)]
    lines = [
        named(
            mark(
                "Gain more from time for irregular users than for regular ones (Holm p < {alpha}):"
                " {names}."
            ),
            mark(
                "Gain more from time for irregular users than for regular ones (Holm p < {alpha}):"
                " none."
            ),
            more["model"],
            alpha=ALPHA,
        )
    ]
    if len(less):
        lines.append(say("Gain less there: {names}.", names=listed(less["model"])))
    for row in table[table["model"].str.startswith("deepm3")].to_dict("records"):
        lines.append(
            say(
                "{model}: irregular minus regular {difference:+.4f} [{difference_low:+.4f},"
                " {difference_high:+.4f}], Holm p {p_holm:.3g}.",
                **row,
            )
        )
    return lines


STAGE = Stage(
    "irregularity",
    mark("Irregular users"),
    mark(
        "Does time help most where time is most irregular? Users are grouped in thirds by the"
        " coefficient of variation (CV, standard deviation over mean) of their gaps in the"
        " TRAINING part, the same groups for all models. The question is one of difference of"
        " differences: the gain over the twin in the top group minus that in the bottom group."
    ),
    run,
    draw,
    verdict,
)
