"""What the clocks of the data sets say: gaps, ties, irregularity, and what a split makes of them.
Taught in lesson 01.

Real data may not be shipped with the project, but aggregates may: data/facts/gap_facts.csv holds
one row per data set, and `python -m tutorial_lib.data.facts --write` computes it again from the
data sets that are on this machine.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import tutorial_lib
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import Dataset
from tutorial_lib.data.simulate import SITTING
from tutorial_lib.data.splits import Split, leave_last_out, temporal_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.files import replacing

FACTS = Path(tutorial_lib.__file__).parent.parent / "data" / "facts" / "gap_facts.csv"
NAMES = ("sample", "control", "ml-100k", "amazon-grocery")


def gaps(events: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Seconds between consecutive events of the same user, and whose they are; both int64 [events -
    users].

    `events` must be sorted by (user, timestamp). The step from one user's last event to the next
    user's first is no gap.
    """
    users, times = events["user"].to_numpy(), events["timestamp"].to_numpy()
    same = np.diff(users) == 0
    return np.diff(times)[same], users[1:][same]


def irregularity(events: pd.DataFrame) -> np.ndarray:
    """Coefficient of variation (CV) of each user's gaps, standard deviation over mean: float64
    [users], without unit.

    0 = as regular as a metronome, about 1 = by chance alone, more = bursts. NaN where it is not
    defined: fewer than two gaps, or all gaps 0. With n gaps it cannot exceed sqrt(n - 1), so short
    histories have small values.
    """
    seconds, user = gaps(events)
    size = int(events["user"].max()) + 1
    count = np.bincount(user, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(user, seconds, size) / count
        spread = np.sqrt(np.bincount(user, (seconds - mean[user]) ** 2, size) / count)
        return np.where(count > 1, spread / mean, np.nan)


def later_share(split: Split) -> np.ndarray:
    """For each test target: share of the training events, of whatever user, that are later than it.
    float64 [N].
    """
    times = split.dataset.events["timestamp"].to_numpy()
    learned = np.sort(split.train["timestamp"].to_numpy())
    return 1 - np.searchsorted(learned, times[split.test.row], side="right") / len(learned)


def gap_facts(dataset: Dataset) -> dict[str, str | float]:
    """Aggregates of one data set: sizes, quantiles of gaps (s) and of CV, shares between 0 and 1,
    correlations.
    """
    events, last = dataset.events, dataset.offsets[1:] - 1
    seconds, user = gaps(events)
    times, cv = events["timestamp"].to_numpy(), irregularity(events)
    tied = (np.diff(events["user"]) == 0) & (np.diff(times) == 0)
    pauses = np.bincount(user[seconds >= SITTING], minlength=dataset.num_users)
    defined = np.isfinite(cv)
    count = np.bincount(user, minlength=dataset.num_users)[defined]
    by_time = temporal_split(dataset)
    known = by_time.train_end > dataset.offsets[:-1]
    return {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "users": dataset.num_users,
        "items": dataset.num_items,
        "events": len(events),
        "zero_gaps": (seconds == 0).mean(),
        "gaps_below_hour": (seconds < SITTING).mean(),
        "mean_gap": seconds.mean(),
        **{f"gap_q{q:02d}": np.quantile(seconds, q / 100) for q in (*range(5, 100, 5), 99)},
        **{f"cv_q{q:02d}": np.quantile(cv[defined], q / 100) for q in (5, 25, 50, 75, 95)},
        "cv_undefined_users": 1 - defined.mean(),
        # Spearman's
        "cv_length_correlation": pd.Series(cv[defined]).rank().corr(pd.Series(count).rank()),
        "one_sitting_users": (pauses == 0).mean(),
        "midnight_events": (times % 86400 == 0).mean(),
        # share their second with a neighbour
        "tied_events": (np.append(tied, False) | np.append(False, tied)).mean(),
        # users whose last event is last by row order alone
        "last_event_tied": (times[last] == times[last - 1]).mean(),
        "leave_last_out_later": later_share(leave_last_out(dataset)).mean(),
        "temporal_test_users": len(by_time.test),
        # test users without a training event
        "temporal_test_unknown": 1 - known[by_time.test.user].mean(),
    }


def read_facts(path: Path = FACTS) -> pd.DataFrame:
    """The committed table, indexed by data set."""
    if not path.exists():
        raise TutorialError(
            f"{path} is missing: make it with python -m tutorial_lib.data.facts --write."
        )
    return pd.read_csv(path, index_col="dataset")


def write_facts(path: Path = FACTS, data_dir: Path | None = None) -> None:
    """Compute the rows of all data sets that are here; rows of the others stay as they were."""
    kept = (
        pd.read_csv(path, dtype=str).set_index("dataset", drop=False)
        if path.exists()
        else pd.DataFrame()
    )
    rows = []
    for name in NAMES:
        try:
            facts = gap_facts(load_dataset(name, data_dir=data_dir))
            rows.append(
                {
                    key: f"{value:.6g}" if isinstance(value, float) else str(value)
                    for key, value in facts.items()
                }
            )
        except TutorialError as error:
            print(error, "Its row stays as it was." if name in kept.index else "It gets no row.")
            rows += [kept.loc[name].to_dict()] if name in kept.index else []
    with replacing(path) as part:
        pd.DataFrame(rows).to_csv(part, index=False, lineterminator="\n")


def main() -> None:
    """Command line: python -m tutorial_lib.data.facts --write."""
    parser = argparse.ArgumentParser(
        prog="python -m tutorial_lib.data.facts", description="Recompute data/facts."
    )
    parser.add_argument(
        "--write", action="store_true", required=True, help="write data/facts/gap_facts.csv again"
    )
    parser.parse_args()
    try:
        write_facts()
    except TutorialError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
