"""The work of one run: training, evaluation on the test part, and everything it leaves on the disk.
Taught in lesson 07.
"""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tutorial_lib.checkpoint import DamagedCheckpoint, cannot_continue, describe, load_checkpoint
from tutorial_lib.data.splits import Split
from tutorial_lib.distributed import ALONE, Group
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks, hit_rate, ndcg, per_user
from tutorial_lib.experiments.convert import refuse_foreign
from tutorial_lib.experiments.digests import DIGESTS, damaged, remove_damaged, sign, signed
from tutorial_lib.experiments.runs import (
    Run,
    announce,
    code_versions,
    fresh_model,
    load_split,
    machine,
    read_run,
)
from tutorial_lib.experiments.settings import as_toml
from tutorial_lib.files import replacing, sweep, write_text
from tutorial_lib.language import say
from tutorial_lib.models import SequenceModel
from tutorial_lib.statistics import bootstrap_interval
from tutorial_lib.train import History, pick_device, train

FILES = ["code_version", "config.toml", "ranks.csv.gz", "history.csv", "result.json"]


def finished(folder: Path) -> bool:
    """Has the run of this folder written all that it writes? `digests.damaged` says whether it is
    still there. All are signed at once.
    """
    return "result.json" in signed(folder)


def take_over(run: Run, folder: Path, tell: Callable[[str], object]) -> bool:
    """Copies the checkpoint of the same run with fewer epochs, the longest one, where that is
    exact; says so where it is not.
    """
    target = folder / run.name / "checkpoint.pt"
    if target.exists() or run.loss == "counts":
        return False
    shorter = []
    for other in folder.glob(f"{run.name[:-6]}*/checkpoint.pt"):
        try:
            config = read_run(other.parent).config
            same = replace(read_run(other.parent), config=replace(config, epochs=run.config.epochs))
        except TutorialError:
            continue
        if same.name == run.name and config.epochs < run.config.epochs:
            shorter.append((config.epochs, other))
    if not shorter:
        return False
    epochs, source = max(shorter)
    why = cannot_continue(asdict(run.config), epochs)
    if not why:
        with replacing(target) as partial:
            shutil.copyfile(source, partial)
    tell(
        say("a run of {epochs} epochs is there, and {why}", epochs=epochs, why=why)
        if why
        else say("a run of {epochs} epochs is there and is continued", epochs=epochs)
    )
    return not why


def execute(
    run: Run,
    folder: Path | str,
    *,
    device: str = "auto",
    progress: bool = True,
    sampled: int = 100,
    on_look: Callable[[dict[str, float]], object] = lambda row: None,
    tell: Callable[[str], object] = announce,
    group: Group = ALONE,
) -> dict[str, object]:
    """Trains (or resumes), evaluates on the test part once, and writes under `folder`: checkpoint,
    history, ranks, result, config.toml and, last of all, the digests of these.

    Returns the row of the result table: metrics with 95 % bootstrap intervals over users, settings
    and provenance. A finished run is not trained again, only evaluated; a damaged file is made
    again; more epochs go on after fewer where that is exact, and `tell` is told. `sampled`
    negatives beside the full ranking: left out where somebody knows so much of the
    catalogue that too few items remain to draw from.
    """
    begin = time.perf_counter()
    pick_device(device)
    folder = Path(folder)
    target = folder / run.name
    split = group.together(lambda: load_split(run))
    group.agree("data with the fingerprint", split.dataset.fingerprint)
    versions, continued = group.together(
        lambda: prepare_folder(run, folder, sampled, tell) if group.writer else ("", False)
    )
    file, loaded = target / "checkpoint.pt", time.perf_counter()
    how = {"checkpoint": file, "device": device, "progress": progress, "on_look": on_look}
    how["group"] = group
    try:
        history = train(model := fresh_model(run, split), split, run.config, **how)
    except TutorialError as error:
        if not (continued or isinstance(error, DamagedCheckpoint)) or group.size > 1:
            raise
        file.unlink()
        announce(
            say(
                "{file} is damaged or of other data, made again (by training from the start)",
                file=file,
            )
        )
        history = train(model := fresh_model(run, split), split, run.config, **how)
    trained = time.perf_counter()
    test, valid = final_ranks(run, model, split, sampled, group)
    row = result_row(run, model, history, valid, test)
    # reading the data, the last evaluation
    around = (loaded - begin) + (time.perf_counter() - trained)
    row |= {
        "wall_seconds": round(history.wall_seconds + around, 2),
        "data_fingerprint": split.dataset.fingerprint,
    }
    row |= (
        {"code_version": versions}
        | machine(model)
        | {"configuration": run.configuration, "run": run.name}
    )
    row |= {"processes": group.size} if group.size > 1 else {}
    if group.writer:
        test.to_csv(target / "ranks.csv.gz")
        write_text(target / "history.csv", pd.DataFrame(history.rows).to_csv(index=False))
        write_text(target / "result.json", json.dumps(row, indent=2))
        sign(target, [*FILES, *(["checkpoint.pt"] if file.exists() else [])])
    return row


def prepare_folder(
    run: Run, folder: Path, sampled: int, tell: Callable[[str], object]
) -> tuple[str, bool]:
    """Takes damaged files away and writes the settings down; the versions of the code so far, and
    whether the checkpoint of a shorter run is taken over.
    """
    target = folder / run.name
    if lost := remove_damaged(target):
        announce(lost)
    sweep(target)
    if signed(target):
        write_text(target / DIGESTS, "{}")  # unfinished until the end
    versions = code_versions(target)
    write_text(target / "config.toml", as_toml({"sampled": sampled} | run.settings))
    return versions, take_over(run, folder, tell)


def final_ranks(
    run: Run, model: SequenceModel, split: Split, sampled: int, group: Group = ALONE
) -> tuple[Ranks, Ranks]:
    """Ranks on the test part, with sampled ones where so many items are left, and on validation."""
    if split.train_items.sum() - np.diff(split.dataset.offsets).max() < sampled:
        sampled = 0
    hide = run.config.hides_seen(split.dataset)
    test = group.evaluate(model, split, "test", sampled=sampled, filter_seen=hide)
    return test, group.evaluate(model, split, "valid", filter_seen=hide)


def examine(folder: Path | str, device: str = "auto") -> tuple[dict[str, object], list[str]]:
    """The best weights of a finished run on the test part: the row of the table, and the names of
    those of its values that are not what was recorded.
    """
    folder = Path(folder).resolve()
    refuse_foreign(folder)
    if lost := damaged(folder):
        raise TutorialError(
            "{folder}: {lost} damaged or missing; the command that trained it makes it again",
            folder=folder,
            lost=", ".join(lost),
        )
    run = read_run(folder)
    try:
        recorded = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise TutorialError(
            "{folder} holds no result: the command that trains it goes on there", folder=folder
        ) from None
    split = load_split(run)
    model, history = fresh_model(run, split), History()
    if model.trains_by_gradient:
        if model.uses_time:
            model.fit_time(split)
        saved = load_checkpoint(folder / "checkpoint.pt", describe(model, split, run.config))
        model.load_state_dict(saved["best"])
        history = History(**saved["history"])
    else:
        train(model, split, run.config, device="cpu", progress=False)
    model.to(pick_device(device))
    sampled = 0
    if recorded["sampled_ndcg@10"] is not None:
        sampled = int(Ranks.read_csv(folder / "ranks.csv.gz").sampled.candidates[0]) - 1
    test, valid = final_ranks(run, model, split, sampled)
    row = result_row(run, model, history, valid, test)
    return row, [name for name, value in row.items() if recorded.get(name) != value]


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
    row |= {"item_clock": run.item_clock} if run.item_clock != "none" else {}
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
