"""TiM4Rec: the clock sets the step size of a selective state space.

    letter   meaning                                    shape                    in the paper
    gaps     standardised log gaps, as in clock.py      [B, L, F], F = 1 or 2    delta
    gate     one factor on the step of each SSD head    [B, L, heads]            tau

Source: Fan et al., "TiM4Rec", Neurocomputing 2025 (arXiv 2409.16182), and its code. The default is
our causal version: a gap gates the step of its own position alone. The published version mixes the
gaps of the whole window. Taught in lesson 12.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib.errors import TutorialError
from tutorial_lib.models.base import Dropout, initialise
from tutorial_lib.models.clock import Clock
from tutorial_lib.models.mamba import CausalConv
from tutorial_lib.models.mamba4rec import Mamba4Rec


class TimeGate(nn.Module):
    """1 + tanh(W2 SiLU(W1 gaps)), between 0 and 2: one factor on the step size for each head. [B,
    L, F] -> [B, L, heads]. After Fan et al. 2025. Taught in lesson 12.

    W2 and its bias start at 0 and every gate at 1, so that training starts from the model without a
    clock.
    """

    def __init__(self, features: int, hidden: int, heads: int):
        super().__init__()
        self.W1, self.W2 = nn.Linear(features, hidden), nn.Linear(hidden, heads)
        nn.init.zeros_(self.W2.weight), nn.init.zeros_(self.W2.bias)

    def forward(self, gaps: Tensor) -> Tensor:
        return 1 + torch.tanh(self.W2(F.silu(self.W1(gaps))))


class PublishedClock(nn.Module):
    """The published time signal: gaps in seconds, normalised over the window, [B, length].

    As in the code, times are float32 and 0 at pads. The first pad's gap is then minus the last
    timestamp, beside which LayerNorm makes all real gaps alike. `mask_pads`: pads have the gap 0.
    """

    def __init__(self, length: int, dropout: float, mask_pads: bool):
        super().__init__()
        self.length, self.mask_pads = length, mask_pads
        self.dropout, self.norm = Dropout(dropout), nn.LayerNorm(length)

    def forward(self, items: Tensor, times: Tensor) -> Tensor:
        instants = times if self.mask_pads else (times * (items > 0)).float()
        gaps = torch.diff(instants, dim=1, prepend=instants[:, :1]).float()
        # pads may still follow, to bring the window to full length
        if not self.mask_pads and items.shape[1] < self.length:
            gaps = torch.cat([gaps, -instants[:, -1:]], dim=1)
        return self.norm(self.dropout(F.pad(gaps, (0, self.length - gaps.shape[1]))))


class PublishedTimePath(nn.Module):
    """The published gate of one block and the signal for the next, all [B, heads, L]: two linear
    maps across time (every position reads all gaps), then two causal convolutions.
    """

    def __init__(self, length: int, heads: int, conv: int, dropout: float, *, last: bool):
        super().__init__()
        first, last_map = nn.Linear(length, length), nn.Linear(length, length)
        self.mix = nn.Sequential(Dropout(dropout), first, nn.SiLU(), last_map)
        self.conv1, self.conv2 = CausalConv(heads, conv), CausalConv(heads, conv)
        self.last = last
        if not last:
            self.dropout, self.keep = Dropout(dropout), nn.Linear(length, 1)
            self.norm = nn.LayerNorm(length)
        self.apply(initialise)

    def forward(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        gate = (signal * self.mix(signal)).transpose(1, 2)
        gate = F.hardswish(self.conv2(F.hardswish(self.conv1(gate)))).transpose(1, 2)
        if self.last:
            return gate, signal
        keep = torch.sigmoid(self.keep(self.dropout(signal)))  # [B, heads, 1]
        return gate, self.norm(keep * signal + (1 - keep) * gate)


class TiM4Rec(Mamba4Rec):
    """items, times [B, L] -> states [B, L, d]: Mamba4Rec with SSD blocks whose step sizes also
    follow the clock.

    The gate sees the gap since the previous event and, with `query_time`, the gap until the query
    (0 without `query_times`). `literal=True` is the published version (`mask_pads` mends its pads):
    position i reads the gaps after it. So it must be trained as its authors do, with a target at
    the last position alone (`windows="prefixes"`); one at every position would learn from the times
    of future events, which no one knows when serving.
    """

    uses_time, blind = True, "mamba4rec"
    limited = property(lambda self: self.literal)  # it mixes the gaps of max_len events
    causal = property(lambda self: not self.literal)
    windows = property(lambda self: "prefixes" if self.literal else None)

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int = 64,
        *,
        query_time: bool = False,
        literal: bool = False,
        mask_pads: bool = False,
        time_hidden: int = 16,
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
        if time_hidden < 1:
            raise TutorialError(
                "time_hidden must be at least 1, got {time_hidden}", time_hidden=time_hidden
            )
        if literal and query_time or mask_pads and not literal:
            raise TutorialError(
                "got literal={literal!r}, query_time={query_time!r},"
                " mask_pads={mask_pads!r}: leave out query_time with literal, and mask_pads"
                " without it",
                literal=literal,
                query_time=query_time,
                mask_pads=mask_pads,
            )
        self.query_time, self.literal, self.heads = query_time, literal, heads
        if not literal:
            self.clock = Clock()
            self.gates = nn.ModuleList(
                TimeGate(1 + query_time, time_hidden, heads) for _ in range(blocks)
            )
            return
        self.clock = PublishedClock(max_len, dropout, mask_pads)
        self.gates = nn.ModuleList(
            PublishedTimePath(max_len, heads, conv, dropout, last=i == blocks - 1)
            for i in range(blocks)
        )
        for layer in self.layers:
            layer.feed_forward.layers[1] = nn.Hardswish()

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        x = self.embed(items)
        if self.literal:
            # [B, heads, max_len]
            signal = self.clock(items, times)[:, None].expand(-1, self.heads, -1)
            for layer, path in zip(self.layers, self.gates, strict=True):
                gate, signal = path(signal)
                x = layer(x, gate[..., : items.shape[1]].transpose(1, 2))
            return x
        since, until = self.clock(times, times if query_times is None else query_times)
        gaps = torch.stack([since, until] if self.query_time else [since], dim=-1)  # [B, L, F]
        for layer, gate in zip(self.layers, self.gates, strict=True):
            x = layer(x, gate(gaps))
        return x
