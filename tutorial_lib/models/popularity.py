"""Popularity: the baseline that knows nothing about the user.

    letter   meaning                                  shape      in the paper
    counts   training events of each item; PAD -inf   [V + 1]    popularity

Source: "TopPop" in Cremonesi, Koren and Turrin, RecSys 2010. Taught in lesson 07.
"""

import numpy as np
import torch
from torch import Tensor, nn

from tutorial_lib.data.log import Log
from tutorial_lib.data.sequences import widest
from tutorial_lib.data.splits import Split
from tutorial_lib.errors import TutorialError
from tutorial_lib.models.base import SequenceModel

DAY = 86_400


class Popularity(SequenceModel):
    """Scores every item by its number of training events, whatever the history.

    `half_life` in days: an event that old counts half; 0: all count alike. `live`: what everybody
    chose up to the moment of the question counts too, where `evaluate` tells it; frozen otherwise,
    at the end of training. `fit` counts; there is nothing to train by gradient. The state of a
    sequence is the moment of the question, float64 [B, L, 1] unix seconds (zeros where no clock is
    read).
    """

    trains_by_gradient = False
    blind = {"half_life": 0.0, "live": False}
    later_options = ("half_life", "live")

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int = 1,
        *,
        half_life: float = 0.0,
        live: bool = False,
    ):
        nn.Module.__init__(self)  # no item table: there is nothing to embed
        if not half_life >= 0:
            raise TutorialError(
                "half_life must be at least 0 days, got {half_life}", half_life=half_life
            )
        self.num_items, self.max_len, self.dim = num_items, max_len, dim
        self.half_life, self.live = half_life, live
        self.uses_time = live or half_life > 0
        self.follows = self.opens = live
        self.log: Log | None = None
        self.register_buffer("counts", torch.zeros(num_items + 1))

    def fit(self, users: np.ndarray, items: np.ndarray) -> None:
        """Counts training events. users, items: int64 [E], one entry per event."""
        self.counts.copy_(torch.from_numpy(np.bincount(items, minlength=self.num_items + 1)))

    def fit_time(self, split: Split) -> None:
        """Takes the log of the training part, and counts as at its end."""
        self.follow(log := Log.of(split.train, self.num_items))
        end = np.array([log.times[-1] + 1])
        self.counts.copy_(torch.from_numpy(log.counts(end, self.seconds)[0]))

    def follow(self, log: Log) -> None:
        """What a live model may read: it looks at nothing that comes after its question."""
        self.log = log

    @property
    def seconds(self) -> float | None:
        return self.half_life * DAY or None

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        if not self.live:
            return torch.zeros(*items.shape, 1, device=items.device)
        return widest((times if query_times is None else query_times)[..., None])

    def score(self, states: Tensor) -> Tensor:
        """states [..., 1] -> counts as scores [..., num_items + 1]; PAD gets -inf. Of a live model
        also what nobody had chosen before the question: it is not known yet.
        """
        if self.live:
            asked = states[..., 0].long().flatten().cpu().numpy()
            counts = self.log.counts(asked, self.seconds)
            counts[np.isinf(self.log.age(asked))] = -np.inf
            counts = torch.from_numpy(counts).to(states.device)
            scores = counts.view(*states.shape[:-1], self.num_items + 1)
        else:
            scores = self.counts + torch.zeros_like(states)  # [..., V + 1]
        scores[..., 0] = -torch.inf
        return scores
