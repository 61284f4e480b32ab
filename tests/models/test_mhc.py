"""mHC: doubly stochastic to the tolerance that 20 iterations allow, plain residual where it must
be, alive where it must not.
"""

import math

import pytest
import torch
from torch import nn

from benchmarks.textbook_streams import unrolled_sinkhorn
from tutorial_lib import kernels
from tutorial_lib.errors import TutorialError
from tutorial_lib.kernels.streams import Sinkhorn
from tutorial_lib.losses import full_softmax
from tutorial_lib.models import build_model
from tutorial_lib.models.mhc import HyperConnection, sinkhorn
from tutorial_lib.models.sasrec import SASRec


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# worst cases known after 20 iterations
@pytest.mark.parametrize(("spread", "columns"), [(1, 1e-6), (2, 1e-3), (4, 5e-2)])
def test_rows_and_columns_sum_to_one(spread, columns):
    logits = (2 * torch.rand(5000, 4, 4, generator=torch.Generator().manual_seed(0)) - 1) * spread
    matrix = sinkhorn(logits)
    assert matrix.min() >= 0
    assert (matrix.sum(2) - 1).abs().max() < 1e-6
    assert (matrix.sum(1) - 1).abs().max() < columns


@pytest.mark.parametrize("n", [1, 2, 3, 4, 8])
def test_sinkhorn_is_the_plain_loop(n):
    logits = 2 * normal(50, n, n)
    for iterations in (1, 2, 20):
        torch.testing.assert_close(
            sinkhorn(logits, iterations),
            unrolled_sinkhorn(logits, iterations),
            atol=1e-13,
            rtol=1e-12,
        )


def test_sinkhorn_survives_huge_logits():
    matrix = sinkhorn(100 * normal(200, 4, 4).float())
    assert matrix.isfinite().all() and (matrix.sum(2) - 1).abs().max() < 1e-5
    with pytest.raises(AssertionError):  # where the plain loop does not
        assert unrolled_sinkhorn(100 * normal(200, 4, 4).float()).isfinite().all()


def test_the_implicit_gradient_is_that_of_the_limit():
    logits = normal(5, 4, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: sinkhorn(x, 300), logits, atol=1e-6)
    weights = normal(5, 4, 4, seed=1)
    ours, theirs = (
        torch.autograd.grad((f(logits) * weights).sum(), logits)[0]
        for f in (sinkhorn, unrolled_sinkhorn)
    )
    # 20 iterations are near enough to the limit here
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=2e-3)


def test_a_gradient_that_is_the_same_for_all_rows_is_zero_by_the_long_way_too():
    logits, shared = normal(5, 4, 4).permute(1, 2, 0), normal(1, 4, 5).expand(4, -1, -1)
    for grad in (shared, shared.contiguous()):
        given = logits.clone().requires_grad_()
        Sinkhorn.apply(given, 20).backward(grad)
        assert given.grad.abs().max() < 1e-12


@pytest.mark.parametrize("dynamic", [True, False])
def test_one_stream_stands_for_copies(dynamic):
    one, x, weight = (
        connection(dynamic=dynamic),
        normal(2, 5, 8).requires_grad_(),
        normal(2, 5, 4, 8, seed=1),
    )
    with torch.no_grad():
        one.bias += normal(24)
    results = []
    for streams in (x[:, :, None], x[:, :, None].repeat(1, 1, 4, 1)):
        output = one(streams, torch.tanh)
        results.append(
            [output, *torch.autograd.grad((output * weight).sum(), [x, *one.parameters()])]
        )
    for cheap, plain in zip(*results, strict=True):
        torch.testing.assert_close(cheap, plain, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("dynamic", [True, False])
def test_the_mean_needs_no_mixing(dynamic):
    """H_res is left out where only the mean of the streams counts: the same where Sinkhorn has come
    to its end.
    """
    one, streams, weight = (
        connection(dynamic=dynamic),
        normal(2, 5, 4, 8).requires_grad_(),
        normal(2, 5, 1, 8, seed=1),
    )
    one.iterations = 300
    with torch.no_grad():
        one.bias += normal(24)
    results = []
    for output in (
        one(streams, torch.tanh, mean=True),
        one(streams, torch.tanh).mean(2, keepdim=True),
    ):
        results.append(
            [output, *torch.autograd.grad((output * weight).sum(), [streams, *one.parameters()])]
        )
    for cheap, plain in zip(*results, strict=True):
        torch.testing.assert_close(cheap, plain, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("streams", [2, 4])
def test_the_network_equals_the_formula_with_gradients(streams):
    model = build_model(
        "sasrec_mhc", num_items=20, max_len=8, dim=8, dropout=0.0, streams=streams
    ).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("alpha", "phi")):
                parameter.mul_(5)
    items = torch.randint(1, 21, (4, 8), generator=torch.Generator().manual_seed(0))
    results, gradients = [], []
    for on in (True, False):
        with kernels.use(on):
            results.append(model(items))
        total = (results[-1] * normal(*results[-1].shape)).sum()
        gradients.append(torch.autograd.grad(total, list(model.parameters())))
    # without the last H_res: its columns nearly sum to 1
    torch.testing.assert_close(*results, atol=1e-6, rtol=0)
    for got, want in zip(*gradients, strict=True):
        scale = want.abs().max()
        assert scale > 0
        # limit against 20 steps
        torch.testing.assert_close(got / scale, want / scale, atol=1e-3, rtol=0)


def connection(streams=4, dim=8, seed=0, **options):
    torch.manual_seed(seed)
    return HyperConnection(dim, streams, **options).double()


def gain(matrix):
    """Largest amplification of a signal, forwards (row sums) or backwards (column sums)."""
    return max(matrix.abs().sum(-1).max().item(), matrix.abs().sum(-2).max().item())


def composite(kind, layers=50, spread=1.0, seed=0):
    """Gain of the product of the H_res of `layers` connections whose biases were moved at random,
    as training moves them.
    """
    total = torch.eye(4, dtype=torch.float64)
    for layer in range(layers):
        one = connection(seed=layer + 1000 * seed, kind=kind, dynamic=False)
        with torch.no_grad():
            one.bias += spread * normal(24, seed=layer + 1000 * seed + 7)
            one.bias += 0.01 * normal(24, seed=layer)
            total = one.mappings(normal(1, 1, 4, 8)).res[0, 0] @ total
    return gain(total)


@pytest.mark.parametrize("seed", range(3))
def test_after_fifty_layers_the_gain_of_mhc_is_bounded_and_that_of_hc_is_not(seed):
    assert 1 - 1e-9 < composite("mhc", seed=seed) < 1.05
    assert composite("hc", seed=seed, spread=0.3) > 20


def test_at_the_start_the_mean_of_the_streams_is_the_plain_network():
    """Exactly for alpha = 0, whatever doubly stochastic matrices stand in the biases: rows sum to
    1.
    """
    for kind in ("mhc", "hc"):
        hyper = build_model(
            "sasrec_mhc", num_items=20, max_len=8, dim=8, blocks=3, dropout=0.0, kind=kind
        ).double()
        plain = SASRec(20, 8, 8, blocks=3, dropout=0.0).double()
        plain.load_state_dict(
            {
                name.replace(".block.", "."): value
                for name, value in hyper.state_dict().items()
                if ".around_" not in name
            }
        )
        items = torch.randint(1, 21, (4, 8), generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            for name, parameter in hyper.named_parameters():
                if name.endswith("alpha"):
                    parameter.zero_()
                if name.endswith("bias") and "around" in name and kind == "mhc":
                    parameter[8:] += normal(16, seed=len(name))
        torch.testing.assert_close(hyper(items), plain(items), atol=1e-9, rtol=1e-9)
        with torch.no_grad():
            for name, parameter in hyper.named_parameters():
                if name.endswith("alpha"):
                    parameter.fill_(1.0)
        # and it is not the plain network for ever
        assert (hyper(items) - plain(items)).abs().max() > 1e-3


def test_one_stream_is_the_plain_residual():
    one = build_model("sasrec_mhc", num_items=20, max_len=8, dim=8, streams=1, dropout=0.0)
    plain = SASRec(20, 8, 8, dropout=0.0)
    plain.load_state_dict(
        {name.replace(".block.", "."): value for name, value in one.state_dict().items()}
    )
    items = torch.randint(1, 21, (4, 8), generator=torch.Generator().manual_seed(0))
    assert torch.equal(one(items), plain(items))


class Collapsing(nn.Module):
    """The birth defect of a public implementation: streams copied at the door of every sub-layer
    and summed at its exit.
    """

    def __init__(self, inner: HyperConnection):
        super().__init__()
        self.inner = inner

    def forward(self, x, function):
        return self.inner(x[:, :, None].expand(-1, -1, 4, -1), function).sum(2)


def res_gradient(forward):
    """Largest gradient of the static logits of H_res, against the largest of the others."""
    one = connection()
    forward(one).square().sum().backward()
    return one.bias.grad[8:].abs().max().item() / one.bias.grad[:8].abs().max().item()


def test_persistent_streams_give_the_residual_matrix_a_gradient_and_collapsing_ones_do_not():
    x, weight = normal(2, 5, 8), normal(8, 8, seed=1)

    def function(part):
        return (part @ weight).tanh()

    def persistent(one):
        streams = x[:, :, None] + normal(2, 5, 4, 8, seed=3)
        return (one(streams, function) * torch.arange(1.0, 5.0)[:, None]).sum(2)

    assert res_gradient(persistent) > 1e-2
    assert res_gradient(lambda one: Collapsing(one)(x, function)) < 1e-10
    one = connection()
    pre, post, _ = one.mappings(x[:, :, None].expand(-1, -1, 4, -1))
    gathered, total = pre.sum(2, keepdim=True), post.sum(2, keepdim=True)  # [2, 5, 1]
    # n x + g f: no H_res
    torch.testing.assert_close(Collapsing(one)(x, function), 4 * x + total * function(gathered * x))


def trained_streams(phi_scale):
    """Streams of a network after a few steps, and the gradient that H_res of its second connection
    gets.
    """
    model = build_model("sasrec_mhc", num_items=20, max_len=8, dim=8, blocks=2, dropout=0.0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("phi"):
                parameter.mul_(phi_scale)
    items = torch.randint(1, 21, (8, 9), generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(30):
        states = model(items[:, :-1])
        loss = full_softmax(
            states.flatten(0, 1), model.item_embedding.weight, items[:, 1:].flatten()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    kept, last = [], model.blocks[-1].around_feed_forward
    # asked for all streams, not for their mean
    hook = last.register_forward_pre_hook(lambda one, given: kept.append(one.connect(*given[:2])))
    with torch.no_grad():
        model(items[:, :-1])
    hook.remove()
    distance = (kept[0] - kept[0].mean(2, keepdim=True)).norm() / kept[0].norm()
    return distance.item(), model.blocks[0].around_feed_forward.bias.grad[8:].abs().max().item()


def test_streams_diverge_unless_born_alike():
    distance, gradient = trained_streams(1.0)
    assert distance > 1e-3 and gradient > 1e-7
    # equal biases and no dynamic part: the streams have no reason to differ
    alike, _ = trained_streams(0.0)
    assert alike < 1e-5


def test_renaming_the_streams_changes_nothing():
    one = connection()
    with torch.no_grad():
        one.bias += normal(24)
        one.alpha.fill_(1.0)
    streams, order = normal(2, 3, 4, 8), torch.tensor([2, 0, 3, 1])
    renamed = connection()
    places = torch.cat([order, 4 + order, (8 + 4 * order[:, None] + order).flatten()])
    with torch.no_grad():
        renamed.alpha.copy_(one.alpha), renamed.bias.copy_(one.bias[places])
        renamed.phi.copy_(one.phi.view(4, 8, 24)[order].reshape(32, 24)[:, places])
    before = one(streams, torch.tanh)
    torch.testing.assert_close(
        renamed(streams[:, :, order], torch.tanh), before[:, :, order], atol=1e-9, rtol=1e-9
    )
    assert not torch.allclose(one(streams[:, :, order], torch.tanh), before[:, :, order])


def test_the_mappings_start_as_stated():
    one = connection()
    pre, post, res = one.mappings(0 * normal(1, 1, 4, 8))
    torch.testing.assert_close(pre, torch.full_like(pre, 0.25))
    torch.testing.assert_close(post, torch.ones_like(post))
    diagonal = 1 / (1 + 3 * math.exp(-3))
    # 0.87
    torch.testing.assert_close(
        res[0, 0].diagonal(), torch.full((4,), diagonal, dtype=torch.float64)
    )


@pytest.mark.parametrize("name", ["sasrec_mhc", "tisasrec_mhc"])
def test_static_and_unconstrained_variants_train(name):
    for options in ({"dynamic": False}, {"kind": "hc"}, {"streams": 2}):
        model = build_model(name, num_items=20, max_len=8, dim=8, **options)
        items = torch.randint(1, 21, (4, 8), generator=torch.Generator().manual_seed(0))
        states = model(items, items.cumsum(1) * 3600)
        states.square().sum().backward()
        dead = [label for label, parameter in model.named_parameters() if parameter.grad is None]
        assert dead == []


@pytest.mark.parametrize("wrong", [{"streams": 0}, {"kind": "free"}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(TutorialError, match="mhc or hc"):
        build_model("sasrec_mhc", num_items=5, max_len=5, dim=8, **wrong)
