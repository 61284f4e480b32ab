"""SSD4Rec: histories of all lengths in one row, read forwards and backwards by the same SSD.

    letter   meaning                                             shape     in their code
    items    all T events, history after history, without pads   [1, T]    item_id_list
    start    where each history begins in that row               [B]       cum_item_length: its end
    place    events of the same history before this one: the     [1, T]    item_idx, which counts
             register, which is 0 where a history begins                   the histories instead
    turned   the event that a reader from the end of the         [1, T]    flip_index
             history meets at this place
    x        what a layer reads and writes                       [1, T, d] item_emb
    beta     weight of the reading from the end                  number    beta
    R        rows: 1, or without packing as many as histories

Source: Qu et al., "SSD4Rec", arXiv 2409.01192, on masked variable-length item sequences with
registers and on the Bi-SSD layer; code: ZhangYifeng1995/SSD4Rec. The SSD block is that of
Mamba4Rec, taught in lesson 11.

A reading from the end has met all later events. At a position inside a history it has met the
target of that position, which a loss there would only copy. So the model is trained as its authors
do: on prefixes, with a target behind the last event and nowhere else.

Ours differs from their code in four ways. Dropout stands before each residual, as in our Mamba4Rec,
and not behind each LayerNorm. The mask is off unless asked for, so that `dropout=0` alone makes
training free of chance. What stands for a hidden event is a vector of its own and not row 0 of the
item table, which is PAD here. And step sizes survive the initialisation of the model.
"""

import torch
from torch import Tensor, nn

from tutorial_lib.errors import TutorialError
from tutorial_lib.models.mamba import SSDBlock
from tutorial_lib.models.mamba4rec import Mamba4Rec


class BiSSD(nn.Module):
    """forward(x) + beta * backward(x), both by the same weights: the Bi-SSD layer without its norm
    and feed-forward network. x [R, T, d], place and turned int64 [R, T] -> [R, T, d].

    The code of the authors adds the two readings by the number of events that each has met: the
    last position gets the two that have met the whole history. `aligned` adds them by the event
    they stand at, as bidirectional networks do elsewhere; then the backward reading at the last
    position has met one event, and what it knows reaches the score from the second layer on.
    """

    def __init__(self, ssd: SSDBlock, beta: float, aligned: bool):
        super().__init__()
        self.ssd, self.beta, self.aligned = ssd, beta, aligned

    def forward(self, x: Tensor, place: Tensor, turned: Tensor) -> Tensor:
        if not self.beta:
            return self.ssd(x, place=place)
        turned = turned[..., None].expand_as(x)  # [R, T, d]
        both = torch.cat([x, x.gather(1, turned)])  # [2 R, T, d]: one call for both
        read, rows = self.ssd(both, place=place.repeat(2, 1)), x.shape[0]
        ahead, back = read[:rows], read[rows:]  # [R, T, d]
        if self.aligned:
            back = back.gather(1, turned)
        return ahead + self.beta * back


class SSD4Rec(Mamba4Rec):
    """items [B, L] -> states [B, L, d]: Mamba4Rec whose SSD blocks read in both directions; only
    the state of the last event of each history is for scoring. Pads get the state 0.

    `mask`: share of events that are hidden while training; the authors take 0.1 or 0.2. `packed`:
    one row without pads; False takes the batch as it is, with pads on the right, and gives the same
    states. With `beta=0` nothing is read backwards, and the model is Mamba4Rec.
    """

    causal, windows = False, "prefixes"  # only the last position's state may meet a target

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int = 64,
        *,
        beta: float = 0.1,
        aligned: bool = False,
        mask: float = 0.0,
        packed: bool = True,
        blocks: int = 2,
        state: int = 32,
        expand: int = 2,
        conv: int = 4,
        heads: int = 4,
        chunk: int = 64,
        dropout: float = 0.2,
    ):
        sizes = {"blocks": blocks, "state": state, "expand": expand, "conv": conv}
        sizes |= {"heads": heads, "chunk": chunk, "dropout": dropout}
        super().__init__(num_items, max_len, dim, **sizes)
        if not 0 <= mask < 1 or beta < 0:
            raise TutorialError(
                "got mask={mask!r}, beta={beta!r}: mask must be at least 0 and below 1,"
                " beta at least 0",
                mask=mask,
                beta=beta,
            )
        self.mask, self.packed = mask, packed
        self.hidden = nn.Parameter(0.02 * torch.randn(dim)) if mask else None
        for layer in self.layers:  # with a residual also where there is a single one
            layer.mixer, layer.residual = BiSSD(layer.mixer, beta, aligned), True

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        real = items > 0  # [B, L]
        place, turned = places(real)
        if self.training and self.mask:
            items = items * (torch.rand(items.shape, device=items.device) >= self.mask)
        if not self.packed:
            return self.through_layers(items, place, turned) * real[..., None]
        start = real.sum(1).cumsum(0) - real.sum(1)  # [B]: where each history starts in the row
        row = (each[real][None] for each in (items, place, turned + start[:, None]))  # [1, T]
        x = self.through_layers(*row)[0]  # [T, d]
        states = x.new_zeros(*items.shape, self.dim)
        states[real] = x
        return states

    def embed(self, items: Tensor) -> Tensor:
        """items [R, T], 0 = hidden -> [R, T, d]."""
        x = self.item_embedding(items)
        if self.hidden is not None:
            x = torch.where(items[..., None] == 0, self.hidden, x)
        return self.norm(self.dropout(x))

    def through_layers(self, items: Tensor, place: Tensor, turned: Tensor) -> Tensor:
        """items, place, turned [R, T] -> [R, T, d]: R rows of one or more histories."""
        x = self.embed(items)
        for layer in self.layers:
            x = layer(x, place, turned)
        return x


def places(real: Tensor) -> tuple[Tensor, Tensor]:
    """Of each event its place in its history, from 0, and the place that it has for a reader from
    the end; pads keep theirs. real bool [B, L] -> int64 [B, L] twice.
    """
    place = torch.arange(real.shape[1], device=real.device).expand(real.shape)
    return place, torch.where(real, real.sum(1, keepdim=True) - 1 - place, place)
