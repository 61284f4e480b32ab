"""Checkpoints: whole on the disk, only numbers and plain values inside, refused when they belong to
another run.

Taught in lesson 07.
"""

import hashlib
import zipfile
from dataclasses import asdict
from pathlib import Path

import torch

from tutorial_lib.data.splits import Split
from tutorial_lib.errors import TutorialError
from tutorial_lib.files import replacing
from tutorial_lib.language import mark, say


class DamagedCheckpoint(TutorialError):
    """The file holds no checkpoint, or not all of it."""


def describe(model: torch.nn.Module, split: Split, config: object) -> dict[str, dict[str, object]]:
    """What a checkpoint must agree with: every setting of the run and the model, and the data that
    training can see.
    """
    settings = {"class": type(model).__name__}
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if (
                type(value) in (int, float, bool, str)
                and name != "training"
                and not name.startswith("_")
            ):
                settings[f"{path}.{name}".lstrip(".")] = value
    settings |= {name: list(value.shape) for name, value in model.state_dict().items()}
    cut = hashlib.sha256(split.train_end.tobytes() + split.valid.row.tobytes()).hexdigest()[:16]
    data = {"fingerprint": split.dataset.fingerprint, "split": split.kind, "cut": cut}
    # what is left to others (None) is no setting, so that older checkpoints stay good
    configuration = {name: value for name, value in asdict(config).items() if value is not None}
    return {"configuration": configuration, "model": settings, "data": data}


def save_checkpoint(path: Path | str, state: dict) -> None:
    """Writes beside the target and renames: the file on disk is always a whole one."""
    with replacing(path) as partial, partial.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch's own words, which hide those of the disk
            disk = error.__context__
            raise disk if isinstance(disk, OSError) else OSError("not all was written") from None


def load_checkpoint(
    path: Path | str, identity: dict[str, dict[str, object]] | None = None
) -> dict[str, object]:
    """Reads a checkpoint (tensors and plain values only, never arbitrary objects) and refuses one
    of another run, unless `identity` is None.

    One of fewer epochs is taken where its state is that of the longer run at the same epoch: with a
    learning rate that does not follow from the number of epochs, and no look at the validation part
    that was taken only because the run ended.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as file:  # torch checks no sums
            if broken := file.testzip():
                raise ValueError(f"{broken} is not what was written")
        saved = torch.load(path, map_location="cpu", weights_only=True)
        found = {part: dict(saved["identity"][part]) for part in identity or {}}
    except FileNotFoundError:
        raise TutorialError("there is no checkpoint {path}", path=path) from None
    except Exception as error:  # many kinds for a damaged file; torch's own words advise pickle
        raise DamagedCheckpoint(
            "{path} is not a readable checkpoint; delete it to start again ({name})",
            path=path,
            name=type(error).__name__,
        ) from None
    for part, wanted in (identity or {}).items():
        for name in sorted(wanted.keys() | found[part].keys()):
            if (got := found[part].get(name)) == (want := wanted.get(name)):
                continue
            longer = part == "configuration" and name == "epochs" and got < want
            why = cannot_continue(wanted, got) if longer else ""
            if longer and not why:
                continue
            message = (
                mark(
                    "{path} belongs to another run: in its {part}, {name} is {got!r} and not"
                    " {want!r}, and {why}; name another checkpoint or delete this one"
                )
                if why
                else mark(
                    "{path} belongs to another run: in its {part}, {name} is {got!r} and not"
                    " {want!r}; name another checkpoint or delete this one"
                )
            )
            values = {"path": path, "part": part, "name": name, "got": got, "want": want}
            raise TutorialError(message, **values, why=why)
    return saved


def cannot_continue(configuration: dict[str, object], epochs: int) -> str:
    """Why a run of `epochs` epochs cannot be continued to those of `configuration` with the same
    bits as a run of that many from the start; empty if it can.
    """
    if configuration["schedule"] != "constant":
        return say(
            "a {schedule} schedule follows from the number of epochs, so more epochs need a run"
            " from the start",
            schedule=configuration["schedule"],
        )
    if epochs % configuration["evaluate_every"]:
        return say(
            "epoch {epochs} was validated only because it was the last (evaluate_every = {every}),"
            " so more epochs need a run from the start",
            epochs=epochs,
            every=configuration["evaluate_every"],
        )
    return ""


def copy_weights(
    weights: dict[str, torch.Tensor], device: torch.device | None = None
) -> dict[str, torch.Tensor]:
    return {
        name: value.detach().clone().to(device or value.device) for name, value in weights.items()
    }
