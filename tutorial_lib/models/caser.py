"""Caser: the last events as an image, read by convolutions.

    letter   meaning                                            shape            in the paper
    W        events in an image, `window`                                        L
    E        image of a position: its last W item vectors       [W, d]           E^(u,t)
    n_h, n_v filters of each height, vertical filters                            n, n-tilde
    o        what the horizontal filters found                  [W n_h]          o
    o~       what the vertical filters found                    [n_v d]          o-tilde
    z        the state                                          [d]              z

A horizontal filter [height, d] sees `height` events in a row, such as "this, then that", wherever
they stand in the image; a vertical one weighs the W events, the same way in each of the d columns.
Where fewer than W events have been, zeros stand before them.

Source: Tang and Wang, WSDM 2018, section 3. Ours differs in three stated ways. It is trained as all
models are, at every position. It has no vector for a user, so it also serves who came after
training. It scores with the item table that it reads, not with a second one and item biases; so a
state ends without a ReLU, after which it could only point into one corner of the items' space.
Taught in lesson 07.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib.errors import TutorialError
from tutorial_lib.models.base import Dropout, SequenceModel, initialise


class Caser(SequenceModel):
    """items [B, L] -> states [B, L, d]; a state knows the last `window` events and no more.

    `horizontal`: filters of each height 1..window. `vertical`: vertical filters.
    """

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int = 64,
        *,
        window: int = 5,
        horizontal: int = 16,
        vertical: int = 4,
        dropout: float = 0.2,
    ):
        super().__init__(num_items, max_len, dim)
        if min(window, horizontal, vertical) < 1:
            raise TutorialError(
                "caser got window={window!r}, horizontal={horizontal!r} and"
                " vertical={vertical!r}: each must be at least 1",
                window=window,
                horizontal=horizontal,
                vertical=vertical,
            )
        self.window = window
        self.horizontal = nn.ModuleList(
            nn.Conv1d(dim, horizontal, height) for height in range(1, window + 1)
        )
        self.vertical = nn.Linear(window, vertical)
        self.dropout, self.out = (
            Dropout(dropout),
            nn.Linear(window * horizontal + vertical * dim, dim),
        )
        self.apply(initialise)

    def filtered(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Section 3.2 at every position. x [B, L, d] -> o [B, L, W n_h] and o~ [B, L, d n_v].

        The images of neighbours overlap, so a filter slides once over the history; at a position of
        image E count the `W - height + 1` last places, which are those inside E.
        """
        padded = F.pad(x.transpose(1, 2), (self.window - 1, 0))  # [B, d, W - 1 + L]
        found = []
        for height, conv in enumerate(self.horizontal, start=1):
            places = conv(padded).relu()  # [B, n_h, W - height + L]
            found.append(F.max_pool1d(places, self.window - height + 1, stride=1))  # [B, n_h, L]
        images = padded.unfold(2, self.window, 1)  # [B, d, L, W]
        weighed = self.vertical(images)  # [B, d, L, n_v]
        return torch.cat(found, dim=1).transpose(1, 2), weighed.transpose(1, 2).flatten(2)

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        x = self.item_embedding(items) * self.dim**0.5  # [B, L, d]
        found = torch.cat(self.filtered(x), dim=-1)  # [B, L, W n_h + d n_v]
        return self.out(self.dropout(found))  # z, [B, L, d], section 3.3
