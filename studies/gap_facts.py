"""What the clocks of the data sets say: gaps, ties, irregularity, and what a split makes of them.
Taught in lesson 01.

    python -m studies.gap_facts --write

makes data/facts/gap_facts.csv again, one row for each data set that is on this machine. Real data
may not be shipped with the project, but aggregates may.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import Dataset
from tutorial_lib.data.gaps import gaps, irregularity
from tutorial_lib.data.simulate import SITTING
from tutorial_lib.data.splits import Split, leave_last_out, temporal_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.results import FACTS
from tutorial_lib.files import replacing, write_command

TABLE = FACTS / "gap_facts.csv"
NAMES = ("sample", "control", "ml-100k", "amazon-grocery")


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


def read_facts(path: Path = TABLE) -> pd.DataFrame:
    """The committed table, indexed by data set."""
    if not path.exists():
        raise TutorialError(f"{path} is missing: make it with python -m studies.gap_facts --write.")
    return pd.read_csv(path, index_col="dataset")


def write_facts(path: Path = TABLE, data_dir: Path | None = None) -> None:
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
    with replacing(path) as partial:
        pd.DataFrame(rows).to_csv(partial, index=False, lineterminator="\n")


def main() -> None:
    """Command line: python -m studies.gap_facts --write."""
    about = "Recompute the facts of four data sets and write data/facts/gap_facts.csv."
    write_command("studies.gap_facts", about, write_facts)


if __name__ == "__main__":
    main()
