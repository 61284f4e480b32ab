"""Residual streams: plain hyper-connections (HC) and manifold-constrained hyper-connections (mHC).

A network of residual blocks carries one vector per token from layer to layer. Hyper-connections carry n of them, the streams, and
learn how to mix them around every sub-layer F (attention and feed-forward each count as one, with their own norm inside F):

    X <- H_res X + H_post^T F(H_pre X)          X [n, d] per token, H_res [n, n], H_pre [1, n], H_post [1, n]

mHC keeps H_res doubly stochastic, so that no product of them, however deep, can amplify a signal.
Source: Zhu et al. 2024, "Hyper-connections"; Xie et al. 2025, "mHC: Manifold-Constrained Hyper-Connections" (arXiv 2512.24880),
sections 3 and 4. Taught in lesson 09.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tutorial_lib.errors import TutorialError
from tutorial_lib.models.sasrec import SASRec
from tutorial_lib.models.tisasrec import IntervalTables, TiSASRec

ITERATIONS = 20  # t_max of the paper
KINDS = ("mhc", "hc")


def solve(matrix: Tensor, right: Tensor) -> Tensor:
    """Gauss-Jordan elimination for N small positive definite systems side by side. [n, n, N], [n, N] -> [n, N]."""
    work = torch.cat([matrix, right[:, None]], 1)
    for k in range(len(work)):
        pivot = work[k] / work[k, k]
        work = work - work[:, k, None] * pivot
        work[k] = pivot
    return work[:, -1]


def sum_of_products(weights: Tensor, parts: Tensor) -> Tensor:
    """sum_i weights_i parts_i without an array as large as all products. weights [n, N], parts [n, ..., N] -> [..., N]."""
    total = weights[0] * parts[0]
    for weight, part in zip(weights[1:], parts[1:], strict=True):
        total.addcmul_(weight, part)
    return total


class Sinkhorn(torch.autograd.Function):
    """Sinkhorn-Knopp on many small matrices at once: logits [n, n, N], N matrices side by side -> doubly stochastic [n, n, N].

    One iteration divides columns, then rows, by their sums. The first works on logarithms, where nothing overflows; the others
    only scale its result, P = diag(u) K diag(v). The gradient is that of the limit, from the implicit function theorem: with
    rows and columns held at sum 1, dlogit = P * (G - a 1^T - 1 b^T), and two conditions on the sums give a and b. That is one
    small linear system instead of 2 x `iterations` steps backwards.
    """

    @staticmethod
    def forward(ctx, logits: Tensor, iterations: int) -> Tensor:
        logits = logits - logits.logsumexp(0, keepdim=True)
        kernel = logits.softmax(1)  # after one iteration
        row = column = torch.ones_like(kernel[0])  # u and v, [n, N]
        for _ in range(iterations - 1):
            column = sum_of_products(row, kernel).clamp_(min=1e-30).reciprocal_()
            row = sum_of_products(column, kernel.transpose(0, 1)).clamp_(min=1e-30).reciprocal_()
        matrix = kernel * row[:, None] * column
        ctx.save_for_backward(matrix)
        return matrix

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (matrix,) = ctx.saved_tensors
        n = len(matrix)
        grad = grad.contiguous()
        weighted = matrix * grad
        by_row, by_column = weighted.sum(1), weighted.sum(0)  # [n, N]
        # a + P b = by_row and P^T a + b = by_column; the ones fix what a and b have in common and cancels
        system = -(matrix[:, :, None] * matrix[:, None]).sum(0) + 1 / n + 1e-6 * torch.eye(n, device=grad.device)[..., None]
        system.diagonal().add_(matrix.sum(0).T)
        b = solve(system, by_column - (matrix * by_row[:, None]).sum(0))
        a = by_row - (matrix * b).sum(1)
        return matrix * (grad - a[:, None] - b), None


def sinkhorn(logits: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """Doubly stochastic matrices [..., n, n] from any real ones: rows sum to 1, columns nearly, ever closer with more iterations.

    Source: the mHC paper, section 4.2. The gradient (see `Sinkhorn`) is exact when the columns sum to 1.
    """
    n = logits.shape[-1]
    flat = logits.reshape(-1, n * n).T.reshape(n, n, -1)
    return Sinkhorn.apply(flat, iterations).reshape(n * n, -1).T.contiguous().view(logits.shape)


# The next three are one formula each. They have hand-written gradients because streams are large: they hand the streams on from
# one to the next, so that each adds its share to the same gradient in place, where autograd would make a new copy for every use.


class Project(torch.autograd.Function):
    """(RMSNorm(x) phi)^T, the norm applied after the product, to fewer numbers. x [N, D], phi [D, m] -> [m, N], and x itself."""

    @staticmethod
    def forward(ctx, x: Tensor, phi: Tensor) -> tuple[Tensor, Tensor]:
        scale = torch.linalg.vector_norm(x, dim=1).square_().div_(x.shape[1]).add_(1e-6).rsqrt_()  # [N]
        product = (phi.T @ x.T).mul_(scale)
        ctx.save_for_backward(x, phi, scale, product)
        return product, x.view_as(x)

    @staticmethod
    def backward(ctx, grad: Tensor, to_x: Tensor) -> tuple[Tensor, Tensor]:
        x, phi, scale, product = ctx.saved_tensors
        through_scale = (grad * product).sum(0) * scale.square() / x.shape[1]
        scaled = grad * scale
        return to_x.addcmul_(x, through_scale[:, None], value=-1).addmm_(scaled.T, phi.T), (scaled @ x).T


class Gather(torch.autograd.Function):
    """H_pre X: streams [N, n, d], H_pre [n, N] -> [N, d], and the streams themselves."""

    @staticmethod
    def forward(ctx, streams: Tensor, pre: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(streams, pre)
        return sum_of_products(pre[..., None], streams.transpose(0, 1)), streams.view_as(streams)

    @staticmethod
    def backward(ctx, grad: Tensor, to_streams: Tensor) -> tuple[Tensor, Tensor]:
        streams, pre = ctx.saved_tensors
        return to_streams.addcmul_(pre.T[..., None], grad[:, None]), torch.bmm(streams, grad[..., None])[..., 0].T


class Carry(torch.autograd.Function):
    """H_res X + H_post^T F: streams [N, n, d], H_res [n, n, N], H_post [n, N], output of the sub-layer [N, d] -> [N, n, d]."""

    @staticmethod
    def forward(ctx, streams: Tensor, res: Tensor, post: Tensor, output: Tensor) -> Tensor:
        res = res.permute(2, 0, 1).contiguous()
        ctx.save_for_backward(streams, res, post, output)
        return torch.bmm(res, streams).addcmul_(post.T[..., None], output[:, None])

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        streams, res, post, output = ctx.saved_tensors
        grad = grad.contiguous()
        to_post = torch.bmm(grad, output[..., None])[..., 0].T
        to_output = sum_of_products(post[..., None], grad.transpose(0, 1))
        return torch.bmm(res.mT, grad), torch.bmm(grad, streams.mT).permute(1, 2, 0), to_post, to_output


class Mappings(NamedTuple):
    """H_pre [n, N], H_post [n, N] and H_res [n, n, N] for N tokens: tokens last, so that every step works on whole vectors."""

    pre: Tensor
    post: Tensor
    res: Tensor


class HyperConnection(nn.Module):
    """Around one sub-layer F: streams [B, L, n, d] -> H_res streams + H_post^T F(H_pre streams).

    Every mapping has a static part (a bias) and a dynamic one (a linear map of the token's own streams, scaled by alpha = 0.01
    at the start). "mhc": H_pre = sigmoid, H_post = 2 sigmoid, H_res = Sinkhorn. "hc": biases plus alpha tanh, unbounded.
    At the start H_pre averages the streams and H_post is 1, so the mean of the streams moves as in the plain residual network,
    exactly when alpha = 0. With one stream nothing is left to mix, and this is the plain residual connection.
    `dynamic=False` leaves only the biases.
    """

    def __init__(self, dim: int, streams: int = 4, *, kind: str = "mhc", dynamic: bool = True, alpha: float = 0.01):
        super().__init__()
        if kind not in KINDS or streams < 1:
            raise TutorialError(f"got kind={kind!r} and streams={streams}: use {' or '.join(KINDS)}, and at least 1 stream")
        self.streams, self.kind, self.dynamic = streams, kind, dynamic and streams > 1
        if streams == 1:
            return
        eye = torch.eye(streams)
        if kind == "mhc":
            pre, post, res = torch.full((streams,), -math.log(streams - 1)), torch.zeros(streams), 3 * (eye - 1)
        else:
            pre, post, res = torch.full((streams,), 1 / streams), torch.ones(streams), eye
        self.bias = nn.Parameter(torch.cat([pre, post, res.flatten()]))
        if self.dynamic:
            self.alpha = nn.Parameter(torch.full((3,), float(alpha)))
            # Not zero: with equal biases and no dynamic part, all streams would stay copies of each other for ever.
            self.phi = nn.Parameter(0.02 * torch.randn(streams * dim, len(self.bias)))

    def mappings(self, raw: Tensor) -> Mappings:
        """The dynamic part [2 n + n^2, N] -> the three mappings of every token."""
        n = self.streams
        if self.dynamic:
            alpha = torch.cat([self.alpha[:1].expand(n), self.alpha[1:2].expand(n), self.alpha[2:].expand(n * n)])
            raw = self.bias[:, None] + alpha[:, None] * (raw.tanh() if self.kind == "hc" else raw)
        pre, post, res = raw.split([n, n, n * n])
        res = res.unflatten(0, (n, n))
        if self.kind == "hc":
            return Mappings(pre, post, res)
        return Mappings(pre.sigmoid(), 2 * post.sigmoid(), Sinkhorn.apply(res, ITERATIONS))

    def forward(self, streams: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        batch, length, n, dim = streams.shape
        if n == 1:
            return streams + function(streams[:, :, 0])[:, :, None]
        flat = streams.reshape(-1, n * dim)
        if self.dynamic:
            raw, flat = Project.apply(flat, self.phi)
        else:
            raw = self.bias[:, None].expand(-1, len(flat))
        pre, post, res = self.mappings(raw)
        gathered, flat = Gather.apply(flat.view(-1, n, dim), pre)
        output = function(gathered.view(batch, length, dim)).reshape(-1, dim)
        return Carry.apply(flat, res, post, output).view(streams.shape)


class HyperBlock(nn.Module):
    """A block of SASRec or TiSASRec whose two residual connections are hyper-connections. [B, L, n, d] -> [B, L, n, d]."""

    def __init__(self, block: nn.Module, dim: int, streams: int, kind: str, dynamic: bool):
        super().__init__()
        self.block = block
        self.around_attention = HyperConnection(dim, streams, kind=kind, dynamic=dynamic)
        self.around_feed_forward = HyperConnection(dim, streams, kind=kind, dynamic=dynamic)

    def forward(self, streams: Tensor, *known: IntervalTables) -> Tensor:
        block = self.block
        streams = self.around_attention(streams, lambda x: block.attention(block.norm1(x), *known))
        return self.around_feed_forward(streams, lambda x: block.feed_forward(block.norm2(x)))


def through_streams(blocks: nn.ModuleList, x: Tensor, streams: int, *known: IntervalTables) -> Tensor:
    """Copies x [B, L, d] into n streams, once; carries them through ALL blocks; returns their mean [B, L, d], once.

    Copying and summing inside every sub-layer instead would undo H_res: equal streams stay equal under rows that sum to 1.
    """
    carried = x[:, :, None].expand(-1, -1, streams, -1)
    for block in blocks:
        carried = block(carried, *known)
    return sum(carried.unbind(2)) / streams  # not mean(2), whose gradient of stride 0 would make the products behind it crawl


class SASRecMHC(SASRec):
    """SASRec with `streams` residual streams. Options as for SASRec, and `kind` "mhc" or "hc", `dynamic` mappings or static."""

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int = 64,
        *,
        blocks: int = 2,
        heads: int = 1,
        hidden: int | None = None,
        dropout: float = 0.2,
        streams: int = 4,
        kind: str = "mhc",
        dynamic: bool = True,
    ):
        super().__init__(num_items, max_len, dim, blocks=blocks, heads=heads, hidden=hidden, dropout=dropout)
        self.streams = streams
        self.blocks = nn.ModuleList(HyperBlock(block, dim, streams, kind, dynamic) for block in self.blocks)

    def through_blocks(self, x: Tensor) -> Tensor:
        return through_streams(self.blocks, x, self.streams)


class TiSASRecMHC(TiSASRec):
    """TiSASRec with `streams` residual streams. Options as for TiSASRec, and `kind` "mhc" or "hc", `dynamic` or static."""

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int = 64,
        *,
        num_users: int | None = None,
        blocks: int = 2,
        heads: int = 1,
        hidden: int | None = None,
        dropout: float = 0.2,
        buckets: int = 64,
        bucketing: str = "log",
        query_time: bool = False,
        streams: int = 4,
        kind: str = "mhc",
        dynamic: bool = True,
    ):
        shape = {"blocks": blocks, "heads": heads, "hidden": hidden, "dropout": dropout}
        clock = {"num_users": num_users, "buckets": buckets, "bucketing": bucketing, "query_time": query_time}
        super().__init__(num_items, max_len, dim, **shape, **clock)
        self.streams = streams
        self.blocks = nn.ModuleList(HyperBlock(block, dim, streams, kind, dynamic) for block in self.blocks)

    def through_blocks(self, x: Tensor, tables: IntervalTables) -> Tensor:
        return through_streams(self.blocks, x, self.streams, tables)
