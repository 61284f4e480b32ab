"""A model as a program without Python: exported for any number of users, or compiled.

The program has the weights inside and takes windows of `max_len` places. What it gives is what the
model gives: the same operations in the same order. Taught in lesson 21.
"""

import shutil
from collections.abc import Callable

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram, export

from tutorial_lib.errors import TutorialError
from tutorial_lib.models import SequenceModel
from tutorial_lib.models.ssd4rec import SSD4Rec
from tutorial_lib.serving.states import Pass

WAYS = ("eager", "exported", "compiled")


def example(model: SequenceModel) -> tuple[Tensor, Tensor, Tensor]:
    """items, times, query times int64 [3, max_len] of three users, one of them with pads."""
    items = 1 + torch.arange(3 * model.max_len).view(3, -1) % model.num_items
    items[0, model.max_len // 2 + 1 :] = 0
    times = 1_700_000_000 + torch.arange(model.max_len).repeat(3, 1) * 3600
    return items, times, times + 60


def export_model(model: SequenceModel) -> ExportedProgram:
    """(items, times, query times) int64 [B, max_len] -> states [B, max_len, d], for any B."""
    if model.uses_users:
        raise TutorialError(
            "{name} reads no histories, so there is no full pass", name=type(model).__name__
        )
    packed = getattr(model, "packed", None)
    if isinstance(model, SSD4Rec):
        model.packed = False  # a row without pads is as long as its events are many
    try:
        batch = Dim("batch", min=1)
        with torch.no_grad():
            return export(
                model.eval(), example(model), dynamic_shapes=[{0: batch}] * 3, strict=False
            )
    finally:
        if packed is not None:
            model.packed = packed


def compiled(model: SequenceModel) -> Callable[..., Tensor]:
    """By torch.compile, for any number of users. It needs a C++ compiler."""
    if not (shutil.which("g++") or shutil.which("clang++")):
        raise TutorialError(
            "torch.compile finds no C++ compiler: install g++, or take --full-pass exported"
        )
    return torch.compile(model, dynamic=True)


def full_pass(model: SequenceModel, way: str) -> Pass | None:
    """The full pass that takes the place of the model; None: the model itself."""
    if way not in WAYS:
        raise TutorialError(
            "unknown full pass {way!r}: choose one of {ways}", way=way, ways=", ".join(WAYS)
        )
    if way == "exported":
        return export_model(model).module()
    return compiled(model) if way == "compiled" else None
