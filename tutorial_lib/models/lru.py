"""LRURec: a linear recurrent unit over the item embeddings, the shortest bridge from an RNN to a
state space.

    letter     meaning                                       shape            in the papers
    h          the state of `width` complex numbers          [B, L, width]    x_k, h
    lambda     its decay over one event, or lambda^step      [width]          Lambda
    gamma      keeps states of all memories equally large    [width]          gamma
    B, C       how an event enters, how h is read            [d, 2 width]     B, C

Sources: Yue et al., LRURec, WSDM 2024; Orvieto et al., "Resurrecting recurrent neural networks",
ICML 2023. Ours differs in two stated ways: no item bias (all models score with the item table
alone), and an option that lets the state decay with the clock. Taught in lessons 10 and 13.
"""

import math

import torch
from torch import Tensor, nn

from tutorial_lib.errors import TutorialError
from tutorial_lib.models.base import Dropout, SequenceModel, initialise
from tutorial_lib.models.sasrec import FeedForward
from tutorial_lib.models.ssm import event_steps, expm1, scan


class LRU(nn.Module):
    """h_i = lambda h_{i-1} + gamma B x_i, y_i = Re(C h_i), each of the `width` complex states on
    its own. [B, L, d] -> [B, L, d].

    lambda = exp(-exp(nu) + i exp(theta)) lies inside the unit circle whatever training does; at the
    start it is uniform in the ring between the radii 0.8 and 0.99. gamma = sqrt(1 - |lambda|^2)
    keeps the states of all memories equally large.
    """

    def __init__(self, dim: int, width: int, *, r_min: float = 0.8, r_max: float = 0.99):
        super().__init__()
        # uniform in area: more states near the rim
        squared = torch.empty(width).uniform_(r_min**2, r_max**2)
        self.nu = nn.Parameter(torch.log(-0.5 * torch.log(squared)))
        self.theta = nn.Parameter(torch.log(torch.empty(width).uniform_(1e-6, 2 * math.pi)))
        self.gamma = nn.Parameter(0.5 * torch.log(1 - squared))
        # complex numbers as pairs of real ones
        self.B, self.C = nn.Linear(dim, 2 * width), nn.Linear(2 * width, dim)

    def decay(self, steps: Tensor | float = 1.0) -> Tensor:
        """lambda to the power of each step. steps [...] -> complex [..., width]."""
        log_decay = torch.complex(-self.nu.exp(), self.theta.exp())
        return expm1(torch.as_tensor(steps, device=log_decay.device)[..., None] * log_decay) + 1

    def forward(
        self, x: Tensor, steps: Tensor | None = None, ahead: Tensor | None = None
    ) -> Tensor:
        """steps [B, L]: since the event before (1 if None); ahead [B, L]: from event to query."""
        # [B, L, width]
        inputs = torch.view_as_complex(self.B(x).unflatten(-1, (-1, 2))) * self.gamma.exp()
        states = scan(self.decay() if steps is None else self.decay(steps), inputs)
        if ahead is not None:
            states = states * self.decay(ahead)
        return self.C(torch.view_as_real(states).flatten(-2))


class Block(nn.Module):
    """LRU, then feed-forward, each added to its input and normalised (post-norm). [B, L, d]."""

    def __init__(self, dim: int, dropout: float):
        super().__init__()
        self.lru, self.feed_forward = LRU(dim, 2 * dim), FeedForward(dim, 4 * dim, dropout)
        self.dropout = Dropout(dropout)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, x: Tensor, steps: Tensor | None, ahead: Tensor | None) -> Tensor:
        x = self.norm1(x + self.dropout(self.lru(x, steps, ahead)))
        return self.norm2(x + self.feed_forward(x))


class LRURec(SequenceModel):
    """items [B, L] -> states [B, L, d]. Pads stand to the right, so no real event is read after a
    pad.

    `time_aware=True`: the decay becomes lambda^(1 + log1p(gap / 1 h)); an event still enters whole,
    at the same second or a year later. `query_time=True` then also lets the state decay from the
    event until the query; without query_times it is read at the event itself.
    """

    blind = {"time_aware": False, "query_time": False}

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int = 64,
        *,
        blocks: int = 2,
        dropout: float = 0.2,
        time_aware: bool = False,
        query_time: bool = False,
    ):
        super().__init__(num_items, max_len, dim)
        if query_time and not time_aware:
            raise TutorialError(
                "lrurec without a clock cannot read its state at the query time: add"
                " time_aware=True"
            )
        self.uses_time, self.query_time = time_aware, query_time
        self.norm, self.dropout = nn.LayerNorm(dim), Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, dropout) for _ in range(blocks))
        self.apply(initialise)

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        steps = ahead = None
        if self.uses_time:
            steps, ahead = event_steps(times, query_times)
            # a query at the second of the event reads its state as it is
            ahead = ahead - 1 if self.query_time else None
        x = self.norm(self.dropout(self.item_embedding(items)))  # [B, L, d]
        for block in self.blocks:
            x = block(x, steps, ahead)
        return x
