"""The clock of the items: any network, and what is popular and new at the moment of the question.

    letter   meaning                                          shape                  in the paper
    s        score of the network                             [..., V + 1]           -
    f        features of every item at the beginning of       [bins, V + 1, K + 1]   recent counts
             each span of six hours: log(1 + count) with
             each half-life, and log(1 + age in days)
    w        their weights, learned, 0 at the start           [K + 1]                -

    score = s + f[span of the question] . w

The features of a span are of the events strictly before its beginning, so a question never sees
itself nor anything later. Frozen: after the end of training they stand still. Live: they go on with
the events of everybody. Candidates are the items seen in training, as for every network. Source: Ji
et al., SIGIR 2020 (popularity at the moment of the question); the sum with a network is ours.
Taught in lesson 07.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib.config import TrainConfig
from tutorial_lib.data.log import Log
from tutorial_lib.data.splits import Split
from tutorial_lib.errors import TutorialError
from tutorial_lib.models.base import SequenceModel

BIN, DAY = 6 * 3600, 86_400
HALF_LIVES = (1, 7, 30)  # days


class ItemClock(SequenceModel):
    """A network with the features of the items added to its scores. Its states [B, L, d + 1] hold
    the number of the span in the last place.

    Raises TutorialError for models that count, that know no histories, or that bring a loss of
    their own.
    """

    uses_time = follows = True

    def __init__(self, inner: SequenceModel, live: bool = False):
        nn.Module.__init__(self)
        own_loss = type(inner).loss is not SequenceModel.loss
        if not inner.trains_by_gradient or inner.uses_users or own_loss:
            raise TutorialError(
                "{name} cannot take the clock of the items: choose a network that reads"
                " histories and has no loss of its own, such as sasrec",
                name=type(inner).__name__,
            )
        self.inner, self.live = inner, live
        for name in ("num_items", "max_len", "dim", "takes_users", "causal", "windows", "limited"):
            setattr(self, name, getattr(inner, name))
        self.weights = nn.Parameter(torch.zeros(len(HALF_LIVES) + 1))
        self.begin, self.features = 0, torch.zeros(1, self.num_items + 1, len(self.weights))

    @property
    def num_users(self) -> int | None:
        return self.inner.num_users

    def fit_time(self, split: Split) -> None:
        self.inner.fit_time(split)
        self.follow(Log.of(split.train, self.num_items))

    def follow(self, log: Log) -> None:
        """Takes the features of every span of six hours from the first event of a log to its
        last.
        """
        self.begin = int(log.times[0]) // BIN * BIN
        moments = np.arange(self.begin, int(log.times[-1]) + BIN + 1, BIN)
        age = log.age(moments) / DAY
        features = [np.log1p(log.counts(moments, days * DAY)) for days in HALF_LIVES]
        features.append(np.log1p(np.where(np.isfinite(age), age, 0)))
        found = np.stack(features, axis=-1, dtype=np.float32)
        with torch.inference_mode(False):  # training goes on with them after a validation
            self.features = torch.from_numpy(found).to(self.weights.device)

    def bias(self) -> Tensor:
        """f . w, [bins, V + 1]."""
        return self.features.to(self.weights.device) @ self.weights

    def forward(
        self,
        items: Tensor,
        times: Tensor | None = None,
        query_times: Tensor | None = None,
        **known: Tensor | None,
    ) -> Tensor:
        states = self.inner(items, times, query_times, **known)
        asked = times if query_times is None else query_times
        span = ((asked - self.begin) // BIN).clamp(0, len(self.features) - 1)
        return torch.cat([states, span[..., None].to(states)], dim=-1)

    def score(self, states: Tensor) -> Tensor:
        scores, span = self.inner.score(states[..., :-1]), states[..., -1].long()
        return scores + self.bias()[span]

    def score_items(self, states: Tensor, items: Tensor) -> Tensor:
        scores, span = self.inner.score_items(states[..., :-1], items), states[..., -1:].long()
        return scores + self.bias()[span, items]

    def loss_at(
        self,
        states: Tensor,
        targets: Tensor,
        config: TrainConfig,
        generator: torch.Generator,
        part: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        if config.loss != "ce":
            return super().loss_at(states, targets, config, generator, part)
        real = targets > 0
        return F.cross_entropy(self.score(states[real])[:, 1:], targets[real] - 1)
