"""Residual streams: plain hyper-connections (HC) and manifold-constrained hyper-connections (mHC).

A network of residual blocks carries one vector per token from layer to layer. Hyper-connections
carry n of them, the streams, and learn how to mix them around every sub-layer F (attention and
feed-forward each count as one, with their own norm inside F):

    X <- H_res X + H_post^T F(H_pre X)          X [n, d] per token, H_res [n, n], H_pre [1, n],
        H_post [1, n]

mHC keeps H_res doubly stochastic, so that no product of them, however deep, can amplify a signal.
Source: Zhu et al. 2024, "Hyper-connections"; Xie et al. 2025, "mHC" (arXiv 2512.24880), sections 3
and 4. Taught in lesson 09.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tutorial_lib.errors import TutorialError
from tutorial_lib.models.sasrec import SASRec
from tutorial_lib.models.tisasrec import IntervalTables, TiSASRec

ITERATIONS = 20  # t_max of the paper
KINDS = ("mhc", "hc")


def solve(matrix: Tensor, right: Tensor) -> Tensor:
    """Gauss-Jordan elimination for N small positive definite systems side by side. [n, n, N], [n,
    N] -> [n, N].
    """
    work = torch.cat([matrix, right[:, None]], 1)
    for k in range(len(work)):
        pivot = work[k] / work[k, k]
        work = work - work[:, k, None] * pivot
        work[k] = pivot
    return work[:, -1]


def sum_of_products(
    weights: Sequence[Tensor], parts: Sequence[Tensor], out: Tensor | None = None
) -> Tensor:
    """sum_i weights_i parts_i, with no array as large as all products. n weights [N], n parts [...,
    N] -> [..., N].
    """
    total = torch.mul(weights[0], parts[0], out=out)
    for weight, part in zip(weights[1:], parts[1:], strict=True):
        total.addcmul_(weight, part)
    return total


class Sinkhorn(torch.autograd.Function):
    """Sinkhorn-Knopp on many small matrices at once: logits [n, n, N], N matrices side by side ->
    doubly stochastic [n, n, N].

    One iteration divides columns, then rows, by their sums. The first works on logarithms, where
    nothing overflows; the others only scale its result, P = diag(u) K diag(v). The gradient is that
    of the limit, from the implicit function theorem: with rows and columns held at sum 1, dlogit =
    P * (G - a 1^T - 1 b^T), and two conditions on the sums give a and b: one small linear system
    instead of 2 x `iterations` steps backwards, exact when the columns sum to 1.
    """

    @staticmethod
    def forward(ctx, logits: Tensor, iterations: int) -> Tensor:
        # after one iteration; 1e-30: nothing is divided by 0
        kernel = logits.log_softmax(0).softmax(1).clamp_min_(1e-30)
        u, v = kernel.new_ones(2, *kernel.shape[1:])  # [n, N] each
        by_row, rows, by_column, columns = (
            u.unbind(0),
            kernel.unbind(0),
            v.unbind(0),
            kernel.unbind(1),
        )
        for _ in range(iterations - 1):
            sum_of_products(by_row, rows, out=v).reciprocal_()
            sum_of_products(by_column, columns, out=u).reciprocal_()
        matrix = (kernel * u[:, None]).mul_(v)
        ctx.save_for_backward(matrix)
        return matrix

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (matrix,) = ctx.saved_tensors
        grad = grad.contiguous()
        by_row, by_column = ((matrix * grad).sum(axis) for axis in (1, 0))  # [n, N]
        # a + P b = by_row and P^T a + b = by_column, the last b may be 0; the epsilon is for a P
        # that mixes nothing
        free = matrix[:, :-1]
        system = sum_of_products(free[:, :, None], free[:, None]).neg_()
        system.diagonal().add_(free.sum(0).T + 10 * torch.finfo(grad.dtype).eps)
        b = torch.cat(
            [
                solve(system, by_column[:-1] - sum_of_products(by_row, free)),
                torch.zeros_like(by_row[:1]),
            ]
        )
        a = by_row - sum_of_products(b, matrix.transpose(0, 1))
        return (grad - a[:, None]).sub_(b).mul_(matrix), None


def sinkhorn(logits: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """Doubly stochastic matrices [..., n, n] from any real ones: rows sum to 1, columns ever more
    nearly. mHC paper, 4.2.
    """
    n = logits.shape[-1]
    flat = logits.reshape(-1, n * n).T.reshape(n, n, -1)
    return Sinkhorn.apply(flat, iterations).reshape(n * n, -1).T.contiguous().view(logits.shape)


# The next three are one formula each. They have hand-written gradients because streams are large:
# they hand the streams on from
# one to the next, so that each adds its share to the same gradient in place, where autograd would
# make a new copy for every use.


class Project(torch.autograd.Function):
    """(RMSNorm(x) phi + bias)^T, the norm applied to the product, to fewer numbers. x [N, D], phi
    [D, m] -> [m, N], and x.
    """

    @staticmethod
    def forward(ctx, x: Tensor, phi: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        # [N]
        scale = torch.linalg.vector_norm(x, dim=1).square_().div_(x.shape[1]).add_(1e-6).rsqrt_()
        product = phi.T @ x.T
        ctx.save_for_backward(x, phi, scale, product)
        return torch.addcmul(bias[:, None], product, scale), x.view_as(x)

    @staticmethod
    def backward(ctx, grad: Tensor, to_x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, phi, scale, product = ctx.saved_tensors
        scaled = grad * scale
        through_scale = (product * scaled).sum(0).mul_(scale.square().div_(-x.shape[1]))
        return (
            to_x.addcmul_(x, through_scale[:, None]).addmm_(scaled.T, phi.T),
            (scaled @ x).T,
            grad.sum(1),
        )


class Gather(torch.autograd.Function):
    """H_pre X: streams [N, n, d], H_pre [n, N] -> [N, d], and the streams themselves."""

    @staticmethod
    def forward(ctx, streams: Tensor, pre: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(streams, pre)
        return sum_of_products(pre[..., None], streams.transpose(0, 1)), streams.view_as(streams)

    @staticmethod
    def backward(ctx, grad: Tensor, to_streams: Tensor) -> tuple[Tensor, Tensor]:
        streams, pre = ctx.saved_tensors
        # behind the mean, all streams have one gradient in one place
        shared = to_streams.stride(1) == 0
        out = torch.empty_like(streams) if shared else to_streams
        return (
            torch.addcmul(to_streams, pre.T[..., None], grad[:, None], out=out),
            torch.bmm(streams, grad[..., None])[..., 0].T,
        )


class Carry(torch.autograd.Function):
    """H_res X + H_post^T F: streams [N, n, d], H_res [n, n, N], H_post [m, N], output of the
    sub-layer [N, d] -> [N, m, d].

    Without H_res: X + H_post^T F, where X [N, 1, d] is what all m streams are to receive.
    """

    @staticmethod
    def forward(ctx, streams: Tensor, res: Tensor | None, post: Tensor, output: Tensor) -> Tensor:
        # [N, m, 1]; without a copy, results inherit its order
        post, output = post.T.contiguous()[..., None], output[:, None]
        mixed = () if res is None else (res.permute(2, 0, 1).contiguous(), streams)
        ctx.save_for_backward(post, output, *mixed)
        return (
            torch.bmm(*mixed).addcmul_(post, output)
            if mixed
            else torch.addcmul(streams, post, output)
        )

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        post, output, *mixed = ctx.saved_tensors
        to_post = torch.bmm(grad, output.mT)[..., 0].T
        to_output = sum_of_products(post.unbind(1), grad.unbind(1))
        if not mixed:
            return grad.sum(1, keepdim=True), None, to_post, to_output
        res, streams = mixed
        return (
            torch.bmm(res.mT, grad),
            torch.bmm(grad, streams.mT).permute(1, 2, 0),
            to_post,
            to_output,
        )


class Mappings(NamedTuple):
    """H_pre [n, N], H_post [n, N] and H_res [n, n, N] for N tokens: tokens last, so that every step
    works on whole vectors.
    """

    pre: Tensor
    post: Tensor
    res: Tensor | None


class HyperConnection(nn.Module):
    """Around one sub-layer F: streams [B, L, n, d] -> H_res streams + H_post^T F(H_pre streams).

    Every mapping has a static part (a bias) and a dynamic one (a linear map of the token's own
    streams, scaled by alpha = 0.01 at the start). "mhc": H_pre = sigmoid, H_post = 2 sigmoid, H_res
    = Sinkhorn. "hc": biases plus alpha tanh, unbounded. `dynamic=False` leaves only the biases. At
    the start H_pre averages the streams and H_post is 1, so the mean of the streams moves as in the
    plain residual network, exactly when alpha = 0. With one stream nothing is left to mix: plain
    residuals.

    Streams given as [B, L, 1, d] stand for n copies. Of copies H_res makes copies, because its rows
    sum to 1; and it leaves the mean of the streams where it is, because its columns do. So training
    "mhc" leaves it out for copies, and where only the `mean` is wanted, which then comes back as
    [B, L, 1, d]. Without gradients all of it is calculated, to be looked at.
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
                f"got kind={kind!r} and streams={streams}: use {' or '.join(KINDS)}, and at least 1"
                " stream"
            )
        self.streams, self.kind, self.dynamic = streams, kind, dynamic and streams > 1
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

    def logits(self, x: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
        """The first `wanted` of 2 n + n^2 logits of N tokens; and x, their streams [N, n d] or one
        for all [N, d].
        """
        n, bias = self.streams, self.bias[:wanted]
        if not self.dynamic:
            return bias[:, None].expand(-1, len(x)), x
        alpha = torch.cat(
            [part.expand(size) for part, size in zip(self.alpha, (n, n, n * n), strict=True)]
        )[:wanted]
        phi = self.phi[:, :wanted].unflatten(0, (-1, x.shape[1])).sum(0)
        if self.kind == "hc":
            raw, x = Project.apply(x, phi, torch.zeros_like(bias))
            return torch.addcmul(bias[:, None], alpha[:, None], raw.tanh()), x
        return Project.apply(x, phi * alpha, bias)

    def mappings(self, logits: Tensor) -> Mappings:
        """Logits [2 n + n^2, N] -> the three mappings of every token; of [2 n, N] no H_res."""
        n = self.streams
        pre, post, res = logits.split([n, n, len(logits) - 2 * n])
        res = res.unflatten(0, (-1, n)) if len(res) else None
        if self.kind == "hc":
            return Mappings(pre, post, res)
        return Mappings(
            pre.sigmoid(),
            2 * post.sigmoid(),
            None if res is None else Sinkhorn.apply(res, ITERATIONS),
        )

    def forward(
        self, streams: Tensor, function: Callable[[Tensor], Tensor], mean: bool = False
    ) -> Tensor:
        n = self.streams
        if n == 1:
            return streams + function(streams[:, :, 0])[:, :, None]
        leaves_out = self.kind == "mhc" and torch.is_grad_enabled()
        copies, mean = leaves_out and streams.shape[2] == 1, leaves_out and mean
        streams = streams if copies else streams.expand(-1, -1, n, -1)
        batch, length, given, dim = streams.shape
        logits, flat = self.logits(
            streams.reshape(-1, given * dim), 2 * n if copies or mean else 2 * n + n * n
        )
        pre, post, res = self.mappings(logits)
        gathered, streams = Gather.apply(
            flat.view(-1, given, dim), pre.sum(0, keepdim=True) if copies else pre
        )
        output = function(gathered.view(batch, length, dim)).reshape(-1, dim)
        if mean:
            streams, post = streams.sum(1, keepdim=True) / given, post.mean(0, keepdim=True)
        return Carry.apply(streams, res, post, output).view(batch, length, -1, dim)


class HyperBlock(nn.Module):
    """A block of SASRec or TiSASRec whose two residual connections are hyper-connections. Shapes as
    for `HyperConnection`.
    """

    def __init__(self, block: nn.Module, dim: int, streams: int, kind: str, dynamic: bool):
        super().__init__()
        self.block = block
        self.around_attention = HyperConnection(dim, streams, kind=kind, dynamic=dynamic)
        self.around_feed_forward = HyperConnection(dim, streams, kind=kind, dynamic=dynamic)

    def forward(self, streams: Tensor, *known: IntervalTables, mean: bool = False) -> Tensor:
        streams = self.around_attention(
            streams, lambda x: self.block.attention(self.block.norm1(x), *known)
        )
        return self.around_feed_forward(
            streams, lambda x: self.block.feed_forward(self.block.norm2(x)), mean
        )


def through_streams(
    blocks: nn.ModuleList, x: Tensor, streams: int, *known: IntervalTables
) -> Tensor:
    """Copies x [B, L, d] into n streams, once; carries them through ALL blocks; returns their mean
    [B, L, d], once.

    Copying and summing inside every sub-layer instead would undo H_res: equal streams stay equal
    under rows that sum to 1.
    """
    carried = x[:, :, None]  # stands for n copies
    for number, block in enumerate(blocks, 1):
        carried = block(carried, *known, mean=number == len(blocks))  # wanted: the mean alone
    return carried.mean(2)


class SASRecMHC(SASRec):
    """SASRec with `streams` residual streams. Options as for SASRec, and `kind` "mhc" or "hc",
    `dynamic` mappings or static.
    """

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
        super().__init__(
            num_items, max_len, dim, blocks=blocks, heads=heads, hidden=hidden, dropout=dropout
        )
        self.streams = streams
        self.blocks = nn.ModuleList(
            HyperBlock(block, dim, streams, kind, dynamic) for block in self.blocks
        )

    def through_blocks(self, x: Tensor) -> Tensor:
        return through_streams(self.blocks, x, self.streams)


class TiSASRecMHC(TiSASRec):
    """TiSASRec with `streams` residual streams. Options as for TiSASRec, and `kind` "mhc" or "hc",
    `dynamic` or static.
    """

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
        options = {
            "num_users": num_users,
            "buckets": buckets,
            "bucketing": bucketing,
            "query_time": query_time,
        }
        super().__init__(
            num_items,
            max_len,
            dim,
            blocks=blocks,
            heads=heads,
            hidden=hidden,
            dropout=dropout,
            **options,
        )
        self.streams = streams
        self.blocks = nn.ModuleList(
            HyperBlock(block, dim, streams, kind, dynamic) for block in self.blocks
        )

    def through_blocks(self, x: Tensor, tables: IntervalTables) -> Tensor:
        return through_streams(self.blocks, x, self.streams, tables)
