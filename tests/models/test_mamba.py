"""SSD three times over, S6 against a loop, streaming, and what initialisation must leave alone."""

import math

import pytest
import torch
import torch.nn.functional as F

from tutorial_lib.errors import TutorialError
from tutorial_lib.kernels.scan import selective_scan as fast_scan
from tutorial_lib.models import base, mamba
from tutorial_lib.models.mamba import (
    CausalConv,
    SelectiveSSM,
    SSDBlock,
    linear_scan,
    segsum,
    selective_scan,
    ssd_chunked,
    ssd_matrix,
    ssd_recurrence,
)
from tutorial_lib.models.mamba4rec import Mamba4Rec

TIGHT = {"atol": 1e-11, "rtol": 1e-9}  # float64


def ssd_operands(length=23, batch=2, heads=3, width=4, state=5, seed=0):
    """x, delta, A, B, C, float64."""
    torch.manual_seed(seed)
    shapes = (
        (batch, length, heads, width),
        (batch, length, heads),
        (heads,),
        (batch, length, state),
        (batch, length, state),
    )
    x, delta, A, B, C = (torch.randn(*shape, dtype=torch.double) for shape in shapes)
    return [tensor.requires_grad_() for tensor in (x, F.softplus(delta), -F.softplus(A), B, C)]


def value_and_gradients(form, operands):
    y = form(*operands)
    weights = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y)
    return y, *torch.autograd.grad((y * weights).sum(), operands)


def assert_same(left, right):
    for ours, theirs in zip(left, right, strict=True):
        torch.testing.assert_close(ours, theirs, **TIGHT)


class TestLinearScan:
    def test_by_hand(self):
        a, b = torch.tensor([9.0, 0.5, 2.0]), torch.tensor([1.0, 1.0, -1.0])
        assert linear_scan(a, b).tolist() == [1.0, 1.5, 2.0]
        assert linear_scan(a, b, torch.tensor(1.0)).tolist() == [10.0, 6.0, 11.0]


class TestSelectiveScan:
    @staticmethod
    def loop(x, delta, A, B, C):
        """Equation by equation, number by number."""
        y = torch.zeros_like(x)
        for b in range(x.shape[0]):
            for d in range(x.shape[2]):
                h = torch.zeros_like(A[d])
                for t in range(x.shape[1]):
                    h = torch.exp(delta[b, t, d] * A[d]) * h + delta[b, t, d] * B[b, t] * x[b, t, d]
                    y[b, t, d] = (C[b, t] * h).sum()
        return y

    @staticmethod
    def operands(length=13, state=4):
        torch.manual_seed(0)
        shapes = (2, length, 3), (2, length, 3), (3, state), (2, length, state), (2, length, state)
        x, delta, A, B, C = (torch.randn(*shape, dtype=torch.double) for shape in shapes)
        return [tensor.requires_grad_() for tensor in (x, F.softplus(delta), -F.softplus(A), B, C)]

    def test_equals_the_loop_with_its_gradients(self):
        operands = self.operands()
        wanted = value_and_gradients(self.loop, operands)
        assert_same(value_and_gradients(selective_scan.__wrapped__, operands), wanted)
        for chunk in (1, 5, 13, 64):
            assert_same(
                value_and_gradients(
                    lambda *tensors, chunk=chunk: fast_scan(*tensors, chunk=chunk), operands
                ),
                wanted,
            )

    def test_keeps_less_for_the_gradient_than_the_states_would_take(self):
        operands, kept = self.operands(length=160, state=32), 0

        def count(tensor):
            nonlocal kept
            kept += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            fast_scan(*operands)
        whole = 2 * 160 * 3 * 32
        assert kept < whole
        kept = 0
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            # one chunk keeps its states: the count does see them
            fast_scan(*operands, chunk=160)
        assert kept > whole


class TestSSD:
    def test_matrix_is_masked_attention(self):
        """Entry (i, j) is C_i . B_j times what every step after j left over, and nothing above the
        diagonal.
        """
        x, delta, A, B, C = (tensor.detach() for tensor in ssd_operands(length=7, batch=1, heads=2))
        for head in range(2):
            weights = torch.zeros(7, 7, dtype=torch.double)
            for i in range(7):
                for j in range(i + 1):
                    kept = math.prod(
                        math.exp(delta[0, k, head] * A[head]) for k in range(j + 1, i + 1)
                    )
                    weights[i, j] = kept * (C[0, i] @ B[0, j])
            wanted = weights @ (delta[0, :, head, None] * x[0, :, head])
            torch.testing.assert_close(ssd_matrix(x, delta, A, B, C)[0, :, head], wanted, **TIGHT)
            torch.testing.assert_close(
                ssd_recurrence(x, delta, A, B, C)[0, :, head], wanted, **TIGHT
            )

    def test_recurrence_by_hand(self):
        """A step of log 2 with A = -1 halves the state: 1, then 1/2 + 3, each times log 2."""
        one = torch.ones(1, 2, 1, dtype=torch.double)
        x = torch.tensor([1.0, 3.0], dtype=torch.double).view(1, 2, 1, 1)
        y = ssd_recurrence(x, one * math.log(2), -one[0, 0], one, one)
        torch.testing.assert_close(
            y.flatten(), math.log(2) * torch.tensor([1.0, 3.5], dtype=torch.double), **TIGHT
        )

    @pytest.mark.parametrize("length", [1, 2, 16, 23])
    @pytest.mark.parametrize("chunk", [1, 2, 5, 8, 64])
    def test_chunks_matrix_and_recurrence_are_one(self, length, chunk):
        operands = ssd_operands(length)
        wanted = value_and_gradients(ssd_recurrence, operands)
        assert_same(value_and_gradients(ssd_matrix, operands), wanted)
        assert_same(
            value_and_gradients(lambda *tensors: ssd_chunked(*tensors, chunk=chunk), operands),
            wanted,
        )

    @pytest.mark.parametrize(
        "form", [ssd_recurrence, ssd_matrix, lambda *tensors: ssd_chunked(*tensors, chunk=4)]
    )
    def test_a_step_of_size_zero_is_no_event(self, form):
        """It adds nothing and forgets nothing: all others see the same as without it."""
        x, delta, A, B, C = (tensor.detach().clone() for tensor in ssd_operands(length=11))
        delta[:, 5] = 0
        others = torch.arange(11) != 5
        without = form(x[:, others], delta[:, others], A, B[:, others], C[:, others])
        torch.testing.assert_close(form(x, delta, A, B, C)[:, others], without, **TIGHT)
        delta[:, 5] = 0.5
        assert not torch.allclose(form(x, delta, A, B, C)[:, others], without)

    def test_the_future_changes_no_bit(self):
        operands = [tensor.detach() for tensor in ssd_operands(length=23)]
        changed = [tensor if tensor.dim() == 1 else tensor.clone() for tensor in operands]
        for tensor in changed:
            if tensor.dim() > 1:
                tensor[:, 13:] *= 3
        for form in (ssd_matrix, lambda *tensors: ssd_chunked(*tensors, chunk=8)):
            assert torch.equal(form(*operands)[:, :13], form(*changed)[:, :13])

    def test_segsum_keeps_small_sums_behind_large_ones(self):
        """float32: after steps that sum to -1e5, the difference of two cumulative sums knows later
        sums to 1/128 only.
        """
        a = -torch.cat([torch.full((100,), 1e3), torch.linspace(0.01, 0.02, 28)])
        exact, ours = segsum(a.double())[100:, 100:], segsum(a)[100:, 100:].double()
        total = a.cumsum(0)
        naive = (total[:, None] - total)[100:, 100:].double()
        seen = torch.ones(28, 28).tril(-1).bool()
        assert (ours - exact)[seen].abs().max() < 1e-6 < 1e-3 < (naive - exact)[seen].abs().max()
        assert (ours.masked_select(torch.ones(28, 28).triu(1).bool()) == -torch.inf).all()
        assert (ours.diagonal() == 0).all()

    def test_fast_forgetting_gives_finite_gradients(self):
        operands = [tensor.detach().float().requires_grad_() for tensor in ssd_operands()]
        with torch.no_grad():
            operands[2].fill_(-1e4)
        for chunk in (5, 64):
            for tensor in value_and_gradients(
                lambda *tensors, chunk=chunk: ssd_chunked(*tensors, chunk=chunk), operands
            ):
                assert tensor.isfinite().all()


def test_convolution_equals_torch():
    torch.manual_seed(0)
    conv, x = CausalConv(5, 3), torch.randn(2, 9, 5)
    torch.nn.init.normal_(conv.bias)
    torch.testing.assert_close(conv(x), torch_conv(conv, x), atol=1e-6, rtol=1e-5)


def torch_conv(conv, x):
    x = F.pad(x.transpose(1, 2), (len(conv.weight) - 1, 0))
    return F.conv1d(x, conv.weight.T[:, None], conv.bias, groups=x.shape[1]).transpose(1, 2)


def test_the_ssd_block_is_the_published_one():
    """Gate on the step before its bias, skip, RMSNorm after the gate: rebuilt from the equations,
    with torch's own operators.
    """
    torch.manual_seed(0)
    block, x = (
        SSDBlock(6, state=3, heads=2, chunk=4).double(),
        torch.randn(2, 9, 6, dtype=torch.double),
    )
    torch.nn.init.normal_(block.D), torch.nn.init.normal_(block.norm.weight)
    gate, projected = 2 * torch.rand(2, 9, 2, dtype=torch.double), x @ block.in_proj.weight.T
    z, dt = projected[..., :12], projected[..., 30:]
    inputs, B, C = F.silu(torch_conv(block.conv, projected[..., 12:30])).split((12, 3, 3), dim=-1)
    inputs = inputs.reshape(2, 9, 2, 6)
    y = ssd_recurrence(
        inputs, torch.log1p(torch.exp(dt * gate + block.step_bias)), -torch.exp(block.A_log), B, C
    )
    y = (y + block.D[None, None, :, None] * inputs).reshape(2, 9, 12) * z * torch.sigmoid(z)
    y = y / (y.square().mean(-1, keepdim=True) + 1e-5).sqrt() * block.norm.weight
    torch.testing.assert_close(block(x, gate), y @ block.out_proj.weight.T, **TIGHT)


def test_the_s6_block_is_the_published_one():
    torch.manual_seed(0)
    block, x = SelectiveSSM(20, state=3).double(), torch.randn(2, 9, 20, dtype=torch.double)
    torch.nn.init.normal_(block.D)
    projected = x @ block.in_proj.weight.T
    inputs, z = F.silu(torch_conv(block.conv, projected[..., :40])), projected[..., 40:]
    # rank: 20 / 16, rounded up
    low_rank, B, C = (inputs @ block.x_proj.weight.T).split((2, 3, 3), dim=-1)
    delta = torch.log1p(torch.exp(low_rank @ block.step_weight.T + block.step_bias))
    y = TestSelectiveScan.loop(inputs, delta, -torch.exp(block.A_log), B, C) + block.D * inputs
    torch.testing.assert_close(
        block(x), (y * z * torch.sigmoid(z)) @ block.out_proj.weight.T, **TIGHT
    )


@pytest.mark.parametrize("gated", [False, True])
def test_streaming_equals_the_full_pass(gated):
    torch.manual_seed(0)
    block, x = (
        SSDBlock(8, state=5, heads=2, conv=4, chunk=3).double(),
        torch.randn(3, 10, 8, dtype=torch.double),
    )
    gate = 2 * torch.rand(3, 10, 2, dtype=torch.double) if gated else None
    full, memory = block(x, gate), None
    for t in range(10):
        y, memory = block.step(x[:, t], memory, None if gate is None else gate[:, t])
        torch.testing.assert_close(y, full[:, t], **TIGHT)
    assert memory[0].shape == (3, 3, 26) and memory[1].shape == (3, 2, 8, 5)
    without_buffer, _ = block.step(
        x[:, 9], (torch.zeros_like(memory[0]), memory[1]), None if gate is None else gate[:, 9]
    )
    assert not torch.allclose(without_buffer, full[:, 9])


def test_the_time_gate_multiplies_the_step():
    torch.manual_seed(0)
    block, x = SSDBlock(8, heads=2), torch.randn(2, 6, 8)
    assert torch.equal(block(x, torch.ones(2, 6, 2)), block(x))
    gate = torch.ones(2, 6, 2)
    gate[:, 4] = 0
    changed = (block(x, gate) - block(x)).abs().amax(dim=(0, 2)) > 0
    assert changed.tolist() == [False] * 4 + [True] * 2


class TestInitialisation:
    def test_step_bias_inverts_softplus(self):
        torch.manual_seed(0)
        delta = F.softplus(mamba.initial_step_bias(4000))
        assert 1e-3 * 0.999 < delta.min() < 1.1e-3 and 0.09 < delta.max() < 0.1 * 1.001
        # log-uniform: the middle is the geometric mean; 4.5 sigma
        assert abs(delta.log().mean() - math.log(1e-2)) < 0.1

    @pytest.mark.parametrize("kind", ["ssd", "s6"])
    def test_survives_the_initialisation_of_the_model(self, kind):
        """A plain `nn.Linear` with that bias does not: after `apply(initialise)` its steps are
        softplus(0) = 0.69.
        """
        torch.manual_seed(0)
        model = Mamba4Rec(20, 10, 32, mixer=kind)
        for layer in model.layers:
            delta = F.softplus(layer.mixer.step_bias)
            assert (
                (delta > 0.999e-3).all()
                and (delta < 0.1001).all()
                and len(delta.unique()) == len(delta)
            )
            assert (layer.mixer.D == 1).all()
            if kind == "s6":
                assert torch.equal(
                    layer.mixer.A_log.exp().round(), torch.arange(1.0, 33).repeat(64, 1)
                )
                # uniform in +-1 / sqrt(2): 0.41, and 0.02 if overwritten
                assert layer.mixer.step_weight.std() > 0.3
            else:
                assert (layer.mixer.A_log >= 0).all() and (layer.mixer.A_log <= math.log(16)).all()
        lost = torch.nn.Linear(2, 64)
        lost.bias.data = mamba.initial_step_bias(64)
        assert (F.softplus(lost.apply(base.initialise).bias) > 0.69).all()

    @pytest.mark.parametrize("block", [SSDBlock, SelectiveSSM])
    def test_a_block_keeps_dtype_and_shape_and_is_causal(self, block):
        torch.manual_seed(0)
        mixer, x = block(12), torch.randn(2, 20, 12)
        later = torch.cat([x[:, :13], x[:, 13:] + 1], dim=1)
        assert mixer(x).shape == (2, 20, 12)
        assert torch.equal(mixer(later)[:, :13], mixer(x)[:, :13]) and not torch.equal(
            mixer(later)[:, 13], mixer(x)[:, 13]
        )


class TestMamba4Rec:
    @pytest.mark.parametrize("kind", ["ssd", "s6"])
    def test_overfits(self, kind):
        torch.manual_seed(0)
        model, items = (
            Mamba4Rec(9, 6, 16, mixer=kind, state=4, dropout=0.0),
            torch.randint(1, 10, (6, 7)),
        )
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for _ in range(80):
            scores = model.score(model(items[:, :-1]))[:, 2:, 1:]
            loss = F.cross_entropy(scores.flatten(0, 1), items[:, 3:].flatten() - 1)
            optimizer.zero_grad(), loss.backward(), optimizer.step()
        assert loss < 0.1

    def test_number_of_parameters(self):
        """d = 64: table, norm; in each block in_proj 324, conv 5 x 192, 3 x 4 heads, norm 128,
        out_proj, 2 norms, FFN.
        """
        block = 64 * 324 + 5 * 192 + 12 + 128 + 128 * 64 + 4 * 64 + 64 * 256 + 256 + 256 * 64 + 64
        assert sum(p.numel() for p in Mamba4Rec(100, 50).parameters()) == 101 * 64 + 128 + 2 * block

    def test_a_single_block_has_no_residual_around_the_mixer(self):
        assert [layer.residual for layer in Mamba4Rec(9, 6, 8, blocks=1).layers] == [False]
        assert [layer.residual for layer in Mamba4Rec(9, 6, 8, blocks=2).layers] == [True, True]

    @pytest.mark.parametrize(
        "options",
        [{"mixer": "s4"}, {"heads": 5}, {"chunk": 0}, {"state": 0}, {"conv": 0}, {"heads": 0}],
    )
    def test_refuses(self, options):
        with pytest.raises(TutorialError):
            Mamba4Rec(9, 6, 8, **options)
