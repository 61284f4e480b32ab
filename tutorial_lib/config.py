"""Everything that decides how a model is trained. Taught in lesson 07."""

from dataclasses import dataclass

from tutorial_lib.data.events import Dataset
from tutorial_lib.data.sequences import WINDOWS
from tutorial_lib.knobs import check, knob
from tutorial_lib.losses import LOSSES, PROPOSALS


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run besides the model and the data."""

    loss: str = knob("ce", "what is made small", choices=LOSSES)
    negatives: int = knob(
        1, "drawn for each position, or for the batch with shared_negatives; ce needs none", least=1
    )
    shared_negatives: bool = knob(False, "one set of negatives for the whole batch")
    proposal: str | None = knob(
        None,
        "where logq_ce takes its negatives from, shared by the batch: all items alike, by"
        " popularity, targets of the batch, or uniform and batch mixed; none: uniform",
        choices=PROPOSALS,
    )
    sparse_table: bool | None = knob(
        None,
        "a step updates only the rows of the item table that it reads (lazy Adam); for large"
        " catalogues, with a sampled loss; none: no",
    )
    epochs: int = knob(20, "passes over the training part, at most", least=1)
    batch_size: int = knob(128, "windows in a step", least=1)
    learning_rate: float = knob(1e-3, "of AdamW, at its highest", least=0)
    weight_decay: float = knob(
        0.0, "on matrices, never on biases and norms; on tables only for mf and neumf", least=0
    )
    schedule: str = knob(
        "constant",
        "of the learning rate; cosine: down to 2 % of it in the last epoch",
        choices=("constant", "cosine"),
    )
    warmup_epochs: float = knob(
        0.0, "epochs in which the learning rate rises linearly from 0; may be a fraction", least=0
    )
    averaging: float = knob(
        0.0,
        "decay a step of the moving average of the weights that is evaluated, such as 0.998: the"
        " share of the old average that stays; 0: none",
        least=0,
        below=1,
    )
    windows: str = knob(
        "last",
        "last: the last MAX_LEN targets of each user; all: the whole history, in pieces; prefixes:"
        " one a target",
        choices=WINDOWS,
    )
    evaluate_every: int = knob(1, "epochs between two looks at the validation part", least=1)
    patience: int = knob(0, "stop after so many looks without a better NDCG@10; 0: never", least=0)
    evaluate_users: int | None = knob(
        None, "rank for so many users, always the same; none: for all of them", least=1
    )
    seed: int = knob(0, "of weights, order, dropout and training negatives", least=0)
    filter_seen: bool | None = knob(
        None, "are items of the history no candidates? none: yes, save for data with repeats"
    )

    def __post_init__(self):
        check(self)

    def hides_seen(self, dataset: Dataset) -> bool:
        """`filter_seen`, or what suits the data where it is None."""
        repeats = getattr(dataset, "repeats", False)
        return not repeats if self.filter_seen is None else self.filter_seen
