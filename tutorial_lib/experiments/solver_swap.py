"""One set of weights, solved in six ways: what do solver and steps do to ranking and latency?
Taught in lesson 23.

    python -m tutorial_lib.experiments.solver_swap experiments/sample

reads the trained deepm3-rk4 and deepm3-euler of a finished suite and makes
data/facts/solver_swap.csv. Every seed of both is evaluated under Euler and RK4 with 1, 2 and 4
steps a gap. "difference" is against the same weights under the solver that they were trained with,
paired over users; rows with seed "mean" average the seeds first. Latencies are taken in rounds, one
call of every solver in each, so that whatever else the machine does strikes all alike; weights do
not matter for them.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.splits import Split, make_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import evaluate, ndcg, per_user
from tutorial_lib.experiments.results import FACTS
from tutorial_lib.experiments.runs import Run, code_version
from tutorial_lib.experiments.stages.efficiency import answer, longest_histories, stream
from tutorial_lib.experiments.stages.work import load_model, one_thread
from tutorial_lib.files import replacing
from tutorial_lib.models import SequenceModel, build_model
from tutorial_lib.statistics import paired_bootstrap

TABLE = FACTS / "solver_swap.csv"
LABELS, SOLVERS, STEPS = ("deepm3-rk4", "deepm3-euler"), ("euler", "rk4"), (1, 2, 4)
EVALUATIONS = {"euler": 1, "rk4": 4}  # of the field, in each step
WAYS = tuple(product(SOLVERS, STEPS))


def finished_runs(suite: Path) -> pd.DataFrame:
    """The rows of the trained models, with the column `folder` where each lies."""
    table = suite / "stability" / "runs.csv"
    if not table.exists():
        raise TutorialError(
            f"{suite} holds no finished suite: run 'suite --out {suite}' first, or name the folder"
            " of another"
        )
    rows = pd.read_csv(table)
    rows = rows[rows["label"].isin(LABELS)].sort_values(["label", "seed"])
    if lost := set(LABELS) - set(rows["label"]):
        raise TutorialError(
            f"{suite} has no {' and no '.join(sorted(lost))}: run the suite with --models"
            f" {','.join(LABELS)}"
        )
    rows = rows.assign(
        folder=[suite / "runs" / fingerprint for fingerprint in rows["data_fingerprint"]]
    )
    for row in rows.itertuples():
        if not (row.folder / row.run / "checkpoint.pt").exists():
            raise TutorialError(
                f"{row.folder / row.run} holds no checkpoint: only the folder that the suite has"
                " trained in does"
            )
    return rows


def swapped(model: SequenceModel, run: Run, solver: str, steps: int) -> SequenceModel:
    """The same weights in a model with another solver; refused by load_state_dict if anything but
    the solver differed.
    """
    options = run.options | {"solver": solver, "steps": steps}
    other = build_model(
        run.model, num_items=model.num_items, max_len=run.max_len, dim=run.dim, **options
    )
    other.load_state_dict(model.state_dict())
    return other.eval()


def milliseconds(calls: dict[tuple, Callable[[], object]], repeats: int) -> dict[tuple, float]:
    """Median time of each call, over rounds in which each is called once; the first two rounds do
    not count.
    """
    spent = {way: [] for way in calls}
    for _ in range(repeats + 2):
        for way, call in calls.items():
            begin = time.perf_counter()
            call()
            spent[way].append(time.perf_counter() - begin)
    return {way: 1000 * float(np.median(seconds[2:])) for way, seconds in spent.items()}


@torch.inference_mode()
def latencies(
    models: dict[tuple, SequenceModel], split: Split, max_len: int, repeats: int
) -> dict[tuple, dict[str, float]]:
    """For each way: milliseconds to answer one user and 256 with the whole window read again, and
    after one more event.
    """
    kinds = {}
    for size in (1, 256):
        batch = longest_histories(split, max_len, size)
        kinds[f"latency_ms_batch_{size}"] = {
            way: partial(answer, model, batch) for way, model in models.items()
        }
    kinds["one_more_event_ms"] = {way: stream(model, batch) for way, model in models.items()}
    found = {kind: milliseconds(calls, repeats) for kind, calls in kinds.items()}
    return {way: {kind: times[way] for kind, times in found.items()} for way in models}


def swap(suite: Path, repeats: int = 15) -> pd.DataFrame:
    """A row for each training (label and seed) and way of solving, and rows "mean" over the
    seeds."""
    rows, timed = [], {}
    runs = finished_runs(suite)
    for label, group in runs.groupby("label", sort=False):
        quality, split = {way: [] for way in WAYS}, None
        for trained in group.itertuples():
            run = Run.from_configuration(trained.configuration)
            split = split or make_split(load_dataset(run.dataset, users=run.users), run.split)
            model = load_model(run, split, trained.folder)
            models = {way: swapped(model, run, *way) for way in WAYS}
            for way, other in models.items():
                ranks = evaluate(other, split, "test")
                quality[way].append(per_user(ranks, ndcg(ranks)))
            timed = timed or latencies(models, split, run.max_len, repeats)
        own = (run.options.get("solver", "rk4"), run.options.get("steps", 1))
        gaps = int(longest_histories(split, run.max_len, 1).lengths[0]) - 1
        seeds = [
            *((str(seed), [place]) for place, seed in enumerate(group["seed"])),
            ("mean", list(range(len(group)))),
        ]
        for (solver, steps), (seed, chosen) in product(WAYS, seeds):
            values, before = (np.stack(quality[way])[chosen] for way in ((solver, steps), own))
            change = paired_bootstrap(values, before)
            row = {
                "trained_with": label,
                "seed": seed,
                "solver": solver,
                "steps": steps,
                "users": values.shape[1],
            }
            row |= {
                "ndcg@10": values.mean(),
                "difference": change.mean,
                "low": change.low,
                "high": change.high,
            }
            row |= {
                "evaluations_window": gaps * steps * EVALUATIONS[solver],
                "evaluations_event": steps * EVALUATIONS[solver],
            }
            rows.append(row | timed[solver, steps])
    threads = {
        "dataset": run.dataset,
        "data": runs["data_fingerprint"].iloc[0],
        "threads": torch.get_num_threads(),
    }
    made = {
        "trained_by": " ".join(sorted(set(runs["code_version"].astype(str)))),
        "code_version": code_version(),
    }
    return pd.DataFrame(rows).assign(**threads, torch=torch.__version__, **made)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tutorial_lib.experiments.solver_swap", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "suite",
        type=Path,
        nargs="?",
        default=Path("experiments/sample"),
        help="folder of a finished suite",
    )
    parser.add_argument(
        "--table", type=Path, default=TABLE, help="where the result goes (default: %(default)s)"
    )
    parser.add_argument(
        "--repeats", type=int, default=15, help="rounds of the timing (default: %(default)s)"
    )
    args = parser.parse_args(arguments)
    try:
        if args.repeats < 1:
            raise TutorialError(f"--repeats must be at least 1, got {args.repeats}")
        with one_thread("swapping solvers"):
            table = swap(args.suite, args.repeats)
        with replacing(args.table) as partial_file:
            table.to_csv(partial_file, index=False, float_format="%.6g", lineterminator="\n")
    except TutorialError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    shown = [
        "trained_with",
        "solver",
        "steps",
        "ndcg@10",
        "difference",
        "low",
        "high",
        "latency_ms_batch_1",
    ]
    print(table.loc[table["seed"] == "mean", shown].round(4).to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
