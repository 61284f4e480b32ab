"""One training run from data to a row of the result table. Taught in lesson 07."""

import hashlib
import json
import os
import platform
import re
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import tutorial_lib
from tutorial_lib.data.corrupt import with_clock
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.splits import make_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks, evaluate, hit_rate, ndcg, per_user
from tutorial_lib.files import replacing
from tutorial_lib.models import MODELS, build_model, model_options
from tutorial_lib.statistics import bootstrap_interval
from tutorial_lib.train import History, TrainConfig, pick_device, train


@dataclass(frozen=True)
class Run:
    """What decides a run. `options` are the model's own keywords; `clock` is "real" or a control of
    `data.corrupt`.

    Raises TutorialError at once, before any data are read, if no such model can be built.
    """

    model: str
    dataset: str = "sample"
    split: str = "temporal"
    users: int | None = None
    max_len: int = 50
    dim: int = 64
    options: dict[str, object] = field(default_factory=dict)
    config: TrainConfig = field(default_factory=TrainConfig)
    clock: str = "real"

    def __post_init__(self):
        build_model(
            self.model, num_items=1, max_len=self.max_len, dim=self.dim, num_users=1, **self.options
        )

    @property
    def loss(self) -> str:
        return self.config.loss if MODELS[self.model].trains_by_gradient else "counts"

    @property
    def configuration(self) -> str:
        """All settings as JSON, defaults of the model included; `Run.from_configuration` reads it
        back.
        """
        options = model_options(self.model) | self.options
        settings = asdict(self) | {"options": options}
        # left out, so that runs from before there were controls keep their names
        if self.clock == "real":
            del settings["clock"]
        if self.config.filter_seen is None:
            del settings["config"]["filter_seen"]
        return json.dumps(settings, sort_keys=True)

    @property
    def chosen(self) -> str:
        """The model's options that differ from its defaults, as "name=value name=value"."""
        known = model_options(self.model)
        return " ".join(
            f"{name}={value}"
            for name, value in sorted(self.options.items())
            if value != known[name]
        )

    @staticmethod
    def from_configuration(text: str) -> "Run":
        settings = json.loads(text)
        return Run(**settings | {"config": TrainConfig(**settings["config"])})

    @property
    def name(self) -> str:
        """Unique for every setting: readable parts, then a digest of all of them."""
        dataset = re.sub(r"[^\w.-]+", "-", Path(self.dataset).name)[:40]
        digest = hashlib.sha256(self.configuration.encode()).hexdigest()[:6]
        return f"{dataset}_{self.split}_{self.model}_{self.loss}_seed{self.config.seed}_{digest}"


def code_version() -> str:
    """Commit of the working tree, '-changed' if the library differs from it; 'unknown' outside
    git."""

    def git(*words: str) -> str:
        folder = Path(tutorial_lib.__file__).parent
        return subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "--short=10", "HEAD") + (
            "-changed" if git("status", "--porcelain", "--", ".") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def code_versions(folder: Path) -> str:
    """Every version of the code that worked on this run, oldest first: a run taken up again with
    changed code says so.
    """
    file = folder / "code_version"
    versions = file.read_text(encoding="utf-8").split() if file.exists() else []
    if (now := code_version()) not in versions[-1:]:
        write_text(file, " ".join(versions := [*versions, now]))
    return " ".join(versions)


def execute(
    run: Run, folder: Path, *, device: str = "auto", progress: bool = True, sampled: int = 100
) -> dict[str, object]:
    """Trains (or resumes), evaluates on the test part once, and writes under `folder`: checkpoint,
    history, ranks and result.

    Returns the row of the result table: metrics with 95 % bootstrap intervals over users, settings
    and provenance. A finished run is not trained again, only evaluated. `sampled` negatives beside
    the full ranking: left out where somebody knows so much of the catalogue that too few items
    remain to draw from.
    """
    begin = time.perf_counter()
    pick_device(device)
    target = Path(folder) / run.name
    # the same users and the same negatives whatever the training seed
    dataset = load_dataset(run.dataset, users=run.users)
    split = with_clock(make_split(dataset, run.split), run.clock)
    sizes = {
        "num_items": dataset.num_items,
        "num_users": dataset.num_users,
        "max_len": run.max_len,
        "dim": run.dim,
    }
    model = build_model(run.model, **sizes, seed=run.config.seed, **run.options)
    versions = code_versions(target)
    loaded = time.perf_counter()
    history = train(
        model,
        split,
        run.config,
        checkpoint=target / "checkpoint.pt",
        device=device,
        progress=progress,
    )
    trained = time.perf_counter()
    if split.train_items.sum() - np.diff(dataset.offsets).max() < sampled:
        sampled = 0
    seen = run.config.filter_seen
    test = evaluate(model, split, "test", sampled=sampled, filter_seen=seen)
    valid = evaluate(model, split, "valid", filter_seen=seen)
    row = result_row(run, model, history, valid, test)
    # reading the data, the last evaluation
    around = (loaded - begin) + (time.perf_counter() - trained)
    row |= {
        "wall_seconds": round(history.wall_seconds + around, 2),
        "data_fingerprint": dataset.fingerprint,
    }
    row |= (
        {"code_version": versions}
        | machine(model)
        | {"configuration": run.configuration, "run": run.name}
    )
    test.to_csv(target / "ranks.csv.gz")
    write_text(target / "history.csv", pd.DataFrame(history.rows).to_csv(index=False))
    write_text(target / "result.json", json.dumps(row, indent=2))
    return row


def result_row(
    run: Run, model: torch.nn.Module, history: History, valid: Ranks, test: Ranks
) -> dict[str, object]:
    """The settings, results and costs of one run."""
    row: dict[str, object] = {
        "dataset": run.dataset,
        "split": run.split,
        "model": run.model,
        "loss": run.loss,
    }
    row |= {"seed": run.config.seed, "clock": run.clock, "options": run.chosen}
    for name, values in {"ndcg@10": ndcg(test, 10), "hr@10": hit_rate(test, 10)}.items():
        interval = bootstrap_interval(per_user(test, values))
        row |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
    for prefix, ranks in {"valid": valid, "sampled": test.sampled}.items():
        for name, metric in {"ndcg@10": ndcg, "hr@10": hit_rate}.items():
            row[f"{prefix}_{name}"] = (
                float(per_user(ranks, metric(ranks, 10)).mean()) if ranks else None
            )
    return row | {
        "parameters": sum(p.numel() for p in model.parameters()),
        "epochs": history.rows[-1]["epoch"] if history.rows else 0,
        "best_epoch": history.best_epoch,
        "train_seconds": round(history.seconds, 2),
    }


def machine(model: torch.nn.Module) -> dict[str, object]:
    """Where the numbers were made; another machine may give other last digits."""
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "device": str(next(model.parameters(), torch.zeros(0)).device),
    }


def add_to_table(row: dict[str, object], table: Path) -> None:
    """Adds a row to a CSV table; a row of the same run is replaced. Rows are sorted, so the order
    of runs leaves no trace.
    """
    # Text throughout: other rows must stay as they are, and a commit such as 1234567e89 is no
    # number.
    frame = pd.DataFrame([{name: as_text(value) for name, value in row.items()}])
    if table.exists():
        try:
            old = pd.read_csv(table, dtype=str, keep_default_na=False)
            frame = pd.concat([old[old["run"] != row["run"]], frame], ignore_index=True).fillna("")
        except (OSError, ValueError, KeyError) as error:
            raise TutorialError(
                f"{table} is not a table of results ({error}); name another file or remove it"
            ) from error
    order = ["dataset", "split", "model", "loss", "seed", "run"]
    frame = frame.sort_values(
        order, key=lambda column: column.astype(int) if column.name == "seed" else column
    )
    write_text(table, frame.to_csv(index=False))


def as_text(value: object) -> str:
    """A cell of the table: six digits of a measured number, nothing for what was not measured."""
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def write_text(path: Path, text: str) -> None:
    """Whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
