"""Checkpoints: whole on the disk, only numbers and plain values inside, refused when they belong to
another run.

Taught in lesson 07.
"""

import hashlib
from dataclasses import asdict
from pathlib import Path

import torch

from tutorial_lib.data.splits import Split
from tutorial_lib.errors import TutorialError
from tutorial_lib.files import replacing

__all__ = ["copy_weights", "describe", "load_checkpoint", "replacing", "save_checkpoint"]


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
    with replacing(path) as partial:
        torch.save(state, partial)


def load_checkpoint(path: Path | str, identity: dict[str, dict[str, object]]) -> dict:
    """Reads a checkpoint (tensors and plain values only, never arbitrary objects) and refuses one
    of another run.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        found = {part: dict(saved["identity"][part]) for part in identity}
    except Exception as error:  # torch raises many kinds for a damaged file
        raise TutorialError(
            f"{path} is not a readable checkpoint; delete it to start again"
            f" ({type(error).__name__})"
        ) from error
    for part, wanted in identity.items():
        for name in sorted(wanted.keys() | found[part].keys()):
            if (got := found[part].get(name)) != (want := wanted.get(name)):
                raise TutorialError(
                    f"{path} belongs to another run: in its {part}, {name} is {got!r} and not"
                    f" {want!r}; name another checkpoint or delete this one"
                )
    return saved


def copy_weights(
    weights: dict[str, torch.Tensor], device: torch.device | None = None
) -> dict[str, torch.Tensor]:
    return {
        name: value.detach().clone().to(device or value.device) for name, value in weights.items()
    }
