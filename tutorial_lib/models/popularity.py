"""Popularity: the baseline that knows nothing about the user.

    letter   meaning                                  shape      in the paper
    counts   training events of each item; PAD -inf   [V + 1]    popularity

Source: "TopPop" in Cremonesi, Koren and Turrin, RecSys 2010. Taught in lesson 07.
"""

import numpy as np
import torch
from torch import Tensor, nn

from tutorial_lib.models.base import SequenceModel


class Popularity(SequenceModel):
    """Scores every item by its number of training events, whatever the history.

    `fit` counts; there is nothing to train by gradient. The state of a sequence is empty: zeros of
    shape [B, L, 1].
    """

    trains_by_gradient = False

    def __init__(self, num_items: int, max_len: int, dim: int = 1):
        nn.Module.__init__(self)  # no item table: there is nothing to embed
        self.num_items, self.max_len, self.dim = num_items, max_len, dim
        self.register_buffer("counts", torch.zeros(num_items + 1))

    def fit(self, users: np.ndarray, items: np.ndarray) -> None:
        """Counts training events. users, items: int64 [E], one entry per event."""
        self.counts.copy_(torch.from_numpy(np.bincount(items, minlength=self.num_items + 1)))

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        return torch.zeros(*items.shape, 1, device=items.device)

    def score(self, states: Tensor) -> Tensor:
        """states [..., 1] -> counts as scores [..., num_items + 1]; PAD gets -inf."""
        scores = self.counts + torch.zeros_like(states)  # [..., V + 1]
        scores[..., 0] = -torch.inf
        return scores
