"""The one interface that every sequence model keeps.

    states = model(items, times, query_times)     # [B, L, d]
    scores = model.score(states)                  # [..., num_items + 1], column 0 (PAD) is -inf

`items` int64 [B, L]: 0 = PAD, real ids 1..num_items, pads to the right. `times` and `query_times`
int64 [B, L], unix seconds. What is given is checked once, at the door: see
`SequenceModel.check_events`. What a model needs stands in one place, at the top of its class; what
is made small in training is its `loss`.

    letter   meaning                                         shape           in SASRec's paper
    B, L, d  batch, events of a history, width                               -, n, d
    V        items; E, their table, has row 0 for PAD        [V + 1, d]      |I|, M
    states   what a model knows after each event             [B, L, d]       F
    scores   r_j = states . E_j, one for each item           [..., V + 1]    r

Source of scores: Kang and McAuley, ICDM 2018, section III-D, with one table for both. Taught in
lessons 04 to 07.
"""

import torch
from torch import Tensor, nn

from tutorial_lib import kernels
from tutorial_lib.config import TrainConfig
from tutorial_lib.data.sequences import Batch, PartBatch
from tutorial_lib.data.splits import Split
from tutorial_lib.errors import TutorialError
from tutorial_lib.language import say
from tutorial_lib.losses import Proposal, training_loss


@kernels.fast(kernels.dropout.dropout)  # of other random numbers
def dropout(x: Tensor, p: float) -> Tensor:
    """Sets each entry to 0 with probability p; times 1 / (1 - p), so that the mean stays."""
    return x * (torch.rand_like(x) >= p) / (1 - p)


class Dropout(nn.Module):
    """`dropout` while training. Takes the place of `nn.Dropout`."""

    def __init__(self, p: float):
        super().__init__()
        if not 0 <= p < 1:
            raise TutorialError("dropout must be at least 0 and below 1, got {p}", p=p)
        self.p = float(p)

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p) if self.training and self.p else x

    def extra_repr(self) -> str:
        return f"p={self.p}"


class SequenceModel(nn.Module):
    """Item table, scoring by inner product with the same table, and a door that checks all events.

    A subclass writes `forward(items, times=None, query_times=None) -> states [B, L, dim]`, which
    may trust what it is given.
    """

    uses_time = False  # does forward read times or query_times?
    uses_users = False  # does it know users instead of histories (matrix factorization)?
    takes_users = False  # does forward take users=int64 [B]?
    # does a state depend on nothing later? If not, use only that of the last real position
    causal = True
    windows: str | None = None  # of TrainConfig, where only windows of this kind will do
    # the twin without a clock: another model by its name, or the options that make it; None: there
    # is no clock to take away
    blind: str | dict[str, object] | None = None
    limited = False  # does forward read at most max_len events (positions in a table)?
    trains_by_gradient = True  # False: `fit` counts instead
    follows = False  # does it read a log of all users' events (`follow`)?
    live = False  # and does that log go on after training, up to each question?
    opens = False  # and are items that only came up since candidates?
    # options that came later: left out of the name of a run where they are at their default, so
    # that runs from before keep theirs
    later_options: tuple[str, ...] = ()
    num_users: int | None = None  # rows of what it keeps for each user, where it does
    proposal: Proposal | None = None  # of negatives, while it is trained with logq_ce

    def __init__(self, num_items: int, max_len: int, dim: int):
        super().__init__()
        self.num_items, self.max_len, self.dim = num_items, max_len, dim
        self.item_embedding = nn.Embedding(num_items + 1, dim, padding_idx=0)

    def __call__(self, items: Tensor, *clock: Tensor | None, **known: Tensor | None) -> Tensor:
        """`forward`, after a look at what is given: (items, times, query_times), for some models
        users=. Code that is compiled or exported has no door.
        """
        if not torch.compiler.is_compiling():
            given = dict(zip(("times", "query_times"), clock, strict=False)) | known
            names = ("times", "query_times", "users")
            self.check_events(items, **{name: given.get(name) for name in names})
        return super().__call__(items, *clock, **known)

    def check_events(
        self,
        items: Tensor,
        times: Tensor | None = None,
        query_times: Tensor | None = None,
        users: Tensor | None = None,
        *,
        axes: str = "[B, L]",
    ) -> None:
        """Raises TutorialError with the first thing that no model can read right: types, shapes,
        ids, lengths, pads. `axes="[B]"`: one event of each user, for models that read a stream.

        One pass over the ids, and a second where there are pads; on a GPU it waits for them once.
        """
        name = type(self).__name__

        def refuse(what: str, value: object, wanted: str) -> None:
            got = (
                f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
                if isinstance(value, Tensor)
                else "None"
                if value is None
                else type(value).__name__
            )
            raise TutorialError(
                "{name} got {what} {got}: give {wanted}",
                name=name,
                what=what,
                got=got,
                wanted=wanted,
            )

        def fits(value: object, shape: torch.Size) -> bool:
            return isinstance(value, Tensor) and value.dtype == torch.int64 and value.shape == shape

        if not isinstance(items, Tensor) or items.dim() != axes.count(",") + 1:
            refuse("items", items, say("ids int64 {axes}, 0 = PAD", axes=axes))
        if items.dtype != torch.int64 or not items.numel():
            wanted = say("ids int64 {axes}, 0 = PAD, of at least one user and one event", axes=axes)
            refuse("items", items, wanted)
        if self.limited and items.dim() == 2 and items.shape[1] > self.max_len:
            raise TutorialError(
                "{name} got histories of {shape} events and reads at most"
                " max_len={max_len}: give the last {max_len} of each",
                name=name,
                shape=items.shape[1],
                max_len=self.max_len,
            )
        if self.uses_time and times is None:
            wanted = say("unix seconds int64 {axes}, as it reads the clock", axes=axes)
            refuse("times", times, wanted)
        for label, value in (("times", times), ("query_times", query_times)):
            if value is not None and not fits(value, items.shape):
                shape = list(items.shape)
                wanted = say("unix seconds int64 {shape}, one for each of the items", shape=shape)
                refuse(label, value, wanted)
        if users is None and self.uses_users or users is not None and not self.takes_users:
            refuse("users", users, "users int64 [B]" if self.uses_users else say("no users"))
        if users is not None and not fits(users, items.shape[:1]):
            shape = list(items.shape[:1])
            refuse("users", users, say("users int64 {shape}, one a row of items", shape=shape))
        ends = [*items.aminmax(), *(users.aminmax() if users is not None else ())]
        low, high, *known = torch.stack(ends).tolist()
        if low < 0 or high > self.num_items:
            raise TutorialError(
                "{name} got the item id {low} and knows 1 to {num_items} (0 = PAD): number"
                " the items as the data set does",
                name=name,
                low=low if low < 0 else high,
                num_items=self.num_items,
            )
        if known and (known[0] < 0 or self.num_users and known[1] >= self.num_users):
            raise TutorialError(
                "{name} got the user {known} and knows 0 to {num_users}: number the users"
                " as the data set does",
                name=name,
                known=known[0] if known[0] < 0 else known[1],
                num_users=(self.num_users or 0) - 1,
            )
        if low == 0 and not self.uses_users:
            real = items.reshape(len(items), -1) > 0
            early = torch.cat([~real[:, :1], real[:, 1:] > real[:, :-1]], dim=1).any(dim=1)
            if early.any():
                raise TutorialError(
                    "row {early} of the items of {name} is empty or has a PAD before an"
                    " event: leave out empty histories, and pad on the right",
                    early=int(early.nonzero()[0]),
                    name=name,
                )

    def fit_time(self, split: Split) -> None:
        """Takes units and statistics of gaps from the training part, before the first epoch. Parts
        with a `fit_time` of their own keep what they learn in buffers, saved with the weights.
        """
        for module in self.modules():
            if module is not self and hasattr(module, "fit_time"):
                module.fit_time(split)

    def item_vectors(self, items: Tensor | None = None) -> Tensor:
        """What a state is multiplied with to score: of all items [num_items + 1, dim], row 0 PAD,
        or of chosen ones, int64 [...] -> [..., dim].
        """
        return self.item_embedding.weight if items is None else self.item_embedding(items)

    def states(self, batch: Batch) -> Tensor:
        """`forward` of a batch, with all that this model takes."""
        known = {"users": batch.users} if self.takes_users else {}
        return self(batch.items, batch.times, batch.query_times, **known)

    def loss(self, batch: Batch, config: TrainConfig, generator: torch.Generator) -> Tensor:
        """What training makes small: the mean over all positions of a batch that have a target.
        `generator` draws whatever is random about it, such as negatives. A model with an objective
        of its own writes its own.
        """
        part = (batch.whole, batch.mine) if isinstance(batch, PartBatch) else None
        return self.loss_at(self.states(batch), batch.targets, config, generator, part)

    def loss_at(
        self,
        states: Tensor,
        targets: Tensor,
        config: TrainConfig,
        generator: torch.Generator,
        part: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """`config.loss` of states [B, L, d] at the positions with a target: int64 [B, L], not 0.
        `part`: see `losses.training_loss`.
        """
        # numbers select faster than truth values, and so do their gradients
        positions = (targets > 0).flatten().nonzero()[:, 0]
        return training_loss(
            config.loss,
            self,
            states.flatten(0, 1).index_select(0, positions),
            targets.flatten().index_select(0, positions),
            negatives=config.negatives,
            shared=config.shared_negatives,
            generator=generator,
            part=part,
        )

    def score(self, states: Tensor) -> Tensor:
        """Scores of all items. states [..., dim] -> [..., num_items + 1]; PAD gets -inf."""
        scores = states @ self.item_vectors().T
        scores[..., 0] = -torch.inf
        return scores

    def score_items(self, states: Tensor, items: Tensor) -> Tensor:
        """Scores of chosen items only. states [..., dim], items int64 [..., k] -> [..., k]."""
        # as matrix products, many products of two vectors would take twice as long
        if items.shape[-1] == 1:
            return (self.item_vectors(items[..., 0]) * states).sum(-1, keepdim=True)
        return (self.item_vectors(items) @ states.unsqueeze(-1)).squeeze(-1)


def initialise(module: nn.Module, std: float = 0.02) -> None:
    """`model.apply(initialise)`: matrices and tables Normal(0, std), biases and PAD rows 0."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=std)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        with torch.no_grad():
            module.weight[module.padding_idx].zero_()
