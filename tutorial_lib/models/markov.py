"""First-order Markov chain: what usually follows the last item?

    letter       meaning                                        shape       in the paper
    i, j         the last item, a next one                                  i, j
    count(i, j)  how often j followed i in training             a pair      c(w; d)
    P(j)         share of j among all training events           [V + 1]     p(w | C)
    smoothing    events of P(j) that are added to each row      number      mu

Source: Rendle et al., WWW 2010 (chains of items, there factorised); Zhai and Lafferty 2004
(Dirichlet smoothing, of words). Taught in lesson 07.
"""

import numpy as np
import torch
from torch import Tensor, nn

from tutorial_lib.data.sequences import widest
from tutorial_lib.models.base import SequenceModel


class Markov(SequenceModel):
    """P(next | last) from counted transitions, mixed with popularity.

    score(j | i) = (count(i -> j) + smoothing * P(j)) / (count(i -> .) + smoothing). Transitions are
    kept as a sorted list of pairs, so memory grows with the training events and not with num_items
    squared. `fit` counts; nothing is trained by gradient. The state of a Markov chain is its last
    item: states [B, L, 1] hold item ids.
    """

    trains_by_gradient = False

    def __init__(self, num_items: int, max_len: int, dim: int = 1, *, smoothing: float = 10.0):
        nn.Module.__init__(self)  # no item table: there is nothing to embed
        self.num_items, self.max_len, self.dim, self.smoothing = num_items, max_len, dim, smoothing
        self.register_buffer("popularity", torch.zeros(num_items + 1))  # P(j)
        self.register_buffer(
            "starts", torch.zeros(num_items + 2, dtype=torch.long)
        )  # pairs of item i: rows starts[i]..starts[i+1]
        self.register_buffer("following", torch.zeros(0, dtype=torch.long))  # j of each pair (i, j)
        self.register_buffer("counts", torch.zeros(0))  # how often the pair occurred

    def fit(self, users: np.ndarray, items: np.ndarray) -> None:
        """Counts transitions. users, items: int64 [E], each user's events together and in order."""
        same_user = users[1:] == users[:-1]
        pairs = items[:-1][same_user] * (self.num_items + 1) + items[1:][same_user]
        pairs, counts = np.unique(pairs, return_counts=True)
        previous, following = np.divmod(pairs, self.num_items + 1)
        self.popularity.copy_(
            torch.from_numpy(np.bincount(items, minlength=self.num_items + 1) / max(1, len(items)))
        )
        self.starts = torch.from_numpy(np.searchsorted(previous, np.arange(self.num_items + 2)))
        self.following = torch.from_numpy(following)
        self.counts = torch.from_numpy(counts).float()

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        return widest(items[..., None])  # exact for every id below 2**53

    def score(self, states: Tensor) -> Tensor:
        """states [..., 1], item ids -> P(next | last) [..., num_items + 1]; PAD gets -inf."""
        last = states[..., 0].long().reshape(-1)  # [N]
        scores = self.smoothing * self.popularity.repeat(len(last), 1)  # [N, V + 1]
        begin, size = self.starts[last], self.starts[last + 1] - self.starts[last]
        row = torch.repeat_interleave(torch.arange(len(last), device=last.device), size)
        within = torch.arange(len(row), device=last.device) - torch.repeat_interleave(
            size.cumsum(0) - size, size
        )
        pair = begin[row] + within
        scores[row, self.following[pair]] += self.counts[pair]
        total = torch.zeros(len(last), device=last.device).index_add_(0, row, self.counts[pair])
        scores /= (total + self.smoothing)[:, None]
        scores[:, 0] = -torch.inf
        return scores.reshape(*states.shape[:-1], self.num_items + 1)
