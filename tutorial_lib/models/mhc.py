"""Residual streams: plain hyper-connections (HC) and manifold-constrained hyper-connections (mHC).

A network of residual blocks carries one vector per event from layer to layer. Hyper-connections
carry n of them, the streams, and learn how to mix them around every sub-layer F (attention and
feed-forward each count as one, with their own norm inside F):

    X <- H_res X + H_post^T F(H_pre X)

    letter   meaning                                            shape           in the paper
    X        the streams of each event                          [B, L, n, d]    x_l, C for d
    F        a sub-layer                                        [B, L, d]       F(., W_l)
    H_pre    how much F reads of each stream                    [B, L, n]       H^pre_l
    H_post   how much of F's output each stream receives        [B, L, n]       H^post_l
    H_res    how the streams mix                                [B, L, n, n]    H^res_l
    phi      the maps from X to the logits of all three         [n d, 2n + n^2] phi_l
    alpha    how much these dynamic parts count, one each       [3]             alpha_l
    bias     the static parts                                   [2n + n^2]      b_l

mHC keeps H_res doubly stochastic, so that no product of them, however deep, can amplify a signal.
Source: Zhu et al. 2024, "Hyper-connections"; Xie et al. 2025, "mHC" (arXiv 2512.24880), sections 3
and 4. Taught in lesson 09.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib import kernels
from tutorial_lib.errors import TutorialError
from tutorial_lib.models.sasrec import SASRec
from tutorial_lib.models.tisasrec import IntervalTables, TiSASRec

ITERATIONS = 20  # t_max of the paper
KINDS = ("mhc", "hc")


@kernels.fast(kernels.streams.sinkhorn)
def sinkhorn(logits: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """Sinkhorn-Knopp: doubly stochastic matrices [..., n, n] from any real ones. Columns, then rows
    are divided by their sums, again and again: rows sum to 1, columns ever more nearly. mHC paper,
    section 4.2. Taught in lesson 09.
    """
    # the first round on logarithms, so that nothing overflows; 1e-30: nothing is divided by 0
    matrix = logits.log_softmax(-2).softmax(-1).clamp_min(1e-30)
    for _ in range(iterations - 1):
        matrix = matrix / matrix.sum(-2, keepdim=True)
        matrix = matrix / matrix.sum(-1, keepdim=True)
    return matrix


class Mappings(NamedTuple):
    """H_pre [B, L, n], H_post [B, L, n] and H_res [B, L, n, n]."""

    pre: Tensor
    post: Tensor
    res: Tensor


class HyperConnection(nn.Module):
    """Around one sub-layer F: streams [B, L, n, d] -> H_res streams + H_post^T F(H_pre streams).

    "mhc": H_pre = sigmoid, H_post = 2 sigmoid, H_res = Sinkhorn of the logits. "hc": the logits
    themselves, their dynamic part within tanh. `dynamic=False` leaves only the biases. At the start
    H_pre averages the streams and H_post is 1, so the mean of the streams moves as in the plain
    residual network, exactly when alpha = 0. With one stream nothing is left to mix: plain
    residuals. Taught in lesson 09.
    """

    def __init__(
        self,
        dim: int,
        streams: int = 4,
        *,
        kind: str = "mhc",
        dynamic: bool = True,
        alpha: float = 0.01,
    ):
        super().__init__()
        if kind not in KINDS or streams < 1:
            raise TutorialError(
                "got kind={kind!r} and streams={streams}: use {kinds}, and at least 1 stream",
                kind=kind,
                streams=streams,
                kinds=" or ".join(KINDS),
            )
        self.streams, self.kind, self.dynamic = streams, kind, dynamic and streams > 1
        self.iterations = ITERATIONS
        if streams == 1:
            return
        one, eye = torch.ones(streams), torch.eye(streams)
        start = {
            "mhc": (-math.log(streams - 1) * one, 0 * one, 3 * (eye - 1)),
            "hc": (one / streams, one, eye),
        }
        self.bias = nn.Parameter(torch.cat([part.flatten() for part in start[kind]]))
        if self.dynamic:
            self.alpha = nn.Parameter(torch.full((3,), float(alpha)))
            # Not zero: with equal biases and no dynamic part, all streams would stay copies of each
            # other for ever.
            self.phi = nn.Parameter(0.02 * torch.randn(streams * dim, len(self.bias)))

    def mappings(self, X: Tensor) -> Mappings:
        """X [B, L, n, d] -> the three mappings of every event. mHC paper, section 4.2.
        Taught in lesson 09.
        """
        n, kind, logits = self.streams, self.kind, self.bias
        if self.dynamic:
            x = F.rms_norm(X.flatten(-2), (n * X.shape[-1],), eps=1e-6)  # [B, L, n d]
            dynamic = x @ self.phi if kind == "mhc" else (x @ self.phi).tanh()  # [B, L, 2n + n^2]
            alpha = [a.expand(size) for a, size in zip(self.alpha, (n, n, n * n), strict=True)]
            logits = logits + torch.cat(alpha) * dynamic
        pre, post, res = logits.expand(*X.shape[:2], -1).split([n, n, n * n], -1)
        res = res.unflatten(-1, (n, n))  # [B, L, n, n]
        if kind == "hc":
            return Mappings(pre, post, res)
        return Mappings(pre.sigmoid(), 2 * post.sigmoid(), sinkhorn(res, self.iterations))

    @kernels.fast(kernels.streams.connect)  # which leaves out an H_res that can change nothing
    def connect(self, X: Tensor, function: Callable, mean: bool = False) -> Tensor:
        """mHC paper, section 4.1. Taught in lesson 09. X [B, L, n or (copies) 1, d] -> [B, L, n or
        (the `mean`) 1, d].
        """
        X = X.expand(-1, -1, self.streams, -1)
        pre, post, res = self.mappings(X)
        output = function((pre[..., None] * X).sum(-2))  # [B, L, d]
        X = res @ X + post[..., None] * output[..., None, :]  # [B, L, n, d]
        return X.mean(2, keepdim=True) if mean else X

    def forward(self, X: Tensor, function: Callable, mean: bool = False) -> Tensor:
        if self.streams == 1:
            return X + function(X[:, :, 0])[:, :, None]
        return self.connect(X, function, mean)


class HyperBlock(nn.Module):
    """A block of SASRec or TiSASRec with two hyper-connections in place of its residuals."""

    def __init__(self, block: nn.Module, dim: int, streams: int, kind: str, dynamic: bool):
        super().__init__()
        self.block = block
        self.around_attention = HyperConnection(dim, streams, kind=kind, dynamic=dynamic)
        self.around_feed_forward = HyperConnection(dim, streams, kind=kind, dynamic=dynamic)

    def forward(self, X: Tensor, *known: IntervalTables, mean: bool = False) -> Tensor:
        block = self.block
        X = self.around_attention(X, lambda x: block.attention(block.norm1(x), *known))
        return self.around_feed_forward(X, lambda x: block.feed_forward(block.norm2(x)), mean)


def through_streams(blocks: nn.ModuleList, x: Tensor, *known: IntervalTables) -> Tensor:
    """Copies x [B, L, d] into n streams, once; carries them through ALL blocks; returns their mean
    [B, L, d], once.

    Copying and summing inside every sub-layer instead would undo H_res: equal streams stay equal
    under rows that sum to 1.
    """
    X = x[:, :, None]  # [B, L, 1, d], stands for n copies
    for number, block in enumerate(blocks, 1):
        X = block(X, *known, mean=number == len(blocks))  # at last [B, L, 1, d], the mean
    return X[:, :, 0]


class Streams:
    """Turns a Transformer into one with `streams` residual streams. Options as for the Transformer,
    and `kind` "mhc" or "hc", `dynamic` mappings or static.
    """

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int = 64,
        *,
        streams: int = 4,
        kind: str = "mhc",
        dynamic: bool = True,
        **options,
    ):
        super().__init__(num_items, max_len, dim, **options)
        blocks = (HyperBlock(block, dim, streams, kind, dynamic) for block in self.blocks)
        self.blocks = nn.ModuleList(blocks)

    def through_blocks(self, x: Tensor, *known: IntervalTables) -> Tensor:
        return through_streams(self.blocks, x, *known)


class SASRecMHC(Streams, SASRec):
    """SASRec with residual streams."""


class TiSASRecMHC(Streams, TiSASRec):
    """TiSASRec with residual streams."""

    blind = "sasrec_mhc"
