"""Discretisation against matrix exponentials, three views of one recurrence, irregular steps, the
S5 layer.
"""

import math

import pytest
import torch
from torch.testing import assert_close

from tutorial_lib.errors import TutorialError
from tutorial_lib.models.base import initialise
from tutorial_lib.models.ssm import (
    METHODS,
    S5,
    StableEigenvalues,
    convolution,
    discretise,
    discretise_diagonal,
    event_steps,
    expm1,
    hippo_legs,
    hippo_normal,
    initial_eigenvalues,
    kernel,
    recurrence,
    scan,
)

EXACT = {"atol": 1e-12, "rtol": 1e-12}
# position and speed of a damped spring
SPRING = torch.tensor([[0.0, 1.0], [-4.0, -0.6]], dtype=torch.float64)
PUSH = torch.tensor([[0.0], [1.0]], dtype=torch.float64)


def eigenvalues(size=5):
    generator = torch.Generator().manual_seed(0)
    real, imag = torch.rand(2, size, dtype=torch.float64, generator=generator)
    return torch.complex(-0.1 - real, 6 * imag - 3)


def signals(batch, length, size=5, seed=1):
    """Decays and inputs [B, L, P], complex128."""
    generator = torch.Generator().manual_seed(seed)
    steps = 3 * torch.rand(batch, length, 1, dtype=torch.float64, generator=generator)
    inputs = torch.randn(batch, length, size, dtype=torch.complex128, generator=generator)
    return discretise_diagonal(eigenvalues(size), steps)[0], inputs


def layer(dim=6, state=4, seed=0):
    torch.manual_seed(seed)
    return S5(dim, state=state, min_step=0.1, max_step=1.0).double()


def events(batch=3, length=9, dim=6, seed=2):
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(batch, length, dim, dtype=torch.float64, generator=generator)
    return u, 2 * torch.rand(batch, length, dtype=torch.float64, generator=generator)


class TestDiscretise:
    def test_zoh_is_the_closed_form(self):
        for step in (0.01, 0.7, 5.0):
            A_bar, B_bar = discretise(SPRING, PUSH, step)
            assert_close(A_bar, torch.linalg.matrix_exp(SPRING * step), **EXACT)
            assert_close(B_bar, torch.linalg.solve(SPRING, (A_bar - torch.eye(2)) @ PUSH), **EXACT)

    def test_zoh_needs_no_inverse(self):
        # no spring at all: x = t^2 / 2
        free = torch.tensor([[0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
        A_bar, B_bar = discretise(free, PUSH, 3.0)
        assert_close(A_bar, torch.tensor([[1.0, 3.0], [0.0, 1.0]], dtype=torch.float64), **EXACT)
        assert_close(B_bar, torch.tensor([[4.5], [3.0]], dtype=torch.float64), **EXACT)

    @pytest.mark.parametrize(("method", "order"), [("euler", 2), ("bilinear", 3)])
    def test_order_of_the_error_of_one_step(self, method, order):
        def error(step):
            pairs = zip(
                discretise(SPRING, PUSH, step, method), discretise(SPRING, PUSH, step), strict=True
            )
            return [(one - exact).norm().item() for one, exact in pairs]

        for coarse, fine in zip(error(0.02), error(0.01), strict=True):
            assert math.log2(coarse / fine) == pytest.approx(order, abs=0.05)

    @pytest.mark.parametrize("method", METHODS)
    def test_diagonal_is_the_full_matrix_with_a_diagonal(self, method):
        values, steps = eigenvalues(), torch.tensor([0.0, 0.3, 2.0], dtype=torch.float64)
        decay, weight = discretise_diagonal(values, steps[:, None], method)
        A_bar, B_bar = discretise(
            torch.diag(values), torch.eye(5, dtype=values.dtype), steps, method
        )
        assert_close(torch.diag_embed(decay), A_bar, **EXACT)
        assert_close(torch.diag_embed(weight), B_bar, **EXACT)
        assert_close(discretise_diagonal(values, 0.3, method)[1], weight[1], **EXACT)
        # step 0: nothing happens
        assert torch.equal(decay[0], torch.ones(5, dtype=values.dtype)) and (weight[0] == 0).all()

    def test_two_half_steps_with_held_input_are_one(self):
        (a, b), (a2, b2) = discretise(SPRING, PUSH, 0.8), discretise(SPRING, PUSH, 0.4)
        assert_close(torch.stack([a2 @ a2]), torch.stack([a]), **EXACT)
        assert_close(a2 @ b2 + b2, b, **EXACT)
        step = torch.tensor(0.8, dtype=torch.float64)
        (a, b), (a2, b2) = (
            discretise_diagonal(eigenvalues(), step),
            discretise_diagonal(eigenvalues(), step / 2),
        )
        assert_close(a2 * a2, a, **EXACT)
        assert_close(a2 * b2 + b2, b, **EXACT)

    def test_unknown_method(self):
        for call in (
            lambda: discretise(SPRING, PUSH, 1.0, "rk4"),
            lambda: discretise_diagonal(eigenvalues(), PUSH, "rk4"),
        ):
            with pytest.raises(TutorialError, match="zoh, bilinear, euler"):
                call()

    def test_expm1_where_the_exponential_rounds_to_one(self):
        z = torch.complex(
            torch.tensor([-1e-9, -1e-4, -2.0, -90.0, 0.0]),
            torch.tensor([3e-9, -1e-5, 40.0, 1.0, 0.0]),
        )
        exact = torch.expm1(z.to(torch.complex128))
        assert_close(expm1(z), exact.to(torch.complex64), atol=0.0, rtol=1e-6)
        # and the obvious formula fails here
        assert (z.exp() - 1 - exact)[0].abs() > 0.1 * exact[0].abs()
        assert_close(expm1(z.real), torch.expm1(z.real))


class TestThreeViews:
    @pytest.mark.parametrize("batch", [2, 1000])  # 1,000 x 5: enough work for one block
    @pytest.mark.parametrize("length", [1, 2, 7, 50])
    def test_agree_for_equal_steps(self, batch, length):
        decay, inputs = signals(batch, length)
        decay = decay[0, 0]
        expected = recurrence(decay, inputs)
        assert_close(scan(decay, inputs), expected, **EXACT)
        assert_close(convolution(kernel(decay, length), inputs), expected, **EXACT)
        real = convolution(kernel(decay.abs(), length), inputs.real)
        assert not real.is_complex()
        assert_close(real, scan(decay.abs(), inputs.real), **EXACT)

    @pytest.mark.parametrize("batch", [2, 1000])
    def test_scan_and_its_gradient_for_unequal_steps(self, batch):
        for length in (1, 2, 16, 37):
            decay, inputs = (part.requires_grad_() for part in signals(batch, length))
            start = torch.randn(batch, 5, dtype=torch.complex128, requires_grad=True)
            grad = torch.randn_like(inputs)
            states, gradients = [], []
            for view in (scan, recurrence):
                states.append(view(decay, inputs, start))
                gradients.append(torch.autograd.grad(states[-1], (decay, inputs, start), grad))
            assert_close(*states, **EXACT)
            assert_close(*gradients, atol=1e-11, rtol=1e-11)

    def test_a_later_input_leaves_earlier_states_alone(self):
        decay, inputs = signals(2, 37)
        before, changed = scan(decay, inputs), inputs.clone()
        changed[:, 20:] += 1
        after = scan(decay, changed)
        assert (
            torch.equal(after[:, :20], before[:, :20]) and (after[:, 20:] != before[:, 20:]).all()
        )


class TestIrregularSteps:
    def test_a_spring_against_one_matrix_exponential_per_step(self):
        """Diagonal in complex numbers, [2, 2] in real ones: the same positions at the same
        irregular times.
        """
        values, vectors = torch.linalg.eig(SPRING)
        u, steps = events(dim=1)
        decay, weight = discretise_diagonal(values, steps[..., None])
        B = torch.linalg.solve(vectors, PUSH.to(vectors.dtype))[:, 0]
        ours = (scan(decay, weight * (u * B)) @ vectors.T).real
        state = torch.zeros(3, 2, dtype=torch.float64)
        for i in range(9):
            for row in range(3):
                A_bar = torch.linalg.matrix_exp(SPRING * steps[row, i])
                held = torch.linalg.solve(SPRING, (A_bar - torch.eye(2)) @ PUSH)[:, 0]
                state[row] = A_bar @ state[row] + held * u[row, i, 0]
            assert_close(ours[:, i], state, **EXACT)

    def test_a_step_of_zero_leaves_the_state_as_it_is(self):
        u, steps = events()
        steps[:, 4] = 0.0
        x = layer().states(u, steps)
        # the event adds nothing either: why event_steps starts at 1
        assert torch.equal(x[:, 4], x[:, 3])

    def test_a_gap_split_in_two_without_input(self):
        u, steps = events()
        u[:, 5] = 0
        whole = layer().states(u, steps)
        split = torch.cat(
            [steps[:, :5], 0.3 * steps[:, 5:6], 0.7 * steps[:, 5:6], steps[:, 6:]], dim=1
        )
        halves = layer().states(torch.cat([u[:, :6], u[:, 5:]], dim=1), split)
        assert_close(halves[:, 6:], whole[:, 5:], **EXACT)
        assert (halves[:, 5] - whole[:, 5]).abs().min() > 1e-6  # on the way it stands elsewhere

    def test_longer_gaps_leave_less(self):
        decay = layer().weights(torch.linspace(0, 20, 200, dtype=torch.float64))[0].abs()
        assert (decay[0] == 1).all() and (decay.diff(dim=0) < 0).all()

    def test_stable_whatever_training_does(self):
        u, steps = events(length=500)
        for seed in range(5):
            noisy = layer()
            torch.manual_seed(seed)
            with torch.no_grad():
                for parameter in noisy.eigenvalues.parameters():
                    parameter += 3 * torch.randn_like(parameter)
            decay, _ = noisy.weights(10 * steps)
            assert (noisy.eigenvalues().real < 0).all() and (decay.abs() <= 1 + 1e-15).all()
            states = noisy.states(u, 10 * steps).abs()
            # Held at its largest value for ever, the input brings no state beyond |B u| / |Re
            # eigenvalue|.
            bound = (noisy.project(u) / noisy.log_step.exp()).abs().amax(
                dim=(0, 1)
            ) / -noisy.eigenvalues().real
            assert (states <= bound * (1 + 1e-9)).all()


class TestInitialisation:
    def test_hippo_by_hand(self):
        A, B = hippo_legs(3)
        root = math.sqrt
        expected = [[-1, 0, 0], [-root(3), -2, 0], [-root(5), -root(15), -3]]
        assert_close(A, torch.tensor(expected, dtype=torch.float64))
        assert_close(B, torch.tensor([1, root(3), root(5)], dtype=torch.float64))

    def test_normal_part(self):
        A, N = hippo_legs(16)[0], hippo_normal(16)
        assert_close(N @ N.T, N.T @ N, **EXACT)
        assert (A @ A.T - A.T @ A).abs().max() > 1  # HiPPO itself is not normal
        assert torch.linalg.matrix_rank(N - A) == 1

    def test_eigenvalues(self):
        ours, all_of_them = initial_eigenvalues(8), torch.linalg.eigvals(hippo_normal(16))
        assert torch.equal(ours.real, torch.full((8,), -0.5)) and (ours.imag > 0).all()
        upper = all_of_them[all_of_them.imag > 0]
        assert_close(ours.imag.double(), upper.imag.sort().values, atol=1e-5, rtol=1e-5)
        assert_close(
            all_of_them.real, torch.full((16,), -0.5, dtype=torch.float64), atol=1e-10, rtol=0
        )
        assert initial_eigenvalues(3, "s4d-lin").tolist() == pytest.approx(
            [-0.5, -0.5 + math.pi * 1j, -0.5 + 2j * math.pi]
        )
        assert initial_eigenvalues(3, "s4d-real").tolist() == [-1, -2, -3]
        with pytest.raises(TutorialError, match="s4d-lin"):
            initial_eigenvalues(3, "s6")

    def test_survives_the_initialisation_of_a_model(self):
        torch.manual_seed(0)
        model = torch.nn.Sequential(S5(6))
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        model.apply(initialise)
        assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
        steps = before["0.log_step"].exp()
        assert steps.min() >= 1e-3 and steps.max() <= 0.1
        assert_close(StableEigenvalues(initial_eigenvalues(8))(), initial_eigenvalues(8))


class TestS5:
    def materialised(self, s5, u, steps):
        """y with the whole B_bar [B, L, P, H], one event after another."""
        scale = s5.log_step.exp()
        B, C = (
            torch.view_as_complex(s5.B.transpose(1, 2).contiguous()),
            torch.view_as_complex(s5.C).conj(),
        )
        z = s5.eigenvalues() * scale * steps[..., None]
        B_bar = ((z.exp() - 1) / s5.eigenvalues())[..., None] * B
        state, outputs = torch.zeros(len(u), len(scale), dtype=z.dtype), []
        for i in range(u.shape[1]):
            state = z[:, i].exp() * state + (B_bar[:, i] @ u[:, i, :, None].to(z.dtype))[..., 0]
            outputs.append((state @ C.T).real + s5.D * u[:, i])
        return torch.stack(outputs, dim=1)

    def test_output_and_gradients_are_those_of_the_materialised_form(self):
        s5, (u, steps) = layer(), events()
        u.requires_grad_(), steps.requires_grad_()
        wanted, results = [u, steps, *s5.parameters()], []
        for y in (s5(u, steps), self.materialised(s5, u, steps)):
            results.append([y, *torch.autograd.grad(y.sin().sum(), wanted)])
        assert_close(*results, atol=1e-10, rtol=1e-10)
        assert all((gradient != 0).any() for gradient in results[0])

    def test_gradcheck(self):
        s5, (u, steps) = layer(dim=2, state=2), events(batch=1, length=4, dim=2)
        assert torch.autograd.gradcheck(s5, (u.requires_grad_(), steps.requires_grad_()))
        assert torch.autograd.gradcheck(lambda u, now: s5(u, now, now + 0.1), (u, steps))

    def test_one_event_at_a_time_is_the_full_pass(self):
        s5, (u, steps) = layer(), events()
        state, outputs = torch.zeros(3, 4, dtype=torch.complex128), []
        for i in range(9):
            now = slice(i, i + 1)
            x = s5.states(u[:, now], steps[:, now], state)
            outputs.append(s5.read_out(x, u[:, now]))
            state = x[:, -1]
        assert_close(torch.cat(outputs, dim=1), s5(u, steps), **EXACT)

    def test_ahead_to_the_next_event_is_the_published_alignment(self):
        s5, (u, gaps) = layer(), events(length=10)
        u = u[:, :9]
        assert_close(s5(u, gaps[:, :9], gaps[:, 1:]), s5(u, gaps[:, 1:]), **EXACT)

    def test_ahead_of_one_query_changes_no_other(self):
        s5, (u, steps) = layer(), events()
        before, ahead = s5(u, steps, steps), steps.clone()
        ahead[:, 3] += 1
        after = s5(u, steps, ahead)
        same = torch.arange(9) != 3
        assert torch.equal(after[:, same], before[:, same]) and (after[:, 3] != before[:, 3]).all()


def test_event_steps():
    # float32 could not tell these seconds apart
    times = 1_700_000_000 + torch.tensor([[5, 5, 6, 6 + 3600]])
    steps, ahead = event_steps(times, times + 7200)
    assert_close(steps, 1 + torch.tensor([[0, 0, math.log1p(1 / 3600), math.log(2)]]))
    assert_close(ahead, torch.full((1, 4), 1 + math.log(3)))
    assert torch.equal(event_steps(times)[1], torch.ones(1, 4))
    with pytest.raises(TutorialError, match="int64"):
        event_steps(times.float())
