"""One training loop for every model and every `Task`: progress bar, early stopping on validation,
checkpoint and exact resume.

All randomness of epoch k (order of the windows, negatives, dropout) follows from (seed, k) alone. A
run that was cut and taken up again at the last finished epoch therefore gives the same bits as one
that was never interrupted. Taught in lesson 07.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from tutorial_lib.checkpoint import copy_weights, describe, load_checkpoint, save_checkpoint
from tutorial_lib.config import TrainConfig
from tutorial_lib.data.splits import Split
from tutorial_lib.distributed import ALONE, Group
from tutorial_lib.errors import Diverged, TutorialError
from tutorial_lib.language import say
from tutorial_lib.models import SequenceModel
from tutorial_lib.notebook import Bar
from tutorial_lib.optim import RowAdamW
from tutorial_lib.tasks import (
    Task,
    check_fit,
    check_negatives,
    for_large_catalogues,
    ranking,
    with_windows,
)


@dataclass
class History:
    """What a run leaves behind: one row a validation, with epoch, loss, NDCG@10 (or the score of
    another `Task`) and seconds of training so far.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_ndcg: float = -1.0
    wall_seconds: float = 0.0  # everything: training, validation, checkpoints, over all sittings

    @property
    def seconds(self) -> float:
        """Seconds of training alone, up to the last validation."""
        return self.rows[-1]["seconds"] if self.rows else 0.0


def pick_device(name: str = "auto") -> torch.device:
    """ "auto" takes CUDA, else the CPU; any other name must be available here.

    Apple's MPS is taken by its name alone: it has no float64, so that gaps are float32 there, and
    no machine of ours has trained every model on it.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        if not name.startswith(("cpu", "cuda", "mps")):
            raise RuntimeError("torch knows further devices, but they cannot train these models")
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise TutorialError(
            "device {name!r} is not available here; use 'auto' or 'cpu'", name=name
        ) from error


def learning_rate_at(config: TrainConfig, epochs_done: float) -> float:
    """Learning rate after a (fractional) number of epochs."""
    rate = config.learning_rate
    if config.schedule == "cosine":
        rate *= 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, epochs_done / config.epochs)))
    return rate * min(1.0, epochs_done / config.warmup_epochs) if config.warmup_epochs else rate


def make_optimizer(model: SequenceModel, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW; weight decay touches the matrices of linear maps and nothing else, save the tables of
    models that know users.
    """
    kinds = torch.nn.Linear | torch.nn.Embedding if model.uses_users else torch.nn.Linear
    decayed = [m.weight for m in model.modules() if isinstance(m, kinds)]
    chosen = {id(p) for p in decayed}
    others = [p for p in model.parameters() if id(p) not in chosen]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    kind = RowAdamW if config.sparse_table else torch.optim.AdamW
    return kind([g for g in groups if g["params"]], lr=config.learning_rate, betas=(0.9, 0.98))


def train_epoch(
    model: SequenceModel,
    data: Split | Task,
    config: TrainConfig,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    *,
    average: dict[str, torch.Tensor] | None = None,
    on_step: Callable[[], object] = lambda: None,
    group: Group = ALONE,
) -> float:
    """One pass over the training windows (epoch counts from 1). Returns the mean loss per predicted
    event. `group`: the processes that share each batch.
    """
    task = data if isinstance(data, Task) else ranking(model, data, config)
    model.train()
    device = next(model.parameters()).device
    entropy = [config.seed, epoch]
    for_dropout, for_negatives = np.random.SeedSequence(entropy).generate_state(2).tolist()
    if group.size > 1:
        for_dropout = int(np.random.SeedSequence([*entropy, group.rank]).generate_state(1)[0])
    if task.seed is not None:
        for_dropout = task.seed(epoch)
    if for_dropout is not None:
        torch.manual_seed(for_dropout)
    generator = torch.Generator().manual_seed(for_negatives)
    total = events = 0.0
    for step, batch in enumerate(task.batches(epoch), start=1):
        for those in optimizer.param_groups:
            done = epoch - 1 + step / task.steps
            those["lr"] = task.rate(done) if task.rate else learning_rate_at(config, done)
        loss, value = group.loss(model, batch.to(device), config, generator)
        count = int((batch.targets > 0).sum())
        if not math.isfinite(value):
            raise Diverged(
                "the loss became {value} in epoch {epoch}; lower the learning rate"
                " ({learning_rate})",
                value=value,
                epoch=epoch,
                learning_rate=config.learning_rate,
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if average is not None:
            update_average(average, model, config.averaging, step=(epoch - 1) * task.steps + step)
        total, events = total + value * count, events + count
        on_step()
    return total / events


def update_average(
    average: dict[str, torch.Tensor], model: SequenceModel, decay: float, step: int
) -> None:
    """average <- decay * average + (1 - decay) * weights; `step` counts from 1, and the decay is at
    most step / (step + 10).
    """
    decay = min(decay, step / (step + 10))
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)


def train(
    model: SequenceModel,
    data: Split | Task,
    config: TrainConfig | None = None,
    *,
    checkpoint: Path | str | None = None,
    device: str = "auto",
    progress: bool = True,
    on_look: Callable[[dict[str, float]], object] = lambda row: None,
    group: Group = ALONE,
) -> History:
    """Trains `model` in place and leaves it with the weights of its best validation NDCG@10, in
    evaluation mode; with a `Task` in place of a split, of its best score. `on_look` gets each new
    row of the history.

    With `checkpoint`, the state is saved before the first and after every epoch, and a run that
    finds the file goes on from there; the file must come from the same configuration, model and
    data, or from one of fewer epochs that is continued with the same bits (see
    `checkpoint.load_checkpoint`). A model that needs windows of its own kind gets them. Models that
    count (popularity, Markov) are fitted and need no loop. The test part is never looked at.

    In a `group` every process calls this with the same arguments and ends with the same weights;
    the first one writes the checkpoint, which a group of any other size reads.
    """
    config, identity = config or TrainConfig(), None
    if isinstance(data, Task):
        task = data
        if checkpoint:
            raise TutorialError("a checkpoint belongs to a split, and a task of its own has none")
    else:
        check_fit(model, data)
        config = with_windows(model, config)
        if not model.trains_by_gradient:
            if model.uses_time:  # the log with its times holds all that is counted
                model.fit_time(data)
            else:
                model.fit(data.train["user"].to_numpy(), data.train["item"].to_numpy())
            return History()
        check_negatives(model, config)
        group.accept(model, config)
        if model.uses_time:
            model.fit_time(data)
        task, identity = ranking(model, data, config, group), describe(model, data, config)
    history = History()
    where = pick_device(device)
    model.to(where)
    learner = group.learner(model)
    optimizer = task.optimizer(learner) if task.optimizer else make_optimizer(learner, config)
    average = copy_weights(learner.state_dict()) if config.averaging else None
    best = copy_weights(learner.state_dict())
    done, seconds, stale = 0, 0.0, 0
    found = bool(checkpoint and Path(checkpoint).exists())
    group.agree("checkpoint to go on from:", found)
    if found:
        saved = group.together(lambda: load_checkpoint(checkpoint, identity))
        group.load(learner, optimizer, saved)
        average, best = (
            copy_weights(saved[name], where) if saved[name] else None
            for name in ("average", "best")
        )
        history, done = History(**saved["history"]), saved["epoch"]
        seconds, stale = saved["seconds"], saved["stale"]
    earlier, begin = history.wall_seconds, time.perf_counter()

    def save(epoch: int) -> None:
        history.wall_seconds = earlier + time.perf_counter() - begin
        if checkpoint and (group.writer or group.sharded):
            state = {
                "model": learner.state_dict(),
                "optimizer": optimizer.state_dict(),
                "average": average,
                "best": best,
                "history": asdict(history),
                "epoch": epoch,
                "seconds": seconds,
                "stale": stale,
                "identity": identity,
            }
            state = group.whole(state)
            if group.writer:
                save_checkpoint(checkpoint, state)

    group.agree("finished epochs:", done)
    if not done:
        save(done)  # a folder that cannot be written to shows now and not after the first epoch
    bar = Bar(
        total=config.epochs * task.steps,
        initial=done * task.steps,
        disable=not (progress and group.writer),
        unit="step",
        desc=say("training") + ": ",
    )
    # The caller's random numbers stay as they were; inside, each epoch sets its own seed.
    ours = torch.random.fork_rng(devices=[where] if where.type == "cuda" else [])
    with bar, ours, for_large_catalogues(learner, data, config):
        group.attach(learner)
        for epoch in range(done + 1, config.epochs + 1):
            if config.patience and stale >= config.patience:
                break
            start = time.perf_counter()
            how = {"average": average, "on_step": bar.update, "group": group}
            loss = train_epoch(learner, task, config, optimizer, epoch, **how)
            seconds += time.perf_counter() - start
            if epoch % config.evaluate_every == 0 or epoch == config.epochs:
                with averaged(learner, average):
                    group.fill(model, learner)
                    value = task.score(model)
                stale += 1
                if value > history.best_ndcg or not history.best_epoch:
                    history.best_epoch, history.best_ndcg, stale = epoch, value, 0
                    best = copy_weights(average or learner.state_dict())
                row = {"epoch": epoch, "loss": loss, task.column: value, "seconds": seconds}
                history.rows.append(row)
                if group.writer:
                    on_look(row)
                label = {"ndcg": "NDCG@10"}.get(task.column, task.column)
                bar.set_postfix_str(
                    say(
                        "epoch {epoch} loss {loss:.3f} validation {label} {value:.4f}",
                        epoch=epoch,
                        loss=loss,
                        label=label,
                        value=value,
                    )
                )
            save(epoch)
    learner.load_state_dict(best)
    group.fill(model, learner)
    model.eval()
    return history


@contextmanager
def averaged(model: SequenceModel, average: dict[str, torch.Tensor] | None) -> Iterator[None]:
    """Inside the block the model has the averaged weights, where there are any."""
    current = copy_weights(model.state_dict()) if average else None
    if average:
        model.load_state_dict(average)
    yield
    if average:
        model.load_state_dict(current)
