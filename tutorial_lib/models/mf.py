"""Models that know users instead of histories: matrix factorization (MF) and neural collaborative
filtering (NeuMF).

    states = model(items, times, query_times, users=users)     # [B, d], whatever the history
    scores = model.score(states)                               # [B, V + 1], column 0 (PAD) is -inf

    letter    meaning                                    shape         in the papers
    p_u, q_i  a user's row, an item's row                [d]           p_u, q_i
    b_i, b_u  item bias, user bias (ratings alone)       [V + 1], [U]  b_i, b_u
    W, w      NeuMF's layers, and its last sum           [h, 2 h]      W, h

The histories are ignored. The row of a user without training events stays zero, and such a user
gets the items in the order of the item biases. `ratings=True` adds what turns a score into a
rating: the mean of all ratings and a bias for each user, neither of which could change the order of
a user's items. Sources: Koren, Bell and Volinsky 2009 (biases); He et al. 2017 (NeuMF); Rendle et
al. 2020 (their comparison). Taught in lesson 02.
"""

import torch
from torch import Tensor, nn

from tutorial_lib import kernels
from tutorial_lib.config import TrainConfig
from tutorial_lib.data.sequences import Batch, RatedBatch
from tutorial_lib.errors import TutorialError
from tutorial_lib.models.base import SequenceModel, initialise


class UserModel(SequenceModel):
    """State: the user's row. A subclass writes `interact([..., d], [..., n, d]) -> [..., n]`."""

    uses_users = takes_users = True

    def __init__(
        self, num_items: int, max_len: int, dim: int = 64, *, num_users: int, ratings: bool = False
    ):
        super().__init__(num_items, max_len, dim)
        self.num_users = num_users
        self.user_embedding = nn.Embedding(num_users, dim)
        self.item_bias = nn.Parameter(torch.zeros(num_items + 1))
        self.user_bias = nn.Parameter(torch.zeros(num_users)) if ratings else None
        self.register_buffer("rating_mean", torch.zeros(()) if ratings else None)

    def start(self) -> None:
        """Items small and random; users 0, so that who is never trained keeps the item biases."""
        self.apply(initialise)
        nn.init.zeros_(self.user_embedding.weight)

    def forward(
        self,
        items: Tensor,
        times: Tensor | None = None,
        query_times: Tensor | None = None,
        *,
        users: Tensor,
    ) -> Tensor:
        return self.user_embedding(users)

    def loss(self, batch: Batch, config: TrainConfig, generator: torch.Generator) -> Tensor:
        """Over the pairs (user, target). Full softmax: all targets of a user share one. Where the
        batch has stars: the squared error.
        """
        if isinstance(batch, RatedBatch):
            predicted = self.predict(batch.users, batch.targets[:, 0])
            return (predicted - batch.ratings[:, 0]).square().mean()
        states, targets = self.states(batch), batch.targets  # [B, d], [B, L]
        if config.loss == "ce":
            return -self.score(states).log_softmax(dim=1).gather(1, targets)[targets > 0].mean()
        return self.loss_at(states[:, None].expand(*targets.shape, -1), targets, config, generator)

    def score(self, states: Tensor) -> Tensor:
        scores = self.interact(states, self.item_embedding.weight) + self.item_bias
        scores[..., 0] = -torch.inf
        return scores

    def score_items(self, states: Tensor, items: Tensor) -> Tensor:
        return self.interact(states, self.item_embedding(items)) + self.item_bias[items]

    def predict(self, users: Tensor, items: Tensor) -> Tensor:
        """Mean + user bias + score. users, items int64 [N] -> [N]. Needs `ratings=True`."""
        if self.user_bias is None:
            raise TutorialError(
                "this model only ranks: build it with ratings=True to predict ratings"
            )
        scores = self.score_items(self.user_embedding(users), items[:, None])[:, 0]
        return self.rating_mean + self.user_bias[users] + scores


class MF(UserModel):
    """score(u, i) = p_u . q_i + b_i, with user vector p, item vector q and item bias b."""

    def __init__(
        self, num_items: int, max_len: int, dim: int = 64, *, num_users: int, ratings: bool = False
    ):
        super().__init__(num_items, max_len, dim, num_users=num_users, ratings=ratings)
        self.start()

    def interact(self, states: Tensor, vectors: Tensor) -> Tensor:
        if vectors.dim() == 2:
            return states @ vectors.T
        return (vectors @ states.unsqueeze(-1)).squeeze(-1)


class NeuMF(UserModel):
    """score(u, i) = w . [p_u * q_i ; MLP([p'_u ; q'_i])] + b_i: half of the width for the product,
    half for the network.

    `blocks` ReLU layers, each half as wide as the one before. The item bias is not in the paper: MF
    has one, so here both have.
    """

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int = 64,
        *,
        num_users: int,
        blocks: int = 3,
        ratings: bool = False,
    ):
        if dim % 2 or blocks < 1:
            raise TutorialError(
                "neumf got dim={dim} and blocks={blocks}: wanted an even width and at"
                " least 1 block",
                dim=dim,
                blocks=blocks,
            )
        super().__init__(num_items, max_len, dim, num_users=num_users, ratings=ratings)
        # the first layer reads [p' ; q'], of width dim
        widths = [max(1, dim >> step) for step in range(blocks + 1)]
        self.layers = nn.ModuleList(
            nn.Linear(wide, narrow) for wide, narrow in zip(widths[:-1], widths[1:], strict=True)
        )
        self.out = nn.Linear(dim // 2 + widths[-1], 1, bias=False)
        self.start()
        # with 0.02, several layers and small weights at the end would pass on nearly nothing
        for layer in self.layers:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        nn.init.uniform_(self.out.weight, -1, 1)
        # the product part starts as a plain dot product
        nn.init.ones_(self.out.weight[0, : dim // 2])

    @kernels.fast(kernels.pairs.interact)
    def interact(self, states: Tensor, vectors: Tensor) -> Tensor:
        """He et al. 2017, eq. 12. states [..., d], vectors [..., n, d] or [n, d] -> [..., n]."""
        (product_u, network_u), (product_i, network_i) = (
            part.chunk(2, dim=-1) for part in (states.unsqueeze(-2), vectors)
        )
        product = product_u * product_i  # [..., n, d / 2]
        # [..., n, d]
        hidden = torch.cat(torch.broadcast_tensors(network_u, network_i), dim=-1)
        for layer in self.layers:
            hidden = layer(hidden).relu()  # [..., n, h]
        # users whose row is still zero have no network part either
        known = states.any(dim=-1)[..., None, None]
        return self.out(torch.cat([product, known * hidden], dim=-1)).squeeze(-1)
