"""One training loop for every model: progress bar, early stopping on validation, checkpoint and exact resume.

All randomness of epoch k (order of the windows, negatives, dropout) follows from (seed, k) alone. A run that was cut and taken
up again at the last finished epoch therefore gives the same bits as one that was never interrupted. Taught in lesson 07.
"""

import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from tqdm.auto import tqdm

from tutorial_lib.data.sequences import Batch, num_training_batches, training_batches
from tutorial_lib.data.splits import Split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import evaluate, ndcg, per_user
from tutorial_lib.losses import LOSSES, training_loss
from tutorial_lib.models import SequenceModel


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run besides the model and the data."""

    loss: str = "ce"  # one of losses.LOSSES
    negatives: int = 1  # drawn per position, or per batch when shared_negatives; unused by "ce"
    shared_negatives: bool = False
    epochs: int = 20
    batch_size: int = 128  # windows a step
    learning_rate: float = 1e-3
    weight_decay: float = 0.0  # on matrices only, never on tables, biases and norms
    schedule: str = "constant"  # or "cosine": from learning_rate down to 2 % of it
    warmup_epochs: float = 0.0  # learning rate rises linearly from 0
    averaging: float = 0.0  # > 0: evaluate an exponential moving average of the weights with this decay a step
    windows: str = "last"  # "last": the last max_len targets of each user; "all": the whole history, in pieces
    evaluate_every: int = 1  # epochs between two looks at the validation part
    patience: int = 0  # stop after so many looks without a better NDCG@10; 0: never
    seed: int = 0

    def __post_init__(self):
        choices = {"loss": LOSSES, "schedule": ("constant", "cosine"), "windows": ("last", "all")}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise TutorialError(f"unknown {name} {getattr(self, name)!r}; known are {', '.join(known)}")
        for name in ("epochs", "batch_size", "negatives", "evaluate_every"):
            if getattr(self, name) < 1:
                raise TutorialError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.averaging < 1:
            raise TutorialError(f"averaging must be in [0, 1), got {self.averaging}")


@dataclass
class History:
    """What a run leaves behind: one row a validation, with epoch, loss, NDCG@10 and seconds of training so far."""

    rows: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_ndcg: float = -1.0

    @property
    def seconds(self) -> float:
        return self.rows[-1]["seconds"] if self.rows else 0.0


def pick_device(name: str = "auto") -> torch.device:
    """ "auto" takes CUDA, then Apple's MPS, then the CPU; any other name must be available here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise TutorialError(f"device {name!r} is not available here; use 'auto' or 'cpu'") from error


def learning_rate_at(config: TrainConfig, epochs_done: float) -> float:
    """Learning rate after a (fractional) number of epochs."""
    rate = config.learning_rate
    if config.schedule == "cosine":
        rate *= 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, epochs_done / config.epochs)))
    return rate * min(1.0, epochs_done / config.warmup_epochs) if config.warmup_epochs else rate


def make_optimizer(model: SequenceModel, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW; weight decay touches the matrices of linear maps and nothing else."""
    decayed = [m.weight for m in model.modules() if isinstance(m, torch.nn.Linear)]
    chosen = {id(p) for p in decayed}
    others = [p for p in model.parameters() if id(p) not in chosen]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=config.learning_rate, betas=(0.9, 0.98))


def batch_loss(model: SequenceModel, batch: Batch, config: TrainConfig, generator: torch.Generator) -> torch.Tensor:
    """Mean loss over all positions of a batch that have a target."""
    states = model(batch.items, batch.times, batch.query_times)  # [B, L, d]
    has_target = batch.targets > 0  # pads have none
    return training_loss(
        config.loss,
        model,
        states[has_target],
        batch.targets[has_target],
        negatives=config.negatives,
        shared=config.shared_negatives,
        generator=generator,
    )


def train_epoch(
    model: SequenceModel,
    split: Split,
    config: TrainConfig,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    *,
    average: dict[str, torch.Tensor] | None = None,
    on_step: Callable[[], object] = lambda: None,
) -> float:
    """One pass over the training windows (epoch counts from 1). Returns the mean loss per predicted event."""
    model.train()
    device = next(model.parameters()).device
    torch.manual_seed(1_000_003 * config.seed + epoch)  # dropout
    generator = torch.Generator().manual_seed(7_000_003 * config.seed + epoch)  # negatives
    batches = {"max_len": model.max_len, "batch_size": config.batch_size, "windows": config.windows}
    steps = num_training_batches(split, **batches)
    total = events = 0.0
    for step, batch in enumerate(training_batches(split, seed=config.seed, epoch=epoch, **batches), start=1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(config, epoch - 1 + step / steps)
        loss = batch_loss(model, batch.to(device), config, generator)
        if not torch.isfinite(loss):
            raise TutorialError(
                f"the loss became {loss.item()} in epoch {epoch}; lower the learning rate ({config.learning_rate})"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if average is not None:
            update_average(average, model, config.averaging, step=(epoch - 1) * steps + step)
        count = int((batch.targets > 0).sum())
        total, events = total + loss.item() * count, events + count
        on_step()
    return total / events


def update_average(average: dict[str, torch.Tensor], model: SequenceModel, decay: float, step: int) -> None:
    """average <- decay * average + (1 - decay) * weights, with a smaller decay in the first steps."""
    decay = min(decay, step / (step + 10))
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)


def train(
    model: SequenceModel,
    split: Split,
    config: TrainConfig | None = None,
    *,
    checkpoint: Path | str | None = None,
    device: str = "auto",
    progress: bool = True,
) -> History:
    """Trains `model` in place and leaves it with the weights of its best validation NDCG@10.

    With `checkpoint`, the state is saved after every epoch, and a run that finds the file goes on from there; the file must
    come from the same configuration, model and data. Models that count (popularity, Markov) are fitted and need no loop.
    """
    config = config or TrainConfig()
    if model.uses_time and not split.dataset.has_times:
        raise TutorialError(
            f"{type(model).__name__} needs timestamps and {split.dataset.name} has none; choose a model without a clock"
        )
    history = History()
    if not model.trains_by_gradient:
        model.fit(split.train["user"].to_numpy(), split.train["item"].to_numpy())
        return history
    model.to(pick_device(device))
    optimizer = make_optimizer(model, config)
    average = {k: v.clone() for k, v in model.state_dict().items()} if config.averaging else None
    best = {k: v.clone() for k, v in model.state_dict().items()}
    first, seconds, stale = 1, 0.0, 0
    identity = {
        "config": asdict(config),
        "model": f"{type(model).__name__} {sorted((k, list(v.shape)) for k, v in model.state_dict().items())}",
        "data": f"{split.dataset.fingerprint} {split.kind}",
    }
    if checkpoint and Path(checkpoint).exists():
        saved = load_checkpoint(checkpoint, identity)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        average, best, stale = saved["average"], saved["best"], saved["stale"]
        history = History(**saved["history"])
        first, seconds = saved["epoch"] + 1, saved["seconds"]
    steps = num_training_batches(split, max_len=model.max_len, batch_size=config.batch_size, windows=config.windows)
    bar = tqdm(total=config.epochs * steps, initial=(first - 1) * steps, disable=not progress, unit="step", mininterval=0.5)
    # The caller's random numbers stay as they were; inside, each epoch sets its own seed.
    with bar, torch.random.fork_rng():
        for epoch in range(first, config.epochs + 1):
            if config.patience and stale >= config.patience:
                break
            begin = time.perf_counter()
            loss = train_epoch(model, split, config, optimizer, epoch, average=average, on_step=bar.update)
            seconds += time.perf_counter() - begin
            if epoch % config.evaluate_every == 0 or epoch == config.epochs:
                value = validate(model, split, average)
                better = value > history.best_ndcg
                stale = 0 if better else stale + 1
                if better:
                    history.best_epoch, history.best_ndcg = epoch, value
                    best = {k: v.clone() for k, v in (average or model.state_dict()).items()}
                history.rows.append({"epoch": epoch, "loss": loss, "ndcg": value, "seconds": seconds})
                bar.set_postfix_str(f"epoch {epoch} loss {loss:.3f} validation NDCG@10 {value:.4f}")
            if checkpoint:
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "average": average, "best": best}
                state |= {"history": asdict(history), "epoch": epoch, "seconds": seconds, "stale": stale, "identity": identity}
                save_checkpoint(checkpoint, state)
    model.load_state_dict(best)
    return history


def validate(model: SequenceModel, split: Split, average: dict[str, torch.Tensor] | None = None) -> float:
    """NDCG@10 on the validation part, full ranking, mean over users; of the averaged weights where there are any."""
    current = {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(average or current)
    ranks = evaluate(model, split, "valid")
    model.load_state_dict(current)
    return float(per_user(ranks, ndcg(ranks)).mean())


def save_checkpoint(path: Path | str, state: dict) -> None:
    """Writes beside the target and renames: the file on disk is always a whole one."""
    path = Path(path)
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, partial)
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        partial.unlink(missing_ok=True)
        raise TutorialError(
            f"could not write the checkpoint {path} ({error}); free some space or choose another folder"
        ) from error


def load_checkpoint(path: Path | str, identity: dict) -> dict:
    """Reads a checkpoint (tensors and plain values only, never arbitrary objects) and refuses one of another run."""
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        found = saved["identity"]
    except Exception as error:  # torch raises many kinds for a damaged file
        raise TutorialError(f"{path} is not a readable checkpoint; delete it to start again ({type(error).__name__})") from error
    for part, wanted in identity.items():
        if found[part] != wanted:
            got = found[part]
            if part == "config":
                changed = [f.name for f in fields(TrainConfig) if got.get(f.name) != wanted[f.name]]
                got, wanted = ({k: c.get(k) for k in changed} for c in (got, wanted))
            raise TutorialError(
                f"{path} belongs to another run: its {part} is {got}, this run has {wanted}; name another file or delete it"
            )
    return saved
