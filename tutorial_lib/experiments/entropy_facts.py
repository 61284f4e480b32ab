"""How irregular the gaps of a data set are, and what their order says: one row of
data/facts/entropy.csv. Taught in lesson 22.

python -m tutorial_lib.experiments.entropy_facts --dataset sample --table data/facts/entropy.csv
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import Dataset
from tutorial_lib.data.facts import gaps, irregularity
from tutorial_lib.data.splits import temporal_split
from tutorial_lib.entropy import (
    burstiness,
    discretise,
    entropy_rate,
    fit_bins,
    memory,
    rate_by_user,
    sample_entropy,
    shuffled,
    words,
)
from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.results import FACTS
from tutorial_lib.files import replacing
from tutorial_lib.statistics import bootstrap_interval, paired_bootstrap

TABLE = FACTS / "entropy.csv"
REPEATS = 10  # shuffles of which the slower estimates are averaged


def measure(
    dataset: Dataset,
    bins: int = 8,
    order: int = 2,
    length: int = 8,
    shuffles: int = 99,
    seed: int = 0,
) -> dict:
    """Estimates with 95 % intervals over users, each beside the same estimate after shuffling each
    user's gaps.

    Only the training part of the temporal split is read. `rate` is the entropy of the next gap's
    bin given `order` gaps before it; `personal` what past gaps tell in any order (who somebody is),
    `order_gain` what their order adds, with the p-value of "gaps could stand in any order" from the
    shuffles; `order_gain_1` and `_3` the same with one and three gaps of memory. A better predictor
    may find more. `word_growth` is ln(number of words of `length`) / length for the data, the
    shuffled data and the same gaps dealt out to everybody (noise); `word_ceiling` what it cannot
    exceed with so many gaps.
    """
    if not dataset.has_times:
        raise TutorialError(
            f"{dataset.name} knows the order of events but not their times, so it has no gaps to"
            " measure"
        )
    train = temporal_split(dataset).train
    seconds, owner = gaps(train)
    _, user = np.unique(owner, return_inverse=True)
    cv = irregularity(train)[np.unique(owner)]
    edges = fit_bins(seconds, bins)
    symbols, logs = discretise(seconds, edges), np.log1p(seconds)
    rng = np.random.default_rng(seed)
    mixed = [shuffled(np.arange(len(seconds)), user, rng) for _ in range(shuffles)]  # gap numbers
    rate = entropy_rate(symbols, user, order)
    rates = np.array([entropy_rate(symbols[place], user, order) for place in mixed])
    plain = rate_by_user(symbols, user, order)
    surrogate = np.mean([rate_by_user(symbols[place], user, order) for place in mixed], axis=0)
    correction = {
        "rate": rate - plain.mean(),
        "gain": (rates.mean() - rate) - (surrogate - plain).mean(),
    }
    near, gain = bootstrap_interval(plain), paired_bootstrap(surrogate, plain)
    remembers = memory(seconds, user)
    chances = np.array([memory(seconds[place], user) for place in mixed[:REPEATS]])
    known = np.isfinite(remembers) & np.isfinite(chances).all(axis=0)
    remembers, chances = remembers[known], chances[:, known].mean(axis=0)
    recall, excess = bootstrap_interval(remembers), paired_bootstrap(remembers, chances)
    bursts = bootstrap_interval(burstiness(cv[np.isfinite(cv)]))

    def order_gain(memory_length: int) -> float:
        rates = [entropy_rate(symbols[place], user, memory_length) for place in mixed[:REPEATS]]
        return float(np.mean(rates)) - entropy_rate(symbols, user, memory_length)

    def growth(values: np.ndarray) -> float:
        return np.log(len(np.unique(words(values, user, length)[0]))) / length

    return {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "users": len(cv),
        "gaps": len(seconds),
        "bins": int(symbols.max()) + 1,
        "order": order,
        "cv_median": float(np.nanmedian(cv)),
        **{"burstiness": bursts.mean, "burstiness_low": bursts.low, "burstiness_high": bursts.high},
        **{
            "memory": recall.mean,
            "memory_low": recall.low,
            "memory_high": recall.high,
            "memory_shuffled": chances.mean(),
        },
        **{
            "memory_gain": excess.mean,
            "memory_gain_low": excess.low,
            "memory_gain_high": excess.high,
        },
        "entropy": entropy_rate(symbols, user, 0),
        "rate": rate,
        "rate_low": near.low + correction["rate"],
        "rate_high": near.high + correction["rate"],
        "rate_shuffled": rates.mean(),
        "rate_shuffled_spread": rates.std(ddof=1),
        "personal": entropy_rate(symbols, user, 0) - rates.mean(),
        "order_gain": rates.mean() - rate,
        "order_gain_low": gain.low + correction["gain"],
        "order_gain_high": gain.high + correction["gain"],
        "order_p": (1 + np.count_nonzero(rates <= rate)) / (1 + shuffles),
        "order_gain_1": order_gain(1),
        "order_gain_3": order_gain(3),
        "sample_entropy": sample_entropy(logs, user),
        "sample_entropy_shuffled": float(
            np.mean([sample_entropy(logs[place], user) for place in mixed[:REPEATS]])
        ),
        "word_length": length,
        "word_growth": growth(symbols),
        "word_growth_shuffled": growth(symbols[mixed[0]]),
        "word_growth_noise": growth(rng.permutation(symbols)),
        "word_ceiling": np.log(len(words(symbols, user, length)[0])) / length,
    }


def read_entropy(path: Path = TABLE) -> pd.DataFrame:
    """The committed table, indexed by data set."""
    if not path.exists():
        raise TutorialError(
            f"{path.name} is missing: make it with python -m tutorial_lib.experiments.entropy_facts"
            " --table FILE."
        )
    return pd.read_csv(path, index_col="dataset")


def verdict(table: pd.DataFrame) -> list[str]:
    """What the table says about "real interactions form a random dynamical system with high random
    topological entropy".
    """
    lines = [
        (
            "Not testable as stated: systems with fibre entropy ln 2 and 0 write logs with the same"
            " law; a log is one orbit."
        ),
        (
            "Measured instead: what the order of two gaps tells about the user's next one, against"
            " the same gaps in random order."
        ),
    ]
    for name, row in table.iterrows():
        interval = (
            f"{row['order_gain']:+.4f} nats [{row['order_gain_low']:+.4f},"
            f" {row['order_gain_high']:+.4f}]"
        )
        share = (
            f"{round(row['order_gain'] / row['entropy'], 3) + 0.0:.1%} of an entropy of"
            f" {row['entropy']:.2f}"
        )
        lines.append(
            f"{name}: {interval}, {share}; word counts reach"
            f" {row['word_growth'] / row['word_ceiling']:.0%} of their ceiling."
        )
    return lines


def write_row(row: dict, path: Path) -> None:
    """Put the row into the table at `path` in place of an older one of the same data set; other
    rows stay as they are.
    """
    text = {
        key: f"{value:.6g}" if isinstance(value, float) else str(value)
        for key, value in row.items()
    }
    kept = pd.read_csv(path, dtype=str) if path.exists() else pd.DataFrame(columns=list(text))
    if list(kept.columns) != list(text):
        raise TutorialError(
            f"{path.name} has the columns {list(kept.columns)}, wanted {list(text)}: write to"
            " another file."
        )
    position = np.flatnonzero(kept["dataset"] == row["dataset"])
    kept.loc[position[0] if len(position) else len(kept)] = text
    with replacing(path) as partial:
        kept.to_csv(partial, index=False, lineterminator="\n")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tutorial_lib.experiments.entropy_facts", description=__doc__
    )
    parser.add_argument(
        "--dataset", required=True, help="a name that load_dataset knows, or csv:PATH"
    )
    parser.add_argument("--table", type=Path, help="also put the row into this CSV file")
    args = parser.parse_args(arguments)
    try:
        row = measure(load_dataset(args.dataset))
        if args.table:
            write_row(row, args.table)
    except TutorialError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(pd.Series(row).to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
