"""What a suite compares and what it has computed so far: the thing that all stages share."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd

from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.splits import Split, ask_some, make_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks, per_user
from tutorial_lib.experiments.digests import digest, remove_damaged, signed
from tutorial_lib.experiments.queue import share
from tutorial_lib.experiments.runs import Run, announce, load_model
from tutorial_lib.experiments.settings import shared
from tutorial_lib.experiments.stages import work
from tutorial_lib.experiments.stages.lineup import ENTRIES, Entry
from tutorial_lib.experiments.training import finished
from tutorial_lib.knobs import check, knob, knobs
from tutorial_lib.metrics import METRICS, parse_metric
from tutorial_lib.models import SequenceModel, model_options
from tutorial_lib.notebook import Bar
from tutorial_lib.train import TrainConfig

OF_RANKS = [name for name, metric in METRICS.items() if not metric.of_lists]


@dataclass
class Suite:
    """What is compared, on which data, with which budget, the same for every model; and access to
    all that has been computed.
    """

    out: Path
    dataset: str = shared(Run, "dataset")
    split: str = shared(Run, "split")
    users: int | None = shared(Run, "users")
    seeds: int = knob(2, "so many trainings of each model, with seeds 0, 1, ...", least=1)
    tune_seeds: int = knob(1, "so many of them decide on the learning rate, by their mean", least=1)
    rates: tuple[float, ...] = knob(
        (0.001, 0.003), "grid of learning rates, tried by every model", least=0
    )
    epochs: int = shared(TrainConfig, "epochs", 8)
    grow: int = knob(
        0,
        "so many further rates may a model try until its best one has a worse one on both sides; 0:"
        " the grid as it is, and no verdict may rest on it",
        least=0,
    )
    longer: int = knob(
        0,
        "so many times may a model get half as many epochs again, while those are better by more"
        " than the deviation between seeds",
        least=0,
    )
    batch_size: int = shared(TrainConfig, "batch_size", 32)
    max_len: int = shared(Run, "max_len")
    dim: int = shared(Run, "dim")
    dropout: float = knob(0.1, "of every model that has any", least=0, below=1)
    windows: str = shared(TrainConfig, "windows")
    filter_seen: bool | None = shared(TrainConfig, "filter_seen")
    evaluate_users: int | None = shared(TrainConfig, "evaluate_users")
    metric: str = knob(
        "ndcg@10",
        "shown in tables, pictures and report: NAME@K of {metrics}, or mrr; the tuning chooses by"
        " validation NDCG@10 all the same",
        names={"metrics": ", ".join(OF_RANKS)},
    )
    entries: tuple[Entry, ...] = ENTRIES
    device: str = knob("auto", "auto, cpu, cuda or mps", setting=False)
    jobs: int = knob(
        1, "processes that train side by side, one thread each", least=1, setting=False
    )
    queue: Path | None = knob(
        None,
        "train through this queue, a folder where workers on other machines help: python -m"
        " tutorial_lib.experiments worker QUEUE",
        setting=False,
    )
    progress: bool = True
    # files that the running stage has read, with their digests
    reads: dict[str, str] = field(default_factory=dict, repr=False)
    # runs by entry, seed and rate: building one takes a while
    made: dict[tuple, Run] = field(default_factory=dict, repr=False)
    bar: Bar | None = field(default=None, repr=False)

    def __post_init__(self):
        check(self)
        name = parse_metric(self.metric)[0]
        if name.partition("@")[0] not in OF_RANKS:
            raise TutorialError(
                "{name} needs the lists of items, and a suite keeps ranks: choose one of"
                " {of_ranks}",
                name=name,
                of_ranks=", ".join(OF_RANKS),
            )
        self.metric = name.lower()
        self.out, self.rates = Path(self.out), tuple(sorted(set(self.rates)))
        if not self.rates:
            raise TutorialError(
                "the grid of learning rates is empty: give at least one, such as 0.001"
            )

    @cached_property
    def data(self) -> Split:
        split = make_split(load_dataset(self.dataset, users=self.users), self.split)
        return ask_some(split, self.evaluate_users)

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

    @property
    def strict(self) -> bool:
        """Under the protocol of `experiments.protocol`?"""
        return self.grow > 0

    def entry(self, label: str) -> Entry:
        return next(entry for entry in self.lineup if entry.label == label)

    @cached_property
    def settings(self) -> dict[str, object]:
        """All that decides the numbers, as plain JSON."""
        plain = {name: getattr(self, name) for name in knobs(Suite, settings=True)}
        if self.evaluate_users is None:  # earlier suites did not know it, and stay up to date
            del plain["evaluate_users"]
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

    def run(
        self, entry: Entry, seed: int, rate: float | None = None, epochs: int | None = None
    ) -> Run:
        """The training run of an entry, with the learning rate and the epochs that the tuning chose
        unless they are given.
        """
        if not entry.trained:  # counting knows no seed and no rate
            seed, rate = 0, self.rates[0]
        if (key := (entry.label, seed, rate, epochs)) in self.made:
            return self.made[key]
        if rate is None:
            chosen = self.table("tune", "chosen").set_index("model").loc[entry.label]
            rate, epochs = chosen["learning_rate"], int(chosen["epochs"])
        options = {"dropout": self.dropout} if "dropout" in model_options(entry.model) else {}
        alike = ("batch_size", "windows", "filter_seen", "evaluate_users")
        sizes = {name: getattr(self, name) for name in alike}
        sizes |= {"schedule": "cosine", "learning_rate": rate, "epochs": epochs or self.epochs}
        config = TrainConfig(**sizes, seed=seed)
        data = self.dataset, self.split, self.users, self.max_len, self.dim
        self.made[key] = Run(
            entry.model,
            *data,
            options | entry.options,
            config,
            clock=entry.clock,
            item_clock=entry.item_clock,
        )
        return self.made[key]

    def note(self, path: Path) -> Path:
        """Remember that the running stage has read this file, and what it held."""
        if not path.exists():
            raise TutorialError(
                "{path} is missing: run the stage that makes it, or all stages", path=path
            )
        self.reads[path.relative_to(self.out).as_posix()] = digest(path)
        return path

    def table(self, stage: str, name: str) -> pd.DataFrame:
        file = self.note(self.out / stage / f"{name}.csv")
        try:
            return pd.read_csv(file)
        except ValueError as error:
            raise TutorialError(
                "{file} cannot be read ({error}): run the stage {stage} again",
                file=file,
                error=error,
                stage=stage,
            ) from None

    def result(self, run: Run) -> dict[str, object]:
        """The row of a finished run; of one that diverged only that it learned nothing."""
        if (self.runs / run.name / work.DIVERGED).exists():
            self.note(self.runs / run.name / work.DIVERGED)
            return {"valid_ndcg@10": 0.0, "best_epoch": 0, "epochs": run.config.epochs}
        return json.loads(
            self.note(self.runs / run.name / "result.json").read_text(encoding="utf-8")
        )

    def values(self, entry: Entry, corruption: str = "") -> np.ndarray:
        """The metric on the test part, float64 [seeds, users]: users in ascending order, the same
        for every entry. Under the protocol without the seeds that collapsed.
        """
        folders = {seed: self.runs / self.run(entry, seed).name for seed in self.kept(entry)}
        files = [work.ranks_file(folder, corruption, seed) for seed, folder in folders.items()]
        return np.stack(
            [
                per_user(ranks, parse_metric(self.metric)[1](ranks))
                for ranks in (Ranks.read_csv(self.note(file)) for file in files)
            ]
        )

    def kept(self, entry: Entry) -> list[int]:
        """The seeds that count: all, under the protocol those that have not collapsed."""
        if not (self.strict and entry.trained):
            return list(range(self.seeds))
        seeds = self.table("tune", "seeds").query("model == @entry.label")
        return seeds.loc[~seeds["collapsed"], "seed"].tolist()

    def model(self, entry: Entry, seed: int = 0) -> SequenceModel:
        """A trained model with the weights of its best epoch."""
        run = self.run(entry, seed)
        if entry.trained:
            self.note(self.runs / run.name / "checkpoint.pt")
        return load_model(run, self.data, self.runs)

    def train(self, runs: Sequence[Run]) -> None:
        """Trains those that are not finished, or no longer whole, and counts all."""
        unique = {run.name: run for run in runs}
        for name in unique:
            if lost := remove_damaged(self.runs / name):
                announce(lost)
        todo = [
            run
            for name, run in unique.items()
            if not (finished(folder := self.runs / name) or (folder / work.DIVERGED).exists())
        ]
        self.tick(len(unique) - len(todo))
        if self.queue and todo:
            share(self.queue, todo, self.runs, self.device)
            self.tick(len(todo))
            return
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
        # by run: one process at a time writes into its folder
        missing: dict[str, tuple[Run, list]] = {}
        for entry in self.lineup:
            for seed in range(self.seeds):
                run = self.run(entry, seed)
                kept = work.ranks_file(self.runs / run.name, corruptions[0], seed).parent
                if lost := remove_damaged(kept, together=False):
                    announce(lost)
                there, wanted = signed(kept), missing.setdefault(run.name, (run, []))[1]
                wanted += [
                    (name, seed)
                    for name in corruptions
                    if work.ranks_file(self.runs / run.name, name, seed).name not in there
                    and (name, seed) not in wanted
                ]
        tasks = [
            partial(work.evaluate_run, run, self.runs, self.device, wanted)
            for run, wanted in missing.values()
            if wanted
        ]
        self.tick(len(self.lineup) * self.seeds - len(tasks))
        work.perform(tasks, self.jobs, self.tick)

    def tick(self, done: int = 1) -> None:
        if self.bar is not None:
            self.bar.update(done)
