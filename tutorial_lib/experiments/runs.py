"""One training run from data to a row of the result table. Taught in lesson 07."""

import hashlib
import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
import torch

import tutorial_lib
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.splits import make_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks, evaluate, hit_rate, ndcg, per_user
from tutorial_lib.models import build_model
from tutorial_lib.statistics import bootstrap_interval
from tutorial_lib.train import History, TrainConfig, train


@dataclass(frozen=True)
class Run:
    """What decides a run. `options` are the model's own keywords."""

    model: str
    dataset: str = "sample"
    split: str = "temporal"
    users: int | None = None
    max_len: int = 50
    dim: int = 64
    options: dict[str, object] = field(default_factory=dict)
    config: TrainConfig = field(default_factory=TrainConfig)

    @property
    def name(self) -> str:
        """Unique for every setting: readable parts, then a digest of all of them."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:6]
        loss = self.config.loss if self.model not in ("popularity", "markov") else "counts"
        return (
            f"{self.dataset.replace(':', '-').replace('/', '-')}_{self.split}_{self.model}_{loss}_seed{self.config.seed}_{digest}"
        )


def code_version() -> str:
    """Commit of the working tree, '-changed' if the library differs from it; 'unknown' outside git."""
    folder = Path(tutorial_lib.__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short=10", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
        ).stdout
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--", "."], cwd=folder, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.strip() + ("-changed" if changed.strip() else "")


def execute(run: Run, folder: Path, *, device: str = "auto", progress: bool = True, sampled: int = 100) -> dict[str, object]:
    """Trains (or resumes), evaluates on the test part once, and writes under `folder`: checkpoint, history, ranks and result.

    Returns the row of the result table: settings, metrics with 95 % bootstrap intervals over users, and provenance.
    """
    dataset = load_dataset(run.dataset, users=run.users, seed=run.config.seed)
    split = make_split(dataset, run.split)
    model = build_model(
        run.model, num_items=dataset.num_items, max_len=run.max_len, dim=run.dim, seed=run.config.seed, **run.options
    )
    target = Path(folder) / run.name
    history = train(model, split, run.config, checkpoint=target / "checkpoint.pt", device=device, progress=progress)
    ranks = evaluate(model, split, "test", sampled=sampled, seed=run.config.seed)
    valid = evaluate(model, split, "valid")
    row = result_row(run, split.dataset.fingerprint, model, history, valid, ranks)
    target.mkdir(parents=True, exist_ok=True)
    ranks.to_csv(target / "ranks.csv.gz")
    write_text(target / "history.csv", pd.DataFrame(history.rows).to_csv(index=False))
    write_text(target / "result.json", json.dumps(row, indent=2))
    return row


def result_row(
    run: Run, fingerprint: str, model: torch.nn.Module, history: History, valid: Ranks, test: Ranks
) -> dict[str, object]:
    """One row of the result table."""
    row: dict[str, object] = {"model": run.model, "loss": run.config.loss if history.rows else "counts", "seed": run.config.seed}
    for name, values in {"ndcg@10": ndcg(test, 10), "hr@10": hit_rate(test, 10)}.items():
        interval = bootstrap_interval(per_user(test, values))
        row |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
    for prefix, ranks in {"valid": valid, "sampled": test.sampled}.items():
        if ranks is not None:
            row |= {
                f"{prefix}_ndcg@10": float(per_user(ranks, ndcg(ranks)).mean()),
                f"{prefix}_hr@10": float(per_user(ranks, hit_rate(ranks)).mean()),
            }
    row |= {
        "parameters": sum(p.numel() for p in model.parameters()),
        "epochs": history.rows[-1]["epoch"] if history.rows else 0,
        "best_epoch": history.best_epoch,
        "train_seconds": round(history.seconds, 1),
        "dataset": run.dataset,
        "split": run.split,
        "data_fingerprint": fingerprint,
        "code_version": code_version(),
        "torch": torch.__version__.split("+")[0],
        "threads": torch.get_num_threads(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "device": str(next(model.parameters(), torch.zeros(0)).device),
        "configuration": json.dumps({"max_len": run.max_len, "dim": run.dim} | run.options | asdict(run.config), sort_keys=True),
        "run": run.name,
    }
    return row


def add_to_table(row: dict[str, object], table: Path) -> None:
    """Adds a row to a CSV table; a row of the same run is replaced. Rows are sorted, so the order of runs leaves no trace."""
    frame = pd.DataFrame([row])
    if table.exists():
        old = pd.read_csv(table)
        frame = pd.concat([old[old["run"] != row["run"]], frame], ignore_index=True)
    frame = frame.sort_values(["model", "loss", "seed", "run"], ignore_index=True)
    write_text(table, frame.to_csv(index=False, float_format="%.6g"))


def write_text(path: Path, text: str) -> None:
    """Whole or not at all: a temporary file beside the target, then a rename."""
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise TutorialError(
            f"could not write {path} ({error.strerror}); free some space or choose another folder with --out"
        ) from error
