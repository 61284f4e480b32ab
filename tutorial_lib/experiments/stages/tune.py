"""Stage 1: one grid of learning rates for every model; under the protocol it grows until the best
rate lies inside, and half as many epochs again are tried.
"""

import pandas as pd
from matplotlib.figure import Figure

from tutorial_lib.experiments.comparison import Suite
from tutorial_lib.experiments.protocol import VALID, collapsed, more_epochs, wanted_rate
from tutorial_lib.experiments.stages.shared import Stage, listed, named
from tutorial_lib.language import mark, say
from tutorial_lib.plots import MARKERS, PALETTE

MEASURED = [VALID, "best_epoch", "epochs"]


def run(suite: Suite) -> dict[str, pd.DataFrame]:
    """grid: a row a model, rate and seed. chosen: the rate with the best mean validation NDCG@10,
    the lower of equals. Under the protocol also longer, seeds and curves: see `settle`.
    """
    trained = [entry for entry in suite.lineup if entry.trained]
    suite.train([suite.run(entry, 0) for entry in suite.lineup if not entry.trained])
    grid = try_rates(suite, {entry.label: list(suite.rates) for entry in trained})
    for _ in range(suite.grow):
        missing = {}
        for label, part in grid.groupby("model", sort=False):
            rate = wanted_rate(part.groupby("learning_rate")[VALID].mean().to_dict())
            missing |= {label: [rate]} if rate else {}
        if not missing:
            break
        grid = pd.concat([grid, try_rates(suite, missing)], ignore_index=True)
    order = {entry.label: place for place, entry in enumerate(trained)}
    by = ["model", "learning_rate", "seed"]
    grid = grid.sort_values(by, key=lambda c: c.map(order) if c.name == "model" else c)
    means = grid.groupby(["model", "learning_rate"], sort=False, as_index=False)[MEASURED].mean()
    best = (
        means.sort_values(VALID, ascending=False, kind="stable")
        .drop_duplicates("model")
        .sort_index()
    )
    tables = {"grid": grid.reset_index(drop=True), "chosen": best.reset_index(drop=True)}
    return settle(suite, tables) if suite.strict else tables


def try_rates(suite: Suite, rates: dict[str, list[float]]) -> pd.DataFrame:
    """Rows of the grid for these rates of each label, with every seed of the tuning."""
    entries = [entry for entry in suite.lineup if entry.label in rates]
    tries = [
        (entry, rate, seed)
        for entry in entries
        for rate in rates[entry.label]
        for seed in range(suite.tune_seeds)
    ]
    runs = [suite.run(entry, seed, rate) for entry, rate, seed in tries]
    suite.train(runs)
    rows = []
    for (entry, rate, seed), one in zip(tries, runs, strict=True):
        row = {"model": entry.label, "learning_rate": rate, "seed": seed}
        result = suite.result(one)
        rows.append(row | {name: result[name] for name in MEASURED} | {"run": one.name})
    return pd.DataFrame(rows, columns=["model", "learning_rate", "seed", *MEASURED, "run"])


def settle(suite: Suite, tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Are the epochs enough? While half as many again are better on validation by more than the
    deviation between seeds, the model gets them, at most `suite.longer` times.

    longer: validation with half as many epochs again, a row a seed of the tuning. seeds: a row a
    model and seed with the epochs of the model, and whether it collapsed. curves: a row an epoch of
    all these trainings. chosen: with those epochs.
    """
    chosen = tables["chosen"].set_index("model")
    epochs = dict.fromkeys(chosen.index, suite.epochs)
    open_models, done = list(chosen.index), {}
    for extended in range(suite.longer + 1):
        plan = {
            (label, seed, count)
            for label in open_models
            for seeds, count in (
                (suite.seeds, epochs[label]),
                (suite.tune_seeds, more_epochs(epochs[label])),
            )
            for seed in range(seeds)
        }
        runs = {}
        for label, seed, count in sorted(plan, key=str):
            rate = float(chosen.loc[label, "learning_rate"])
            runs[label, seed, count] = suite.run(suite.entry(label), seed, rate, count)
        suite.train(list(runs.values()))
        done |= runs
        table = pd.DataFrame(
            [
                {"model": label, "seed": seed, "epochs": count, VALID: suite.result(one)[VALID]}
                for (label, seed, count), one in done.items()
            ]
        )
        open_models = [label for label in open_models if gains(table, label, epochs[label])]
        if extended < suite.longer:
            epochs |= {label: more_epochs(epochs[label]) for label in open_models}
        if not open_models:
            break
    final = table[table["epochs"] == table["model"].map(epochs)].sort_values(["model", "seed"])
    final = final.assign(
        collapsed=final.groupby("model")[VALID].transform(lambda v: collapsed(v.to_numpy()))
    )
    longer = table[table["epochs"] > table["model"].map(epochs)].sort_values(["model", "seed"])
    kept = [(row.model, row.seed, row.epochs) for row in pd.concat([final, longer]).itertuples()]
    learned = final.set_index(["model", "seed", "epochs"])[VALID].to_dict()
    curves = [curve(suite, *key, done[key].name) for key in kept if learned.get(key, 1) > 0]
    tables["chosen"] = tables["chosen"].assign(epochs=[epochs[label] for label in chosen.index])
    return tables | {"longer": longer, "seeds": final, "curves": pd.concat(curves)}


def gains(table: pd.DataFrame, label: str, epochs: int) -> bool:
    """Are half as many epochs again better by more than the deviation between seeds?"""
    own = table[table["model"] == label]
    now, later = (
        own[own["epochs"] == count].set_index("seed")[VALID]
        for count in (epochs, more_epochs(epochs))
    )
    gain = later.mean() - now[later.index].mean()
    return bool(gain > now[~collapsed(now.to_numpy())].std(ddof=1))


def curve(suite: Suite, label: str, seed: int, epochs: int, name: str) -> pd.DataFrame:
    """The learning curve of a training."""
    history = pd.read_csv(suite.note(suite.runs / name / "history.csv"))
    about = {"model": label, "seed": seed, "epochs": epochs}
    return history[["epoch", "loss", "ndcg"]].assign(**about)[[*about, "epoch", "loss", "ndcg"]]


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
            label=say("rate {rate:g}", rate=rate),
        )
    ax.set_yticks(range(len(models)), models)
    ax.set(xlabel=say("validation NDCG@10, a mark a seed"), ylim=(len(models) - 0.5, -0.5))
    figure.legend(loc="outside upper right", ncols=4, fontsize=8)
    return {"grid": figure}


def verdict(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> list[str]:
    chosen, grid = tables["chosen"], tables["grid"]
    rates = sorted(set(grid["learning_rate"]))
    counts = listed(
        say("{rate:g} by {count}", rate=rate, count=(chosen["learning_rate"] == rate).sum())
        for rate in rates
    )
    values = {"models": len(chosen), "rates": len(rates), "counts": counts}
    values["seeds"] = grid["seed"].nunique()
    if "longer" not in tables:
        return [
            say(
                "{models} models, each trained with {rates} learning rates and {seeds} seeds;"
                " chosen on validation: {counts}.",
                **values,
            ),
            say(
                "{last} of {models} were best in their last epoch and might gain from more.",
                last=(chosen["best_epoch"] == chosen["epochs"]).sum(),
                models=len(chosen),
            ),
        ]
    seeds, longer = tables["seeds"], tables["longer"]
    both = pd.concat([seeds, longer])
    gain = [
        label
        for label, epochs in chosen.set_index("model")["epochs"].items()
        if gains(both, label, epochs)
    ]
    fell = [
        say("{model} (seed {seed})", model=row.model, seed=row.seed)
        for row in seeds[seeds["collapsed"]].itertuples()
    ]
    return [
        say(
            "{models} models, each trained with up to {rates} learning rates and {seeds} seeds;"
            " chosen on validation: {counts}.",
            **values,
        ),
        named(
            mark("Would gain from half as many epochs again: {names}."),
            mark("Would gain from half as many epochs again: none."),
            gain,
        ),
        named(
            mark("Collapsed, and in no mean: {names}."),
            mark("Collapsed, and in no mean: none."),
            fell,
        ),
    ]


STAGE = Stage(
    "tune",
    mark("Learning rates"),
    mark(
        "The same grid of learning rates for every model, chosen on validation. The test part is"
        " not read. With one seed, chance chooses along: two rates that differ less than two seeds"
        " do need more seeds to be told apart."
    ),
    run,
    draw,
    verdict,
)
