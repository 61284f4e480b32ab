"""The one interface that every sequence model keeps.

    states = model(items, times, query_times)     # [B, L, d]
    scores = model.score(states)                  # [..., num_items + 1], column 0 (PAD) is -inf

`items` int64 [B, L]: 0 = PAD, real ids 1..num_items, pads to the right. `times` and `query_times`
int64 [B, L], unix seconds. Taught in lessons 04 to 07.
"""

import torch
from torch import Tensor, nn

from tutorial_lib import kernels
from tutorial_lib.data.splits import Split
from tutorial_lib.errors import TutorialError


@kernels.fast(kernels.dropout.dropout)  # of other random numbers
def dropout(x: Tensor, p: float) -> Tensor:
    """Sets each entry to 0 with probability p; times 1 / (1 - p), so that the mean stays."""
    return x * (torch.rand_like(x) >= p) / (1 - p)


class Dropout(nn.Module):
    """`dropout` while training. Takes the place of `nn.Dropout`."""

    def __init__(self, p: float):
        super().__init__()
        if not 0 <= p < 1:
            raise TutorialError(f"dropout must be at least 0 and below 1, got {p}")
        self.p = float(p)

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p) if self.training and self.p else x

    def extra_repr(self) -> str:
        return f"p={self.p}"


class SequenceModel(nn.Module):
    """Item table, scoring by inner product with the same table, and nothing else.

    A subclass writes `forward(items, times=None, query_times=None) -> states [B, L, dim]`.
    """

    uses_time = False  # does forward read times or query_times?
    uses_users = False  # does it know users instead of histories (matrix factorization)?
    takes_users = False  # does forward take users=int64 [B]?
    # may position i read the times of later positions? Then use only the last position's state
    sees_later_times = False
    trains_by_gradient = True  # False: `fit` counts instead

    def __init__(self, num_items: int, max_len: int, dim: int):
        super().__init__()
        self.num_items, self.max_len, self.dim = num_items, max_len, dim
        self.item_embedding = nn.Embedding(num_items + 1, dim, padding_idx=0)

    def fit_time(self, split: Split) -> None:
        """Takes units and statistics of gaps from the training part, before the first epoch. Parts
        with a `fit_time` of their own keep what they learn in buffers, saved with the weights.
        """
        for module in self.modules():
            if module is not self and hasattr(module, "fit_time"):
                module.fit_time(split)

    def score(self, states: Tensor) -> Tensor:
        """Scores of all items. states [..., dim] -> [..., num_items + 1]; PAD gets -inf."""
        scores = states @ self.item_embedding.weight.T
        scores[..., 0] = -torch.inf
        return scores

    def score_items(self, states: Tensor, items: Tensor) -> Tensor:
        """Scores of chosen items only. states [..., dim], items int64 [..., k] -> [..., k]."""
        # as matrix products, many products of two vectors would take twice as long
        if items.shape[-1] == 1:
            return (self.item_embedding(items[..., 0]) * states).sum(-1, keepdim=True)
        return (self.item_embedding(items) @ states.unsqueeze(-1)).squeeze(-1)


def initialise(module: nn.Module, std: float = 0.02) -> None:
    """`model.apply(initialise)`: matrices and tables Normal(0, std), biases and PAD rows 0."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=std)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        with torch.no_grad():
            module.weight[module.padding_idx].zero_()
