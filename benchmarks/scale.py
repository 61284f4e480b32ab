"""Data larger than the memory: how long, how much memory, against the table in memory.

    python -m benchmarks.scale make --events 10000000 --out build/scale/10m
    python -m benchmarks.scale measure build/scale/10m --memory 4GB
    python -m benchmarks.scale train build/scale/10m

`make` writes a made-up log whose users and items have long tails, in pieces, so that it costs no
memory. `measure` prepares it and reads it in memory, each in a process of its own whose peak is
taken, and says whether both are the same data. `train` is what issue-sized data ask for: an epoch of
SASRec from the prepared columns, and the evaluation of 20,000 users.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from tutorial_files.parquet import import_duckdb

PIECE = 1_000_000  # events made and written together
START, SPAN = 1_600_000_000, 5 * 365 * 86_400  # seconds
LOG = "log.json"


def long_tail(rng: np.random.Generator, size: int, count: int, exponent: float) -> np.ndarray:
    """Numbers 0 .. count - 1, the first ones often: a power law with this exponent, int64 [size]."""
    # the inverse of the distribution function of the continuous law from 1 to count + 1
    power = 1 - exponent
    top = (count + 1) ** power
    return np.minimum((1 + rng.random(size) * (top - 1)) ** (1 / power) - 1, count - 1).astype(int)


def make(args: argparse.Namespace) -> None:
    """A log of N events in Parquet or CSV files of a million events each, in the order of time."""
    out, rng = Path(args.out), np.random.default_rng(args.seed)
    out.mkdir(parents=True, exist_ok=True)
    names = rng.permutation(args.items), rng.permutation(args.users)  # who is frequent, shuffled
    with import_duckdb("the benchmark").connect() as connection:
        for first in range(0, args.events, PIECE):
            size = min(PIECE, args.events - first)
            item, user = names[0][long_tail(rng, size, args.items, 0.9)], names[1][long_tail(rng, size, args.users, 0.4)]  # fmt: skip
            begin = START + SPAN * first // args.events
            time_ = np.sort(rng.integers(begin, begin + SPAN * size // args.events + 1, size))
            connection.register(
                "piece", pd.DataFrame({"user": user, "item": item, "timestamp": time_})
            )
            target = out / f"{first // PIECE:05d}.{args.format}"
            columns = "user, item, timestamp"
            if args.text_ids:
                columns = "'u' || user AS user, 'i' || item AS item, timestamp"
            connection.execute(f"COPY (SELECT {columns} FROM piece) TO '{target}'")
            connection.unregister("piece")
    (out / LOG).write_text(json.dumps(vars(args) | {"function": None}, default=str))


def pattern(folder: Path) -> str:
    kind = json.loads((folder / LOG).read_text())["format"]
    return f"{folder}/[0-9]*.{kind}@drop_duplicates=true,min_user_events=5,min_item_events=5"


IN_MEMORY = """
import glob, sys
import pandas as pd
from tutorial_files.tables import KEYS, read_table
from tutorial_lib.data.events import make_dataset
name = sys.argv[1].partition("@")[0]
frame = pd.concat([read_table(__import__("pathlib").Path(path)) for path in sorted(glob.glob(name))])
print(make_dataset("log", frame.drop_duplicates(KEYS), min_events=5, min_item_events=5).fingerprint)
"""
PREPARED = """
import sys
from tutorial_lib.scale.prepare import prepare
print(prepare(sys.argv[1], sys.argv[2], memory=sys.argv[3], progress=False).fingerprint)
"""
WATCHED = """
import resource, subprocess, sys
code = subprocess.run([sys.executable, "-c", *sys.argv[1:]]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20)
sys.exit(code)
"""


def watched(code: str, *words: str) -> dict[str, object]:
    """Seconds, those of them that a processor worked on it, and peak memory of a Python program of
    its own, and the last that it said.
    """
    begin = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", WATCHED, code, *words], stdout=subprocess.PIPE, text=True)  # fmt: skip
    seconds, (*lines, busy, peak) = time.perf_counter() - begin, run.stdout.split()
    row = {"seconds": seconds, "busy": float(busy), "gigabytes": float(peak)}
    return row | ({"failed": run.returncode} if run.returncode else {"fingerprint": lines[-1]})


def measure(args: argparse.Namespace) -> None:
    """Prepares the log and reads it in memory."""
    folder, rows = args.folder, {}
    out = folder / "prepared"
    ways = {"prepared": (PREPARED, pattern(folder), str(out), args.memory)}
    if not args.only_prepared:
        ways["in memory"] = (IN_MEMORY, pattern(folder))
    for name, call in ways.items():
        rows[name] = watched(*call)
        print(name, json.dumps(rows[name]), flush=True)
    if len(rows) == 2:
        print("same data:", len({row.get("fingerprint") for row in rows.values()}) == 1)
    size = sum(path.stat().st_size for path in out.glob("*.npy"))
    print(f"columns on the disk: {size / 2**30:.2f} GB")


def train(args: argparse.Namespace) -> None:
    """An epoch of SASRec with window 50 and width 64, then the ranks of some users."""
    import torch

    from tutorial_lib.config import TrainConfig
    from tutorial_lib.data.datasets import load_dataset
    from tutorial_lib.data.splits import ask_some, make_split
    from tutorial_lib.evaluate import evaluate, ndcg, per_user
    from tutorial_lib.models import build_model
    from tutorial_lib.statistics import bootstrap_interval
    from tutorial_lib.tasks import ranking
    from tutorial_lib.train import make_optimizer, train_epoch

    def said(what: str, begin: float) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{what}: {time.perf_counter() - begin:.1f} s, peak {peak:.2f} GB", flush=True)

    torch.set_num_threads(args.threads)
    begin = time.perf_counter()
    dataset = load_dataset(f"prepared:{args.folder / 'prepared'}")
    split = ask_some(make_split(dataset), args.users)
    said(f"{len(dataset.events):,} events, {dataset.num_users:,} users, {dataset.num_items:,} items", begin)  # fmt: skip
    config = TrainConfig(
        loss=args.loss,
        negatives=args.negatives,
        shared_negatives=True,
        batch_size=args.batch_size,
        epochs=1,
        evaluate_users=args.users,
        windows="last",
    )
    model = build_model(
        "sasrec",
        num_items=dataset.num_items,
        num_users=dataset.num_users,
        max_len=50,
        dim=64,
    )
    task, optimizer = ranking(model, split, config), make_optimizer(model, config)
    begin = time.perf_counter()
    steps = 0

    class Enough(Exception):
        pass

    def on_step() -> None:
        nonlocal steps
        steps += 1
        if args.steps and steps == args.steps:
            raise Enough

    try:
        loss = train_epoch(model, task, config, optimizer, 1, on_step=on_step)
        said(f"one epoch of {task.steps:,} steps, loss {loss:.3f}", begin)
    except Enough:
        each = (time.perf_counter() - begin) / steps
        said(f"{steps} of {task.steps:,} steps, so an epoch takes {each * task.steps:.0f} s", begin)
    begin = time.perf_counter()
    ranks = evaluate(model, split, "test")
    found = bootstrap_interval(per_user(ranks, ndcg(ranks)))
    said(f"{len(ranks):,} users ranked, NDCG@10 {found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]", begin)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    commands = parser.add_subparsers(required=True)
    made = commands.add_parser("make", help="write a made-up log")
    made.add_argument("--events", type=int, default=1_000_000)
    made.add_argument("--users", type=int, help="default: a twentieth of the events")
    made.add_argument("--items", type=int, help="default: three hundredths of the events")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--format", choices=("parquet", "csv"), default="parquet")
    made.add_argument("--text-ids", action="store_true", help="ids such as u17 and i5")
    made.add_argument("--out", type=Path, required=True)
    made.set_defaults(function=make)
    measured = commands.add_parser("measure", help="prepared against in memory")
    measured.add_argument("folder", type=Path)
    measured.add_argument("--memory", default="4GB")
    measured.add_argument("--only-prepared", action="store_true")
    measured.set_defaults(function=measure)
    trained = commands.add_parser("train", help="an epoch, and the ranks of some users")
    trained.add_argument("folder", type=Path)
    trained.add_argument("--loss", default="bce")
    trained.add_argument("--negatives", type=int, default=512)
    trained.add_argument("--batch-size", type=int, default=128)
    trained.add_argument("--users", type=int, default=20_000)
    trained.add_argument("--threads", type=int, default=2)
    trained.add_argument("--steps", type=int, help="only so many, from which an epoch is reckoned")
    trained.set_defaults(function=train)
    args = parser.parse_args()
    if args.function is make:
        args.users = args.users or max(1, args.events // 20)
        args.items = args.items or max(1, 3 * args.events // 100)
    args.function(args)


if __name__ == "__main__":
    main()
