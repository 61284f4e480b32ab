"""What one training run is: its settings, name, data and model, and its row in a table.
Taught in lesson 07.
"""

import hashlib
import json
import logging
import os
import platform
import re
import subprocess
from dataclasses import MISSING, asdict, dataclass, field
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

import tutorial_lib
from tutorial_files.shared import INSTALLED
from tutorial_lib.checkpoint import load_checkpoint
from tutorial_lib.data.corrupt import CLOCKS, with_clock
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.splits import SPLITS, Split, ask_some, make_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.settings import parse, read_settings
from tutorial_lib.files import write_text
from tutorial_lib.knobs import check, check_one, knob, knobs
from tutorial_lib.models import MODELS, SequenceModel, blind_twin, build_model, model_options
from tutorial_lib.models.item_clock import ItemClock
from tutorial_lib.train import TrainConfig, train, with_windows

log = logging.getLogger("tutorial_lib")


@dataclass(frozen=True)
class Run:
    """What decides a run. `options` are the model's own keywords; `clock` is "real", a control of
    `data.corrupt`, or "none": the model's twin without a clock (`models.blind_twin`).

    Raises TutorialError at once, before any data are read, if no such model can be built or other
    windows were chosen than it needs; left at the default, they become those.
    """

    model: str = knob(MISSING, "what is trained", choices=MODELS)
    dataset: str = knob(
        "sample", "sample, control, ml-100k, csv:PATH, ... (python -m tutorial_lib.data list)"
    )
    split: str = knob("temporal", "into parts", choices=SPLITS)
    users: int | None = knob(None, "a random subset of so many users, always the same", least=1)
    max_len: int = knob(50, "longest history that a model reads, in events", least=1)
    dim: int = knob(64, "width", least=1)
    options: dict[str, object] = field(default_factory=dict)
    config: TrainConfig = field(default_factory=TrainConfig)
    clock: str = knob(
        "real",
        "of all events; shuffled and constant tell nothing; none: the model's twin without a clock",
        choices=(*CLOCKS, "none"),
    )
    item_clock: str = knob(
        "none",
        "how popular and how new each item is at the question, added to the scores of a network;"
        " frozen: as at the end of training, live: up to the question",
        choices=("none", "frozen", "live"),
    )

    def __post_init__(self):
        check(self)
        sizes = {"num_items": 1, "num_users": 1, "max_len": self.max_len, "dim": self.dim}
        model = build_model(self.model, **sizes, **self.options)
        if self.clock == "none":
            name, options = self.built
            model = build_model(name, **sizes, **options)
        if self.item_clock != "none":
            if self.clock == "none":
                raise TutorialError("a twin without a clock has no item_clock: leave it out")
            model = ItemClock(model)
        config = with_windows(model, self.config)
        object.__setattr__(self, "config", config)

    @staticmethod
    def from_settings(settings: dict[str, object]) -> "Run":
        """From the keys of a command line or file: knobs of Run and TrainConfig side by side, and
        `options`, whose values may be texts.
        """
        if "model" not in settings:
            raise TutorialError(
                "no model is named: give --model with one of {models}, or --config with a"
                " file that names one",
                models=", ".join(MODELS),
            )
        own, config = (
            {name: settings[name] for name in knobs(owner) if name in settings}
            for owner in (Run, TrainConfig)
        )
        options = {
            name: option_value(own["model"], name, value)
            for name, value in settings.get("options", {}).items()
        }
        return Run(**own, options=options, config=TrainConfig(**config))

    @property
    def built(self) -> tuple[str, dict[str, object]]:
        """Name and options of what is really built: without a clock, the twin."""
        if self.clock == "none":
            return blind_twin(self.model, self.options)
        return self.model, self.options

    @property
    def settings(self) -> dict[str, object]:
        """What `from_settings` reads back."""
        own = {name: getattr(self, name) for name in knobs(Run)}
        return own | asdict(self.config) | {"options": self.options}

    @property
    def loss(self) -> str:
        return self.config.loss if MODELS[self.model].trains_by_gradient else "counts"

    @property
    def configuration(self) -> str:
        """All settings as JSON, defaults of the model included; `Run.from_configuration` reads it
        back.
        """
        # what is left out did not exist in earlier runs, which so keep their names
        later, known = MODELS[self.model].later_options, model_options(self.model)
        options = {
            name: value
            for name, value in (known | self.options).items()
            if name not in later or value != known[name]
        }
        settings = asdict(self) | {"options": options}
        if self.clock == "real":
            del settings["clock"]
        if self.item_clock == "none":
            del settings["item_clock"]
        config = settings["config"].items()
        settings["config"] = {name: value for name, value in config if value is not None}
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
    git. Of an installed library its version: the folder around it may be of another project.
    """
    if INSTALLED:
        return f"v{tutorial_lib.__version__}"

    def git(*words: str) -> str:
        folder = Path(tutorial_lib.__file__).parent
        return subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "--short=10", "HEAD") + (
            "-changed" if git("status", "--porcelain", "--", ".", "../tutorial_files") else ""
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


def announce(text: str) -> None:
    """To the reader, above any progress bar, and to the log."""
    tqdm.write(text)
    log.info(text)


def option_value(model: str, name: str, value: object) -> object:
    """An option of a model, given as text or as the value itself, of the kind of its default."""
    known = model_options(model)
    if name not in known:
        raise TutorialError(
            "{model} has no option {name!r}; it knows {known}",
            model=model, name=name, known=", ".join(known) or "none",
        )  # fmt: skip
    kind, optional = (int, True) if known[name] is None else (type(known[name]), False)
    try:
        value = parse(value, kind, optional) if isinstance(value, str) else value
        return value if value is None and optional else check_one(name, value, kind)
    except TutorialError as error:
        raise TutorialError("option {name} of {model}: {error}",
                            name=name, model=model, error=error) from None  # fmt: skip


def read_run(folder: Path | str) -> Run:
    """The run whose folder this is."""
    folder = Path(folder)
    known = {name: owner for owner in (Run, TrainConfig) for name in knobs(owner)}
    if (file := folder / "config.toml").exists():
        return Run.from_settings(read_settings(file, known | {"options": dict}, ["sampled"]))
    try:  # runs from before there was such a file
        row = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        return Run.from_configuration(row["configuration"])
    except (OSError, ValueError, KeyError, TypeError):
        raise TutorialError("{folder} is no folder of a run: it has neither config.toml nor a"
                            " result.json to read", folder=folder) from None  # fmt: skip


def fresh_model(run: Run, split: Split) -> SequenceModel:
    """As it is before training."""
    name, options = run.built
    model = build_model(
        name,
        num_items=split.dataset.num_items,
        num_users=split.dataset.num_users,
        max_len=run.max_len,
        dim=run.dim,
        seed=run.config.seed,
        **options,
    )
    return model if run.item_clock == "none" else ItemClock(model, live=run.item_clock == "live")


def load_split(run: Run) -> Split:
    """The same users whatever the training seed."""
    split = make_split(load_dataset(run.dataset, users=run.users), run.split)
    clock = "real" if run.clock == "none" else run.clock
    return with_clock(ask_some(split, run.config.evaluate_users), clock)


def load_model(run: Run, split: Split, folder: Path) -> SequenceModel:
    """The model of a finished run under `folder` with the weights of its best epoch; models that
    count are fitted again.
    """
    model = fresh_model(run, split)
    if model.trains_by_gradient:
        model.load_state_dict(load_checkpoint(folder / run.name / "checkpoint.pt")["best"])
    else:
        train(model, split, run.config, device="cpu", progress=False)
    return model.eval()


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
                "{table} is not a table of results ({error}); name another file or remove it",
                table=table, error=error,
            ) from error  # fmt: skip
    order = ["dataset", "split", "model", "loss", "seed", "run"]
    frame = frame.sort_values(
        order, key=lambda column: column.astype(int) if column.name == "seed" else column
    )
    write_text(table, frame.to_csv(index=False))


def as_text(value: object) -> str:
    """A cell of the table: six digits of a measured number, nothing for what was not measured."""
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
