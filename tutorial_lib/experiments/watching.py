"""What follows a command while it runs: a log, TensorBoard, and the lines that it ends with."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.runs import log
from tutorial_lib.language import say


def keep_log(file: Path | None) -> None:
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(file, encoding="utf-8")
    except OSError as error:
        raise TutorialError(
            "cannot write the log {file}: {strerror}", file=file, strerror=error.strerror
        ) from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.info("python -m tutorial_lib.experiments %s", " ".join(sys.argv[1:]))


def scalars(folder: Path) -> Callable[[dict[str, float]], None]:
    """A function that writes a row of the history where TensorBoard looks for it."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise TutorialError(
            "TensorBoard is not installed: pip install tensorboard, or leave --tensorboard out"
        ) from None
    writer = SummaryWriter(str(folder))

    def write(row: dict[str, float]) -> None:
        for name, tag in (("loss", "loss/train"), ("ndcg", "ndcg@10/valid")):
            writer.add_scalar(tag, row[name], row["epoch"])
        writer.flush()

    return write


def show(row: dict[str, object]) -> None:
    """The result of a run, printed and logged."""
    lines = [
        f"{name:8s} {row[name]:.4f}  [{row[name + '_low']:.4f}, {row[name + '_high']:.4f}]"
        for name in ("ndcg@10", "hr@10")
    ]
    lines.append(
        say(
            "valid NDCG@10 {valid:.4f} at epoch {epoch}, {seconds} s of training",
            valid=row["valid_ndcg@10"],
            epoch=row["best_epoch"],
            seconds=row["train_seconds"],
        )
    )
    for text in lines:
        print(text)
        log.info(text)
