"""Stage 7: what seeds alone do."""

import pandas as pd
from matplotlib.figure import Figure

from tutorial_lib.experiments.comparison import Suite
from tutorial_lib.experiments.stages.shared import Stage, ends, hierarchical_interval, listed
from tutorial_lib.language import mark, say
from tutorial_lib.plots import BLUE, SKY


def run(suite: Suite) -> dict[str, pd.DataFrame]:
    """seeds: a row a model and seed, with the rank of the model. models: a row a model. runs: all
    that was trained for them.
    """
    suite.train_all()
    values = {entry.label: suite.values(entry) for entry in suite.lineup}
    kept = {entry.label: suite.kept(entry) for entry in suite.lineup}
    # a row a seed, a column a model
    means = pd.DataFrame(
        {label: pd.Series(one.mean(1), index=kept[label]) for label, one in values.items()}
    )
    places = means.rank(axis=1, ascending=False)
    seeds = means.rename_axis("seed").reset_index()
    seeds = seeds.melt("seed", var_name="model", value_name=suite.metric)
    seeds["place"] = places.melt()["value"]
    rows = []
    for entry in suite.lineup:
        own, place = means[entry.label], places[entry.label]
        spread = own.std(ddof=1) if suite.seeds > 1 and entry.trained else None
        row = {"model": entry.label, "seeds": len(kept[entry.label]) if entry.trained else 1}
        row |= ends(suite.metric, hierarchical_interval(values[entry.label])) | {
            "sd_over_seeds": spread
        }
        rows.append(
            row | {"place": place.mean(), "best_place": place.min(), "worst_place": place.max()}
        )
    models = pd.DataFrame(rows).sort_values(suite.metric, ascending=False, kind="stable")
    ran = {}
    for entry in suite.lineup:
        for seed in kept[entry.label]:
            result = suite.result(suite.run(entry, seed))
            ran[result["run"]] = {"label": entry.label} | result
    return {
        "models": models,
        "seeds": seeds[["model", "seed", suite.metric, "place"]],
        "runs": pd.DataFrame(ran.values()),
    }


def draw(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> dict[str, Figure]:
    models, seeds, column = tables["models"], tables["seeds"], metric.lower()
    names = list(models["model"])
    figure = Figure(figsize=(6.4, 1.3 + 0.2 * len(names)))
    ax = figure.subplots()
    ax.hlines(
        range(len(names)),
        models[f"{column}_low"],
        models[f"{column}_high"],
        color=SKY,
        lw=5,
        label=say("interval, seeds and users"),
    )
    ax.plot(
        seeds[column],
        [names.index(name) for name in seeds["model"]],
        "|",
        color=BLUE,
        ms=9,
        mew=2,
        label=say("one seed"),
    )
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel=say("{metric} (mean over users)", metric=metric), ylim=(len(names) - 0.5, -0.5))
    figure.legend(loc="outside upper right", ncols=2, fontsize=8)
    return {"seeds": figure}


def verdict(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> list[str]:
    models, seeds, column = tables["models"], tables["seeds"], metric.lower()
    first = models.iloc[0]
    lines = [
        say(
            "Best on average: {model}, {metric} {mean:.4f} [{low:.4f}, {high:.4f}].",
            model=first["model"],
            metric=metric,
            mean=first[column],
            low=first[f"{column}_low"],
            high=first[f"{column}_high"],
        )
    ]
    winners = (
        seeds.sort_values("place", kind="stable").drop_duplicates("seed")["model"].value_counts()
    )
    times = [say("{model} {count} times", model=name, count=n) for name, n in winners.items()]
    lines.append(say("First place by seed: {times}.", times=listed(times)))
    spread = models["sd_over_seeds"].dropna()
    if len(spread):
        lines.append(
            say(
                "Standard deviation over seeds: median {median:.4f}, largest {largest:.4f}.",
                median=spread.median(),
                largest=spread.max(),
            )
        )
    made = tables["runs"]["code_version"].value_counts()
    versions = [say("{version} ({count} runs)", version=v, count=n) for v, n in made.items()]
    message = mark("Trained with these versions of the code: {versions}.")
    return [*lines, say(message, versions=listed(versions))]


STAGE = Stage(
    "stability",
    mark("Seeds"),
    mark(
        "Every model with every seed. How far do seeds alone move a result, and does the ranking"
        " of models survive?"
    ),
    run,
    draw,
    verdict,
)
