"""Stage 1: one grid of learning rates for every model."""

import pandas as pd
from matplotlib.figure import Figure

from tutorial_lib.experiments.comparison import Suite
from tutorial_lib.experiments.stages.shared import Stage
from tutorial_lib.plots import MARKERS, PALETTE


def run(suite: Suite) -> dict[str, pd.DataFrame]:
    """grid: a row a model, rate and seed. chosen: the rate with the best mean validation NDCG@10,
    the lower of equals.
    """
    trained = [entry for entry in suite.lineup if entry.trained]
    tries = [
        (entry, rate, seed)
        for entry in trained
        for rate in suite.rates
        for seed in range(suite.tune_seeds)
    ]
    runs = {(entry.label, rate, seed): suite.run(entry, seed, rate) for entry, rate, seed in tries}
    suite.train(
        [*runs.values(), *(suite.run(entry, 0) for entry in suite.lineup if not entry.trained)]
    )
    rows = []
    for (label, rate, seed), one in runs.items():
        result = suite.result(one)
        measured = {
            "valid_ndcg@10": result["valid_ndcg@10"],
            "best_epoch": result["best_epoch"],
            "epochs": result["epochs"],
        }
        rows.append(
            {"model": label, "learning_rate": rate, "seed": seed} | measured | {"run": one.name}
        )
    measured = ["valid_ndcg@10", "best_epoch", "epochs"]
    grid = pd.DataFrame(rows, columns=["model", "learning_rate", "seed", *measured, "run"])
    means = grid.groupby(["model", "learning_rate"], sort=False, as_index=False)[measured].mean()
    best = (
        means.sort_values("valid_ndcg@10", ascending=False, kind="stable")
        .drop_duplicates("model")
        .sort_index()
    )
    return {"grid": grid, "chosen": best.reset_index(drop=True)}


def draw(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> dict[str, Figure]:
    if (grid := tables["grid"]).empty:
        return {}
    models = list(dict.fromkeys(grid["model"]))
    figure = Figure(figsize=(6.4, 1.3 + 0.2 * len(models)))
    ax = figure.subplots()
    for index, (rate, part) in enumerate(grid.groupby("learning_rate")):
        look = {"color": PALETTE[index % 6], "marker": MARKERS[index % len(MARKERS)], "ls": ""}
        ax.plot(
            part["valid_ndcg@10"],
            [models.index(model) for model in part["model"]],
            **look,
            label=f"rate {rate:g}",
        )
    ax.set_yticks(range(len(models)), models)
    ax.set(xlabel="validation NDCG@10, a mark a seed", ylim=(len(models) - 0.5, -0.5))
    figure.legend(loc="outside upper right", ncols=4, fontsize=8)
    return {"grid": figure}


def verdict(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> list[str]:
    chosen, grid = tables["chosen"], tables["grid"]
    rates = sorted(set(grid["learning_rate"]))
    counts = ", ".join(f"{rate:g} by {(chosen['learning_rate'] == rate).sum()}" for rate in rates)
    last = (chosen["best_epoch"] == chosen["epochs"]).sum()
    return [
        (
            f"{len(chosen)} models, each trained with {len(rates)} learning rates and"
            f" {grid['seed'].nunique()} seeds; chosen on validation: {counts}."
        ),
        f"{last} of {len(chosen)} were best in their last epoch and might gain from more.",
    ]


STAGE = Stage(
    "tune",
    "Learning rates",
    "The same grid of learning rates for every model, chosen on validation. The test part is "
    "not read. With one seed, chance chooses along: two rates that differ less than two seeds "
    "do need more seeds to be told apart.",
    run,
    draw,
    verdict,
)
