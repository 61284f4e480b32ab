"""The fast forms of `models.mhc`: Sinkhorn-Knopp, and a whole hyper-connection around a sub-layer.

N tokens (batch times events) stand last, so that every step works on whole vectors. Shown in lesson
09.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from tutorial_lib.kernels.gradient import once_differentiable


def solve(matrix: Tensor, right: Tensor) -> Tensor:
    """Gauss-Jordan for N positive definite systems side by side. [n, n, N], [n, N] -> [n, N]."""
    work = torch.cat([matrix, right[:, None]], 1)
    for k in range(len(work)):
        pivot = work[k] / work[k, k]
        work = work - work[:, k, None] * pivot
        work[k] = pivot
    return work[:, -1]


def sum_of_products(
    weights: Sequence[Tensor], parts: Sequence[Tensor], out: Tensor | None = None
) -> Tensor:
    """sum_i weights_i parts_i: no array of all products. n [N] and n [..., N] -> [..., N]."""
    total = torch.mul(weights[0], parts[0], out=out)
    for weight, part in zip(weights[1:], parts[1:], strict=True):
        total.addcmul_(weight, part)
    return total


class Sinkhorn(torch.autograd.Function):
    """Sinkhorn-Knopp on N matrices side by side: logits [n, n, N] -> doubly stochastic [n, n, N].

    The first iteration works on logarithms, where nothing overflows; the others only scale its
    result, P = diag(u) K diag(v). The gradient is that of the limit, from the implicit function
    theorem: with rows and columns held at sum 1, dlogit = P * (G - a 1^T - 1 b^T), and two
    conditions on the sums give a and b: one small linear system instead of 2 x `iterations` steps
    backwards, exact when the columns sum to 1.
    """

    @staticmethod
    def forward(ctx, logits: Tensor, iterations: int) -> Tensor:
        # after one iteration; 1e-30: nothing is divided by 0
        kernel = logits.log_softmax(0).softmax(1).clamp_min_(1e-30)
        u, v = kernel.new_ones(2, *kernel.shape[1:])  # [n, N] each
        for _ in range(iterations - 1):
            sum_of_products(u.unbind(0), kernel.unbind(0), out=v).reciprocal_()
            sum_of_products(v.unbind(0), kernel.unbind(1), out=u).reciprocal_()
        matrix = (kernel * u[:, None]).mul_(v)
        ctx.save_for_backward(matrix)
        return matrix

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (matrix,) = ctx.saved_tensors
        grad = grad.contiguous()
        by_row, by_column = ((matrix * grad).sum(axis) for axis in (1, 0))  # [n, N]
        # a + P b = by_row and P^T a + b = by_column, the last b may be 0; the epsilon is for a P
        # that mixes nothing
        free = matrix[:, :-1]
        system = sum_of_products(free[:, :, None], free[:, None]).neg_()
        system.diagonal().add_(free.sum(0).T + 10 * torch.finfo(grad.dtype).eps)
        b = solve(system, by_column[:-1] - sum_of_products(by_row, free))
        b = torch.cat([b, torch.zeros_like(by_row[:1])])
        a = by_row - sum_of_products(b, matrix.transpose(0, 1))
        return (grad - a[:, None]).sub_(b).mul_(matrix), None


def sinkhorn(logits: Tensor, iterations: int = 20) -> Tensor:
    """`Sinkhorn` of matrices that stand last. [..., n, n] -> [..., n, n]."""
    n = logits.shape[-1]
    flat = logits.reshape(-1, n * n).T.reshape(n, n, -1)
    return Sinkhorn.apply(flat, iterations).reshape(n * n, -1).T.contiguous().view(logits.shape)


# Streams are large. `Project` and `Gather` therefore hand them on to what uses them next, so that
# their gradient is added to in one chain, where autograd would make a tensor for every use.


class Project(torch.autograd.Function):
    """(RMSNorm(x) phi + bias)^T, the norm applied last. x [N, D], phi [D, m] -> [m, N], and x."""

    @staticmethod
    def forward(ctx, x: Tensor, phi: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        # [N]
        scale = torch.linalg.vector_norm(x, dim=1).square_().div_(x.shape[1]).add_(1e-6).rsqrt_()
        product = phi.T @ x.T
        ctx.save_for_backward(x, phi, scale, product)
        return torch.addcmul(bias[:, None], product, scale), x.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, to_x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, phi, scale, product = ctx.saved_tensors
        scaled = grad * scale
        through_scale = (product * scaled).sum(0).mul_(scale.square().div_(-x.shape[1]))
        to_x = torch.addcmul(to_x, x, through_scale[:, None]).addmm_(scaled.T, phi.T)
        return to_x, (scaled @ x).T, grad.sum(1)


class Gather(torch.autograd.Function):
    """H_pre X: streams [N, n, d], H_pre [n, N] -> [N, d], and the streams themselves."""

    @staticmethod
    def forward(ctx, streams: Tensor, pre: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(streams, pre)
        return sum_of_products(pre[..., None], streams.transpose(0, 1)), streams.view_as(streams)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, to_streams: Tensor) -> tuple[Tensor, Tensor]:
        streams, pre = ctx.saved_tensors
        to_streams = torch.addcmul(
            to_streams, pre.T[..., None], grad[:, None], out=torch.empty_like(streams)
        )
        return to_streams, torch.bmm(streams, grad[..., None])[..., 0].T


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
        if mixed:
            return torch.bmm(*mixed).addcmul_(post, output)
        return torch.addcmul(streams, post, output)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        post, output, *mixed = ctx.saved_tensors
        to_post = torch.bmm(grad, output.mT)[..., 0].T
        to_output = sum_of_products(post.unbind(1), grad.unbind(1))
        if not mixed:
            return grad.sum(1, keepdim=True), None, to_post, to_output
        res, streams = mixed
        to_res = torch.bmm(grad, streams.mT).permute(1, 2, 0)
        return torch.bmm(res.mT, grad), to_res, to_post, to_output


def logits(connection, x: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
    """The first `wanted` of 2 n + n^2 logits [., N], and x [N, n d], or [N, d] of copies."""
    n, bias = connection.streams, connection.bias[:wanted]
    if not connection.dynamic:
        return bias[:, None].expand(-1, len(x)), x
    sizes = (n, n, n * n)
    alpha = [part.expand(size) for part, size in zip(connection.alpha, sizes, strict=True)]
    alpha = torch.cat(alpha)[:wanted]
    phi = connection.phi[:, :wanted].unflatten(0, (-1, x.shape[1])).sum(0)
    if connection.kind == "mhc":
        return Project.apply(x, phi * alpha, bias)
    raw, x = Project.apply(x, phi, torch.zeros_like(bias))
    return torch.addcmul(bias[:, None], alpha[:, None], raw.tanh()), x


def full_precision(x: Tensor) -> AbstractContextManager:
    """Where autocast shortens numbers, the streams keep theirs; only F is calculated with few."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def connect(
    connection, streams: Tensor, function: Callable[[Tensor], Tensor], mean: bool = False
) -> Tensor:
    """mHC leaves H_res out where its constraint makes it idle. Of copies (streams [B, L, 1, d]) it
    makes copies, because its rows sum to 1; and it leaves the `mean` of the streams where it is,
    because its columns do. Twenty iterations make the columns nearly sum to 1, so there the formula
    differs by what they lack: see lesson 09.
    """
    n, mhc = connection.streams, connection.kind == "mhc"
    copies, mean_alone = mhc and streams.shape[2] == 1, mhc and mean
    streams = streams if copies else streams.expand(-1, -1, n, -1)
    batch, length, given, dim = streams.shape
    wanted = 2 * n if copies or mean_alone else 2 * n + n * n
    with full_precision(streams):
        rows, flat = logits(connection, streams.reshape(-1, given * dim), wanted)
        pre, post, res = rows.split([n, n, wanted - 2 * n])  # [n, N], [n, N], [0 or n * n, N]
        res = res.unflatten(0, (n, n)) if len(res) else None
        if mhc:
            pre, post = pre.sigmoid(), 2 * post.sigmoid()
            res = None if res is None else Sinkhorn.apply(res, connection.iterations)
        weights = pre.sum(0, keepdim=True) if copies else pre
        gathered, streams = Gather.apply(flat.view(-1, given, dim), weights)
    output = function(gathered.view(batch, length, dim)).reshape(-1, dim)
    if mean_alone:
        streams, post = streams.sum(1, keepdim=True) / given, post.mean(0, keepdim=True)
    with full_precision(streams):
        carried = Carry.apply(streams, res, post, output.to(streams)).view(batch, length, -1, dim)
    return carried.mean(2, keepdim=True) if mean and not mean_alone else carried
