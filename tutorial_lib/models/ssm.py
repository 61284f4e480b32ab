"""Linear state spaces: from continuous to discrete time, three views of one recurrence, and the S5
layer with irregular steps.

    letter         meaning                              shape              in the papers
    u, y           input and output of the layer        [B, L, H]          u, y (H channels)
    x              the state                            [B, L, P] complex  x (P numbers)
    A, eigenvalues how the state moves by itself        [P, P] or [P]      A, Lambda
    B, C, D        how u enters, x is read, u passes    [P, H], [H, P], [H]
    step           how long it moves                    [B, L]             Delta
    decay, weight  A-bar and B-bar / B of a diagonal A  [B, L, P]          Lambda-bar

    x'(t) = A x(t) + B u(t),  y = C x + D u        held between events: x_i = decay_i x_{i-1} +
                                                                        weight_i B u_i
Sources: Gu et al., S4, ICLR 2022, and S4D, NeurIPS 2022; Smith et al., S5, ICLR 2023. Taught
in lessons 10 and 13.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib import kernels
from tutorial_lib.data.sequences import GapStatistics, gap_feature
from tutorial_lib.errors import TutorialError

METHODS = ("zoh", "bilinear", "euler")


def discretise(
    A: Tensor, B: Tensor, step: Tensor | float, method: str = "zoh"
) -> tuple[Tensor, Tensor]:
    """One step of length `step` of x' = A x + B u with u held: x -> A_bar x + B_bar u. S4, section
    2.3 and eq. 3 ("bilinear"); Mamba, eq. 4 ("zoh"). Taught in lesson 10.

    A [P, P], B [P, H], step [...] -> A_bar [..., P, P], B_bar [..., P, H]. "zoh" (zero-order hold)
    is exact, from one matrix exponential of [[A, B], [0, 0]], so A need not have an inverse;
    "bilinear" errs by step^3, "euler" by step^2.
    """
    step = torch.as_tensor(step, dtype=A.dtype, device=A.device)[..., None, None]
    size, eye = len(A), torch.eye(len(A), dtype=A.dtype, device=A.device)
    if method == "zoh":
        both = F.pad(torch.cat([A, B], dim=1), (0, 0, 0, B.shape[1]))  # [P + H, P + H]
        both = torch.linalg.matrix_exp(both * step)
        return both[..., :size, :size], both[..., :size, size:]
    if method == "bilinear":
        return torch.linalg.solve(eye - step / 2 * A, eye + step / 2 * A), torch.linalg.solve(
            eye - step / 2 * A, step * B
        )
    if method == "euler":
        return eye + step * A, step * B
    raise TutorialError(
        "unknown discretisation {method!r}: choose one of {methods}",
        method=method,
        methods=", ".join(METHODS),
    )


def discretise_diagonal(
    eigenvalues: Tensor, step: Tensor | float, method: str = "zoh"
) -> tuple[Tensor, Tensor]:
    """The same for a diagonal A: x -> decay x + weight (B u), element by element. Mamba, eq. 4.
    Taught in lessons 10 and 13.

    eigenvalues [P], real or complex, none 0; step real, broadcast against [..., P] -> decay, weight
    [..., P]. For "zoh" they are e^z and (e^z - 1) / eigenvalue with z = eigenvalue * step; at step
    0 they are 1 and 0. Mamba takes the decay of "zoh" and the weight of "euler".
    """
    z = eigenvalues * step
    if method == "zoh":
        growth = expm1(z)
        return growth + 1, growth * (1 / eigenvalues)  # P divisions instead of one for every event
    if method == "bilinear":
        return (1 + z / 2) / (1 - z / 2), step / (1 - z / 2)
    if method == "euler":
        return 1 + z, step * torch.ones_like(z)
    raise TutorialError(
        "unknown discretisation {method!r}: choose one of {methods}",
        method=method,
        methods=", ".join(METHODS),
    )


@kernels.fast(kernels.scan.expm1)
def expm1(z: Tensor) -> Tensor:
    """e^z - 1, precise near 0 where e^z rounds to 1. z real or complex, of any shape."""
    return torch.expm1(z)


def recurrence(decay: Tensor, inputs: Tensor, state: Tensor | None = None) -> Tensor:
    """x_i = decay_i x_{i-1} + inputs_i, one event after another. inputs [B, L, P], decay broadcast
    to it -> x [B, L, P]. S4, eq. 3; Mamba, eq. 2. Taught in lesson 10.

    `state` [B, P] is x before the first event (default 0).
    """
    decay, states = decay.expand_as(inputs), []
    for i in range(inputs.shape[1]):
        state = inputs[:, i] if state is None else decay[:, i] * state + inputs[:, i]
        states.append(state)
    return torch.stack(states, dim=1)


scan = kernels.fast(kernels.scan.scan)(recurrence)  # what the models call


def kernel(decay: Tensor, length: int) -> Tensor:
    """What is left of an input after 0 .. length - 1 equal steps: decay^i. [P] -> [length, P]. S4,
    eq. 5. Taught in lesson 10.
    """
    return decay ** torch.arange(length, device=decay.device)[:, None]


def convolution(kernel: Tensor, inputs: Tensor) -> Tensor:
    """y_i = sum over j <= i of kernel_{i-j} inputs_j, by FFT. kernel [L, P], inputs [B, L, P] ->
    [B, L, P]. S4, eq. 4. Taught in lesson 10.

    Only for equal steps: then the states are convolution(kernel(decay, L), inputs).
    """
    # twice the length: what runs over the end must not come in again at the start
    size = 2 * inputs.shape[1]
    product = torch.fft.fft(kernel, size, dim=0) * torch.fft.fft(inputs, size, dim=1)
    y = torch.fft.ifft(product, dim=1)[:, : inputs.shape[1]]
    return y if kernel.is_complex() or inputs.is_complex() else y.real


def hippo_legs(size: int) -> tuple[Tensor, Tensor]:
    """HiPPO-LegS, A [N, N], B [N]: Legendre coefficients of the whole past. S4, eq. 2. float64.
    Taught in lesson 10.
    """
    root = torch.sqrt(2 * torch.arange(size, dtype=torch.float64) + 1)  # sqrt(2 n + 1)
    diagonal = torch.arange(1.0, size + 1, dtype=torch.float64)
    return -torch.tril(root[:, None] * root, -1) - torch.diag(diagonal), root


def hippo_normal(size: int) -> Tensor:
    """What a unitary matrix makes diagonal: A + p p^T, p_n = sqrt(n + 1/2). S4, appendix C.1."""
    A, root = hippo_legs(size)
    return A + root[:, None] * root / 2


def initial_eigenvalues(size: int, start: str = "s5") -> Tensor:
    """Eigenvalues [P] complex to start from.

    "s5": those of the normal part of HiPPO with positive imaginary part (2 P of them in conjugate
    pairs, all real parts -1/2); "s4d-lin": -1/2 + i pi n; "s4d-real": -(n + 1), n = 0 .. P - 1.
    """
    n = torch.arange(size)
    if start == "s5":
        # eigenvalues i w with w real
        skew = hippo_normal(2 * size) + 0.5 * torch.eye(2 * size, dtype=torch.float64)
        omega = torch.linalg.eigvalsh(-1j * skew)[size:].float()
    elif start == "s4d-lin":
        omega = math.pi * n
    elif start == "s4d-real":
        return torch.complex(-(n + 1.0), torch.zeros(size))
    else:
        raise TutorialError(
            "unknown eigenvalues {start!r}: choose 's5', 's4d-lin' or 's4d-real'", start=start
        )
    return torch.complex(torch.full((size,), -0.5), omega)


class StableEigenvalues(nn.Module):
    """-exp(nu) + i omega [P]: whatever training does, the real part stays negative."""

    def __init__(self, start: Tensor):
        super().__init__()
        self.nu = nn.Parameter(torch.log(-start.real))
        self.omega = nn.Parameter(start.imag.clone())

    def forward(self) -> Tensor:
        return torch.complex(-self.nu.exp(), self.omega)


class S5(nn.Module):
    """One state of P complex numbers for all H channels, with a step of its own at every position.
    [B, L, H] -> [B, L, H].

    Every state number has its own clock: `steps` are multiplied by exp(log_step). The weights of a
    step differ from position to position, but B need not: B u is one matrix product, the weights
    then multiply its P numbers. The published port builds the product of weights and B first, [B,
    L, P, H]. B [P, 2, H] and C [H, P, 2] are complex, kept as pairs of real numbers, the second of
    C with its sign turned, so that Re(C x) is one product of real matrices. They are no
    `nn.Linear`, so `apply(initialise)` leaves their scale alone.
    """

    def __init__(self, dim: int, *, state: int = 32, min_step: float = 1e-3, max_step: float = 0.1):
        super().__init__()
        self.eigenvalues = StableEigenvalues(initial_eigenvalues(state))
        self.log_step = nn.Parameter(
            torch.empty(state).uniform_(math.log(min_step), math.log(max_step))
        )
        self.B = nn.Parameter(torch.randn(state, 2, dim) / (2 * dim) ** 0.5)
        self.C = nn.Parameter(torch.randn(dim, state, 2) / state**0.5)
        self.D = nn.Parameter(torch.randn(dim))

    def project(self, u: Tensor) -> Tensor:
        """B u on the clock of each state number. [B, L, H] -> complex [B, L, P]."""
        B = self.B * self.log_step.exp()[:, None, None]
        return torch.view_as_complex((u @ B.flatten(0, 1).T).unflatten(-1, (-1, 2)))

    def weights(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        """decay and weight [B, L, P] of steps [B, L]."""
        return discretise_diagonal(self.eigenvalues() * self.log_step.exp(), steps[..., None])

    def states(self, u: Tensor, steps: Tensor, state: Tensor | None = None) -> Tensor:
        """x_i = decay_i x_{i-1} + weight_i B u_i, complex [B, L, P]; `state` [B, P] is x_0."""
        decay, weight = self.weights(steps)
        return scan(decay, weight * self.project(u), state)

    def states_ahead(self, u: Tensor, steps: Tensor, ahead: Tensor) -> Tensor:
        """The state `ahead` after each event, its input held until then. steps [B, L]: since the
        event before; ahead [B, L].

        Where ahead is the step to the next event, these are `states(u, ahead)`. It may also be
        less, or unknown to the next.
        """
        Bu = self.project(u)
        decay, weight = self.weights(steps)
        # just before event i: event i - 1 was held
        arrived = scan(decay, weight * F.pad(Bu[:, :-1], (0, 0, 1, 0)))
        decay, weight = self.weights(ahead)
        return decay * arrived + weight * Bu

    def read_out(self, x: Tensor, u: Tensor) -> Tensor:
        """y = Re(C x) + D u."""
        return torch.view_as_real(x).flatten(-2) @ self.C.flatten(1).T + self.D * u

    def forward(self, u: Tensor, steps: Tensor, ahead: Tensor | None = None) -> Tensor:
        """-> y [B, L, H], read at each event or, with `ahead`, that long after it."""
        x = self.states(u, steps) if ahead is None else self.states_ahead(u, steps, ahead)
        return self.read_out(x, u)


def event_steps(times: Tensor, query_times: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """1 + log1p(gap / 1 h), since the event before and until the query; both float32 [B, L]. times
    int64 seconds.

    The 1 is what an event counts by itself. So events at the same second enter the state like any
    others (with a step of 0 they would have the weight 0), and a clock that stands still leaves the
    ordinary model with its equal steps. Raw seconds would wipe the state out within an hour.
    Without query_times the query is at the event itself.
    """
    asked = times if query_times is None else query_times
    since, until = gap_feature(times, asked, stats=GapStatistics(0.0, 1.0))
    return 1 + since, 1 + until
