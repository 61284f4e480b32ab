"""Mamba4Rec: the selective state space in place of self-attention.

    letter   meaning                                  shape        in the paper
    x        what a layer reads and writes            [B, L, d]    H
    mixer    a selective state space, see mamba.py    [B, L, d]    Mamba block
    N, D     states a channel, channels `expand` d                 N, ED
    blocks   layers                                                L

Source: Liu et al., "Mamba4Rec", 2024, and its code. Ours trains on every position instead of one
window per prefix, has the Mamba-2 block (SSD) as default, and its step sizes survive the
initialisation of the model, which those of the code do not. Taught in lesson 11.
"""

from torch import Tensor, nn

from tutorial_lib.errors import TutorialError
from tutorial_lib.models.base import Dropout, SequenceModel, initialise
from tutorial_lib.models.mamba import SelectiveSSM, SSDBlock
from tutorial_lib.models.sasrec import FeedForward


class MambaLayer(nn.Module):
    """A mixer of positions, then a feed-forward network, each with residual and LayerNorm behind.

    `residual=False` leaves out the residual around the mixer, as the published model does where it
    has a single block.
    """

    def __init__(self, mixer: nn.Module, dim: int, dropout: float, residual: bool):
        super().__init__()
        self.mixer, self.dropout, self.residual = mixer, Dropout(dropout), residual
        self.norm1, self.norm2 = (nn.LayerNorm(dim, eps=1e-12) for _ in range(2))
        self.feed_forward = FeedForward(dim, 4 * dim, dropout)

    def forward(self, x: Tensor, *gate: Tensor) -> Tensor:
        mixed = self.dropout(self.mixer(x, *gate))
        x = self.norm1(mixed + x if self.residual else mixed)
        return self.norm2(x + self.feed_forward(x))


class Mamba4Rec(SequenceModel):
    """items [B, L] -> states [B, L, d]: item table without positions, LayerNorm, `blocks` Mamba
    layers.

    `mixer`: "ssd" (Mamba-2) or "s6" (Mamba-1, which has no `heads` and no `chunk`). The published
    model is one block of "s6".
    """

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int = 64,
        *,
        blocks: int = 2,
        state: int = 32,
        expand: int = 2,
        conv: int = 4,
        mixer: str = "ssd",
        heads: int = 4,
        chunk: int = 64,
        dropout: float = 0.2,
    ):
        super().__init__(num_items, max_len, dim)
        sizes = {"state": state, "expand": expand, "conv": conv}
        for name, value in (sizes | {"blocks": blocks, "heads": heads, "chunk": chunk}).items():
            if value < 1:
                raise TutorialError(
                    "{name} must be at least 1, got {value}", name=name, value=value
                )
        if mixer not in ("ssd", "s6"):
            raise TutorialError("unknown mixer {mixer!r}: choose 'ssd' or 's6'", mixer=mixer)
        more = {"heads": heads, "chunk": chunk} if mixer == "ssd" else {}
        mix = {"ssd": SSDBlock, "s6": SelectiveSSM}[mixer]
        self.dropout, self.norm = Dropout(dropout), nn.LayerNorm(dim, eps=1e-12)
        self.layers = nn.ModuleList(
            MambaLayer(mix(dim, **sizes, **more), dim, dropout, residual=blocks > 1)
            for _ in range(blocks)
        )
        self.apply(initialise)

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        x = self.embed(items)
        for layer in self.layers:
            x = layer(x)
        return x

    def embed(self, items: Tensor) -> Tensor:
        """items [B, L] -> [B, L, d]."""
        return self.norm(self.dropout(self.item_embedding(items)))
