"""Models that know users instead of histories: matrix factorization (MF) and neural collaborative
filtering (NeuMF).

    states = model(items, times, query_times, users=users)     # [B, d]: one state a user, whatever
        the history
    scores = model.score(states)                               # [B, num_items + 1], column 0 (PAD)
        is -inf

The histories are ignored. The row of a user without training events stays zero, and such a user
gets the items in the order of the item biases. `ratings=True` adds what turns a score into a
rating: the mean of all ratings and a bias for each user, neither of which could change the order of
a user's items. Sources: Koren, Bell and Volinsky 2009 (biases); He et al. 2017 (NeuMF); Rendle et
al. 2020 (their comparison). Taught in lesson 02.
"""

import math

import torch
from torch import Tensor, nn

from tutorial_lib.errors import TutorialError
from tutorial_lib.models.base import SequenceModel, initialise

# (user, item) in NeuMF's network: at width 64 its first layer is 4 MB then, which a CPU's cache can
# hold
PAIRS_AT_ONCE = 32_768


class UserModel(SequenceModel):
    """The user's row of a table is the state. A subclass writes `interact(states [..., d], vectors
    [..., n, d]) -> [..., n]`.
    """

    uses_users = takes_users = True

    def __init__(
        self, num_items: int, max_len: int, dim: int, num_users: int, *, ratings: bool = False
    ):
        super().__init__(num_items, max_len, dim)
        self.num_users = num_users
        self.user_embedding = nn.Embedding(num_users, dim)
        self.item_bias = nn.Parameter(torch.zeros(num_items + 1))
        self.user_bias = nn.Parameter(torch.zeros(num_users)) if ratings else None
        self.register_buffer("rating_mean", torch.zeros(()) if ratings else None)

    def start(self) -> None:
        """Initial weights: items small and random, users exactly zero, so that who is never trained
        keeps the item biases.
        """
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

    def score(self, states: Tensor) -> Tensor:
        scores = self.interact(states, self.item_embedding.weight) + self.item_bias
        scores[..., 0] = -torch.inf
        return scores

    def score_items(self, states: Tensor, items: Tensor) -> Tensor:
        return self.interact(states, self.item_embedding(items)) + self.item_bias[items]

    def predict(self, users: Tensor, items: Tensor) -> Tensor:
        """Ratings of pairs: mean + user bias + score. users, items int64 [N] -> [N]. Needs
        `ratings=True`.
        """
        if self.user_bias is None:
            raise TutorialError(
                "this model only ranks: build it with ratings=True to predict ratings"
            )
        return (
            self.rating_mean
            + self.user_bias[users]
            + self.score_items(self.user_embedding(users), items[:, None])[:, 0]
        )


class MF(UserModel):
    """score(u, i) = p_u . q_i + b_i, with user vector p, item vector q and item bias b."""

    def __init__(
        self, num_items: int, max_len: int, dim: int, num_users: int, *, ratings: bool = False
    ):
        super().__init__(num_items, max_len, dim, num_users, ratings=ratings)
        self.start()

    def interact(self, states: Tensor, vectors: Tensor) -> Tensor:
        return (
            (vectors @ states.unsqueeze(-1)).squeeze(-1)
            if vectors.dim() > 2
            else states @ vectors.T
        )


class NeuMF(UserModel):
    """score(u, i) = w . [p_u * q_i ; MLP([p'_u ; q'_i])] + b_i: half of the width for the product,
    half for the network.

    `layers` ReLU layers, each half as wide as the one before. The item bias is not in the paper: MF
    has one, so here both have.
    """

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int,
        num_users: int,
        *,
        layers: int = 3,
        ratings: bool = False,
    ):
        if dim % 2 or layers < 1:
            raise TutorialError(
                f"neumf got dim={dim} and layers={layers}: wanted an even width and at least 1"
                " layer"
            )
        super().__init__(num_items, max_len, dim, num_users, ratings=ratings)
        # the first layer reads [p' ; q'], of width dim
        widths = [max(1, dim >> step) for step in range(layers + 1)]
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

    def interact(self, states: Tensor, vectors: Tensor) -> Tensor:
        at_once = max(1, PAIRS_AT_ONCE // max(1, math.prod(states.shape[:-1])))
        return torch.cat(
            [self.interact_at_once(states, part) for part in vectors.split(at_once, dim=-2)], dim=-1
        )

    def interact_at_once(self, states: Tensor, vectors: Tensor) -> Tensor:
        (product_u, network_u), (product_i, network_i) = (
            states.chunk(2, dim=-1),
            vectors.chunk(2, dim=-1),
        )
        first, half = self.layers[0], self.dim // 2
        # The first layer of a pair is a sum of a user's part and an item's part: [..., 1, h] +
        # [..., n, h].
        hidden = first(torch.cat([network_u, torch.zeros_like(network_u)], dim=-1)).unsqueeze(-2)
        hidden = (hidden + network_i @ first.weight[:, half:].T).relu()
        for layer in self.layers[1:]:
            hidden = layer(hidden).relu()  # [..., n, h]
        product_w, network_w = self.out.weight[0, :half], self.out.weight[0, half:]
        # users whose row is still zero have no network part either
        known = states.any(dim=-1, keepdim=True)
        product = (product_i @ (product_u * product_w).unsqueeze(-1)).squeeze(-1)
        return product + known * (hidden @ network_w)
