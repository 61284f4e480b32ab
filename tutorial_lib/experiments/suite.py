"""Eight stages from data to report: every model, every seed, one command, resumable at any moment.
Taught in lessons 18 to 23.

    python -m tutorial_lib.experiments suite --dataset sample --out experiments/sample

Each stage writes OUT/STAGE/*.csv, pictures and provenance.json. It is skipped while its settings,
its code and the files it read are what they were. Trained models lie in OUT/runs and are shared by
all stages, each trained once.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.splits import Split, make_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks, ndcg, per_user
from tutorial_lib.experiments.runs import Run, code_version, machine, write_text
from tutorial_lib.experiments.stages import work
from tutorial_lib.experiments.stages.fresh import STAGES, digest, sources, why
from tutorial_lib.experiments.stages.lineup import ENTRIES, Entry
from tutorial_lib.files import replacing
from tutorial_lib.models import SequenceModel, model_options
from tutorial_lib.plots import use_style
from tutorial_lib.train import TrainConfig, pick_device

# so few steps need the higher rate: at 0.003 the GRUs reach a third of what they reach at 0.01
SCALES = {
    "quick": {"users": 1000, "seeds": 2, "tune_seeds": 1, "epochs": 8, "rates": (0.003, 0.01)},
    "full": {"users": None, "seeds": 5, "tune_seeds": 2, "epochs": 20, "rates": (0.001, 0.003)},
}
# they decide where and how fast, not what
NOT_SETTINGS = ("out", "device", "jobs", "progress", "reads", "made", "bar")


@dataclass
class Suite:
    """What is compared, on which data, with which budget, the same for every model; and access to
    all that has been computed.
    """

    out: Path
    dataset: str = "sample"
    split: str = "temporal"
    users: int | None = None
    seeds: int = 2
    tune_seeds: int = 1  # of them so many decide on the learning rate
    rates: tuple[float, ...] = (0.001, 0.003)  # the grid of learning rates
    epochs: int = 8
    batch_size: int = 32
    max_len: int = 50
    dim: int = 64
    dropout: float = 0.1
    windows: str = "last"
    entries: tuple[Entry, ...] = ENTRIES
    device: str = "auto"
    jobs: int = 1
    progress: bool = True
    # files that the running stage has read, with their digests
    reads: dict[str, str] = field(default_factory=dict, repr=False)
    # runs by entry, seed and rate: building one takes a while
    made: dict[tuple, Run] = field(default_factory=dict, repr=False)
    bar: tqdm | None = field(default=None, repr=False)

    def __post_init__(self):
        self.out, self.rates = Path(self.out), tuple(sorted(set(map(float, self.rates))))
        for name in ("seeds", "tune_seeds", "jobs"):
            if getattr(self, name) < 1:
                raise TutorialError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.rates:
            raise TutorialError(
                "the grid of learning rates is empty: give at least one, such as 0.001"
            )

    @cached_property
    def data(self) -> Split:
        return make_split(load_dataset(self.dataset, users=self.users), self.split)

    @cached_property
    def lineup(self) -> tuple[Entry, ...]:
        """The entries that can run on these data: without times, none that reads times."""
        return tuple(
            entry
            for entry in self.entries
            if self.data.dataset.has_times or not (entry.twin or entry.uses_time)
        )

    @property
    def aware(self) -> tuple[Entry, ...]:
        """The entries that claim to use time: those with a twin."""
        return tuple(entry for entry in self.lineup if entry.twin)

    def entry(self, label: str) -> Entry:
        return next(entry for entry in self.lineup if entry.label == label)

    @cached_property
    def settings(self) -> dict[str, object]:
        """All that decides the numbers, as plain JSON."""
        plain = {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name not in NOT_SETTINGS
        }
        plain |= {
            "entries": [asdict(entry) for entry in self.entries],
            "data": self.data.dataset.fingerprint,
        }
        return json.loads(json.dumps(plain))

    @cached_property
    def runs(self) -> Path:
        """Where trained models lie: a folder for each state of the data, so that none is taken for
        another's.
        """
        return self.out / "runs" / self.data.dataset.fingerprint

    def run(self, entry: Entry, seed: int, rate: float | None = None) -> Run:
        """The training run of an entry, with the learning rate that the tuning chose unless one is
        given.
        """
        if not entry.trained:  # counting knows no seed and no rate
            seed, rate = 0, self.rates[0]
        if (key := (entry.label, seed, rate)) in self.made:
            return self.made[key]
        if rate is None:
            rate = self.table("tune", "chosen").set_index("model")["learning_rate"][entry.label]
        options = {"dropout": self.dropout} if "dropout" in model_options(entry.model) else {}
        sizes = {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "windows": self.windows,
            "schedule": "cosine",
        }
        config = TrainConfig(**sizes, learning_rate=rate, seed=seed)
        data = self.dataset, self.split, self.users
        self.made[key] = Run(
            entry.model, *data, self.max_len, self.dim, options | entry.options, config
        )
        return self.made[key]

    def note(self, path: Path) -> Path:
        """Remember that the running stage has read this file, and what it held."""
        if not path.exists():
            raise TutorialError(f"{path} is missing: run the stage that makes it, or all stages")
        self.reads[path.relative_to(self.out).as_posix()] = digest(path)
        return path

    def table(self, stage: str, name: str) -> pd.DataFrame:
        return pd.read_csv(self.note(self.out / stage / f"{name}.csv"))

    def result(self, run: Run) -> dict[str, object]:
        """The row of a finished run."""
        return json.loads(
            self.note(self.runs / run.name / "result.json").read_text(encoding="utf-8")
        )

    def values(self, entry: Entry, corruption: str = "") -> np.ndarray:
        """NDCG@10 on the test part, float64 [seeds, users]: users in ascending order, the same for
        every entry.
        """
        folders = [self.runs / self.run(entry, seed).name for seed in range(self.seeds)]
        files = [work.ranks_file(folder, corruption, seed) for seed, folder in enumerate(folders)]
        return np.stack(
            [
                per_user(ranks, ndcg(ranks))
                for ranks in (Ranks.read_csv(self.note(file)) for file in files)
            ]
        )

    def model(self, entry: Entry, seed: int = 0) -> SequenceModel:
        """A trained model with the weights of its best epoch."""
        run = self.run(entry, seed)
        if entry.trained:
            self.note(self.runs / run.name / "checkpoint.pt")
        return work.load_model(run, self.data, self.runs)

    def train(self, runs: Sequence[Run]) -> None:
        """Trains those that are not finished, and counts all."""
        unique = {run.name: run for run in runs}
        todo = [
            run for name, run in unique.items() if not (self.runs / name / "result.json").exists()
        ]
        self.tick(len(unique) - len(todo))
        work.perform(
            [partial(work.train_run, run, self.runs, self.device) for run in todo],
            self.jobs,
            self.tick,
        )

    def train_all(self) -> None:
        """Every model with every seed, at its chosen learning rate."""
        self.train([self.run(entry, seed) for entry in self.lineup for seed in range(self.seeds)])

    def corrupt_all(self, corruptions: Sequence[str]) -> None:
        """Ranks of every model on every corrupted test part; a corruption is drawn with the seed of
        the training.
        """
        self.train_all()
        tasks = []
        for run, seed in (
            (self.run(entry, seed), seed) for entry in self.lineup for seed in range(self.seeds)
        ):
            missing = [
                name
                for name in corruptions
                if not work.ranks_file(self.runs / run.name, name, seed).exists()
            ]
            if missing:
                tasks.append(partial(work.evaluate_run, run, self.runs, self.device, missing, seed))
        self.tick(len(self.lineup) * self.seeds - len(tasks))
        work.perform(tasks, self.jobs, self.tick)

    def tick(self, done: int = 1) -> None:
        if self.bar is not None:
            self.bar.update(done)


def steps(suite: Suite, stage: str) -> int:
    """How many ticks of the progress bar a stage takes."""
    models, trained = len(suite.lineup), sum(entry.trained for entry in suite.lineup)
    every = trained * suite.seeds + models - trained
    counts = {
        "tune": trained * len(suite.rates) * suite.tune_seeds + models - trained,
        "efficiency": every + models,
        "report": 1,
    }
    return counts.get(
        stage, every + (models * suite.seeds if stage in ("sensitivity", "robustness") else 0)
    )


def run_stage(suite: Suite, stage: str) -> None:
    """Runs one stage and writes its tables, pictures and, last of all, its provenance."""
    module, folder, begin = (
        import_module(f"tutorial_lib.experiments.stages.{stage}"),
        suite.out / stage,
        time.perf_counter(),
    )
    suite.reads.clear()
    suite.made.clear()
    tables = module.run(suite)
    for name, table in tables.items():
        write_text(
            folder / f"{name}.csv",
            table.to_csv(index=False, float_format="%.6g", lineterminator="\n"),
        )
        tables[name] = pd.read_csv(folder / f"{name}.csv")  # pictures show what the file holds
    with plt.rc_context():
        use_style()
        figures = module.draw(tables)
        for name, figure in figures.items():
            with replacing(folder / f"{name}.png") as partial_file:
                figure.savefig(partial_file, format="png")
    made = [
        *(f"{name}.csv" for name in tables),
        *(f"{name}.png" for name in figures),
        *getattr(module, "FILES", ()),
    ]
    provenance = {
        "stage": stage,
        "settings": suite.settings,
        "code": digest(*sources(stage)),
        "code_version": code_version(),
    }
    provenance |= machine(torch.nn.Module()) | {
        "device": str(pick_device(suite.device)),
        "wall_seconds": round(time.perf_counter() - begin, 2),
        "inputs": dict(suite.reads),
    }
    provenance["outputs"] = {name: digest(folder / name) for name in made}
    write_text(folder / "provenance.json", json.dumps(provenance, indent=1))


def run_suite(suite: Suite, stages: Sequence[str] = STAGES) -> dict[str, str]:
    """Runs the stages that are not up to date, in their order; the tuning first of all, for every
    other needs its choice.

    Returns {stage: "done" or "skipped"}. Cut at any moment and started again, it goes on and
    finishes with the same numbers.
    """
    if unknown := [stage for stage in stages if stage not in STAGES]:
        raise TutorialError(f"unknown stage {unknown[0]!r}; known are {', '.join(STAGES)}")
    wanted = [stage for stage in STAGES if stage in stages or stage == "tune"]
    outcome, before = {}, 0
    with tqdm(
        total=sum(steps(suite, stage) for stage in wanted), disable=not suite.progress, unit="step"
    ) as suite.bar:
        for stage in wanted:
            suite.bar.set_description(stage)
            reason = why(suite.settings, suite.out, stage)
            tqdm.write(f"{stage}: {reason}, runs now" if reason else f"{stage}: unchanged, skipped")
            if reason:
                run_stage(suite, stage)
            outcome[stage] = "done" if reason else "skipped"
            before += steps(suite, stage)
            suite.tick(before - suite.bar.n)
    return outcome
