"""How fast, how large? Ours against the textbook versions in benchmarks/textbook.py, both measured in
the same run, turn by turn.

Goals are printed beside the measurements and never asserted: another machine, or a busy one, gives
other numbers. The last column holds the ratio against that of benchmarks/floor.json, which
`--write-floor` makes on a quiet machine: above 1 is faster than then, and a few hundredths are noise.
"""

import argparse
import json
import os
import statistics
from pathlib import Path

from tutorial_lib.process import prepare

prepare()  # before torch is imported

import torch

from benchmarks import (
    bench,
    bench_deepm3,
    bench_mamba,
    bench_serving,
    bench_ssm,
    bench_streams,
)
from benchmarks.bench import Row, print_peak, shown

FLOOR = Path(__file__).parent / "floor.json"
PARTS = {
    "spine": bench.rows,
    "ranking": bench.rankings,
    "streams": bench_streams.rows,
    "ssm": bench_ssm.rows,
    "mamba": bench_mamba.rows,
    "deepm3": bench_deepm3.rows,
    "serving": bench_serving.rows,
}


def read_floor(quick: bool, threads: int) -> dict[str, float]:
    """Name -> ratio of the run that later ones are held against; nothing of another kind of run."""
    if not FLOOR.exists():
        return {}
    report = json.loads(FLOOR.read_text())
    alike = (report["quick"], report["threads"]) == (quick, threads)
    return {row["name"]: row["ratio"] for row in report["rows"] if "ratio" in row} if alike else {}


def against(row: Row, floor: dict[str, float]) -> str:
    """The ratio of a row against the same one of the floor, also put into the row."""
    if "ratio" not in row or row["name"] not in floor:
        return ""
    row["now / then"] = row["ratio"] / floor[row["name"]]
    return f"   {row['now / then']:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a tenth of the size and no memory, to see that it runs",
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default: 2)")
    parser.add_argument(
        "--repeats",
        type=int,
        default=11,
        help="measurements of each side, of which the median counts",
    )
    parser.add_argument("--only", choices=PARTS, help="one part of it")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument(
        "--write-floor",
        action="store_const",
        dest="json",
        const=FLOOR,
        help="write them to benchmarks/floor.json, with which later runs are compared",
    )
    for hidden, kind in {"--peak-of": str, "--rows": int, "--items": int}.items():
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak_of:
        print_peak(args.peak_of, args.rows, args.items)
        return
    torch.set_num_threads(args.threads)
    repeats, part = (2, 10) if args.quick else (args.repeats, 1)
    print(
        f"torch {torch.__version__}, {args.threads} threads, {os.cpu_count()} cores, median of"
        f" {repeats}; let nothing else run"
    )
    print(f"{'':56s}{'ours':>14s}{'textbook':>14s}{'ratio':>9s}   goal, and the ratio now / then")
    rows: list[Row] = []
    floor = read_floor(args.quick, args.threads)
    for name in [args.only] if args.only else PARTS:
        for measure in PARTS[name](repeats, part):
            rows.append(measure())
            print(shown(rows[-1]) + against(rows[-1], floor), flush=True)
    if compared := [row["now / then"] for row in rows if "now / then" in row]:
        middle = statistics.median(compared)
        print(f"{len(compared)} ratios now / then: median {middle:.2f}, lowest {min(compared):.2f}")
    if args.json:
        report = {
            "torch": torch.__version__,
            "threads": args.threads,
            "cores": os.cpu_count(),
            "quick": args.quick,
            "rows": rows,
        }
        args.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
