"""Every fast form against the formula it stands for, and every gradient written by hand."""

import importlib
import inspect
import pkgutil
import types
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.models.test_interface import histories, make
from tutorial_lib import kernels, losses, models
from tutorial_lib.errors import TutorialError
from tutorial_lib.kernels import scan, softmax, streams
from tutorial_lib.models import MODELS, build_model
from tutorial_lib.models.base import dropout
from tutorial_lib.models.mf import NeuMF
from tutorial_lib.models.mhc import HyperConnection

ROUNDS = 300  # of Sinkhorn: nothing is left over, what 20 leave over is a test of its own


def modules_of(package) -> list:
    names = (found.name for found in pkgutil.iter_modules(package.__path__))
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=dtype).requires_grad_()


def decays(*shape: int, seed: int = 0) -> Tensor:
    """Complex, inside the unit circle."""
    return (normal(*shape, seed=seed, dtype=torch.complex128).detach().tanh() / 2).requires_grad_()


def attended(heads: int = 2, length: int = 5) -> list[Tensor]:
    return [normal(2, heads, length, 3, seed=seed) for seed in range(3)]


def selective(length: int) -> tuple[Tensor, ...]:
    delta, A = (
        part.detach().abs().requires_grad_() for part in (normal(2, length, 3), normal(3, 4))
    )
    B, C = normal(2, length, 4, seed=1), normal(2, length, 4, seed=2)
    return normal(2, length, 3, seed=3), delta, -A, B, C


def connection(n: int = 3, dim: int = 2, **options) -> HyperConnection:
    torch.manual_seed(0)
    made = HyperConnection(dim, n, **options).double()
    made.iterations = ROUNDS
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.5 * torch.randn_like(parameter)
    return made


def tanh_of(x: Tensor) -> Tensor:
    return (x @ torch.tensor([[0.5, -1.0], [2.0, 0.3]], dtype=x.dtype)).tanh()


def pairs(states: tuple[int, ...], vectors: tuple[int, ...], unknown: bool = False) -> tuple:
    """`unknown`: the first user was never trained, and has a row of zeros."""
    torch.manual_seed(0)
    model = NeuMF(5, 3, 8, num_users=2).double()
    for layer in model.layers:
        nn.init.constant_(layer.bias, 0.5)  # at 0 a ReLU behind dead ones stands on its kink
    users = normal(*states)
    if unknown:  # there the value jumps, and has no gradient
        users = users.detach()
        users[0] = 0
    return model, users, normal(*vectors, seed=1)


# the name of a fast form -> makers of arguments; it is compared in all that asks for a gradient
CASES: dict[str, list[Callable[[], tuple]]] = {
    "softmax.full_softmax": [
        lambda: (normal(7, 3), normal(5, 3), torch.tensor([1, 4, 2, 2, 1, 3, 4]))
    ],
    "attention.causal_attention": [lambda: tuple(attended()), lambda: tuple(attended(1, 1))],
    "attention.interval_attention": [
        lambda: (*attended(), normal(2, 4, 3), normal(2, 4, 3), torch.arange(50).view(2, 5, 5) % 4)
    ],
    "scan.expm1": [lambda: (normal(6, dtype=torch.complex128),), lambda: (normal(6),)],
    "scan.scan": [
        lambda: (decays(2, 7, 3), normal(2, 7, 3, dtype=torch.complex128)),
        lambda: (decays(3), normal(2, 7, 3, dtype=torch.complex128), decays(2, 3, seed=1)),
        lambda: (normal(1, 1, 3), normal(2, 4, 3)),
    ],
    "scan.linear_scan": [
        lambda: (normal(5, 2), normal(5, 2)),
        lambda: (normal(5, 2), normal(5, 2, seed=1), normal(2)),
        lambda: (normal(1, 2), normal(1, 2), normal(2)),
    ],
    "scan.selective_scan": [lambda: selective(3), lambda: selective(19)],  # one chunk, and three
    "pairs.interact": [
        lambda: pairs((3, 8), (6, 8)),
        lambda: pairs((2, 8), (2, 4, 8)),
        lambda: pairs((3, 8), (6, 8), unknown=True),
    ],
    "streams.sinkhorn": [lambda n=n: (normal(3, n, n), ROUNDS) for n in (2, 4)],
    "streams.connect": [
        lambda options=options, mean=mean, given=given: (
            connection(**options),
            normal(1, 2, given, 2, seed=1),
            tanh_of,
            mean,
        )
        for options in ({}, {"kind": "hc"}, {"dynamic": False})
        for mean, given in ((False, 3), (True, 3), (False, 1), (True, 1))
    ],
}
ARGUMENTS = [
    pytest.param(name, make, id=f"{name}-{i}")
    for name, makers in CASES.items()
    for i, make in enumerate(makers)
]
FORMULAS = {
    f"{thing.kernel.__module__.rpartition('.')[2]}.{thing.kernel.__name__}": thing
    for module in (losses, *modules_of(models))
    for owner in (module, *(t for t in vars(module).values() if isinstance(t, type)))
    for thing in vars(owner).values()
    if hasattr(thing, "kernel")
}
BY_OTHER_NUMBERS = {"dropout.dropout"}  # compared in distribution, below
BY_HAND_ONLY = r"compute inside `with tutorial_lib.kernels.use\(False\):`"


def learned(arguments: tuple) -> list[Tensor]:
    """The tensors that ask for a gradient, those of modules included."""
    tensors = [t for t in arguments if isinstance(t, Tensor) and t.requires_grad]
    for module in (part for part in arguments if isinstance(part, nn.Module)):
        tensors += module.parameters()
    return tensors


def value_and_gradients(form: Callable, arguments: tuple) -> list[Tensor]:
    value = form(*arguments)
    weights = normal(*value.shape, seed=9, dtype=value.dtype).detach()
    total = (value * weights).sum()
    total = total.real if total.is_complex() else total
    return [value, *torch.autograd.grad(total, learned(arguments), materialize_grads=True)]


def single(argument):
    """The same argument in single precision."""
    if isinstance(argument, nn.Module):
        return argument.float()
    if not isinstance(argument, Tensor) or not torch.is_floating_point(argument.abs()):
        return argument
    dtype = torch.complex64 if argument.is_complex() else torch.float32
    return argument.detach().to(dtype).requires_grad_(argument.requires_grad)


def few_rounds(argument):
    """The same argument with 3 rounds of Sinkhorn: any number has a gradient of the gradient."""
    if isinstance(argument, HyperConnection):
        argument.iterations = 3
    return 3 if argument is ROUNDS else argument


def test_every_fast_form_is_held_to_its_formula():
    assert set(FORMULAS) == set(CASES) | BY_OTHER_NUMBERS


def hold(kernel: Callable, formula: Callable, make: Callable[[], tuple]) -> None:
    """Value and all gradients of a fast form are those of its formula, in two precisions."""
    for convert, tolerance in ((lambda x: x, 1e-9), (single, 2e-5)):
        arguments = tuple(map(convert, make()))
        fast, plain = (value_and_gradients(form, arguments) for form in (kernel, formula))
        assert any(part.abs().max() > 0 for part in plain[1:])
        for ours, theirs in zip(fast, plain, strict=True):
            torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=10 * tolerance)


@pytest.mark.parametrize(("name", "make"), ARGUMENTS)
class TestFastForms:
    def test_value_and_gradients(self, name, make):
        formula = FORMULAS[name]
        assert formula.kernel is not formula.__wrapped__
        hold(formula.kernel, formula.__wrapped__, make)

    def test_gradient_against_finite_differences(self, name, make):
        arguments = make()
        form = FORMULAS[name].kernel
        assert torch.autograd.gradcheck(lambda *_: form(*arguments), learned(arguments))

    def test_gradient_of_the_gradient(self, name, make):
        """Right by the formula; an error, and no wrong number, where a gradient is written by hand."""
        formula, arguments = FORMULAS[name], make()

        def second(*_) -> list[Tensor]:
            total = formula(*arguments).abs().square().sum()
            first = torch.autograd.grad(
                total, learned(arguments), create_graph=True, materialize_grads=True
            )
            squared = sum(part.abs().square().sum() for part in first)
            return torch.autograd.grad(squared, learned(arguments), materialize_grads=True)

        def is_right(arguments: tuple) -> bool:
            return torch.autograd.gradgradcheck(
                lambda *_: formula(*arguments), learned(arguments), fast_mode=True
            )

        with kernels.use(False):
            assert is_right(tuple(map(few_rounds, make())))
        if name == "attention.causal_attention":
            with pytest.raises(RuntimeError, match="is not implemented"):  # torch says so itself
                second()
        elif name in {"attention.interval_attention", "pairs.interact"} or (
            name == "scan.expm1" and not arguments[0].is_complex()
        ):
            assert is_right(arguments)  # ordinary autograd
        else:
            with pytest.raises(TutorialError, match=BY_HAND_ONLY):
                second()


# every class with a hand-written gradient -> makers of what its `apply` gets
BY_HAND: dict[type, list[Callable[[], tuple]]] = {
    softmax.ChunkedCrossEntropy: [
        lambda rows=rows: (normal(5, 3), normal(4, 3), torch.tensor([1, 2, 3, 3, 1]), rows)
        for rows in (1, 2, 5)
    ],
    scan.ComplexExpm1: [lambda: (normal(6, dtype=torch.complex128),)],
    scan.Scan: [lambda: (decays(2, 7, 3), normal(2, 7, 3, dtype=torch.complex128))],
    scan.LinearScan: [lambda: (normal(5, 2), normal(5, 2, seed=1), normal(2))],
    streams.Sinkhorn: [lambda n=n: (normal(n, n, 3), ROUNDS) for n in (2, 4)],
    streams.Project: [lambda: (normal(5, 6), normal(6, 4), normal(4))],
    streams.Gather: [lambda: (normal(5, 3, 4), normal(3, 5))],
    streams.Carry: [
        lambda: (normal(5, 3, 4), normal(3, 3, 5), normal(3, 5, seed=1), normal(5, 4)),
        lambda: (normal(5, 1, 4), None, normal(3, 5), normal(5, 4)),  # one stands for three copies
    ],
}


def test_every_gradient_by_hand_is_in_the_list():
    found = {
        thing
        for module in modules_of(kernels)
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, torch.autograd.Function)
    }
    assert found == set(BY_HAND)


@pytest.mark.parametrize(
    ("function", "make"),
    [pytest.param(f, make, id=f.__name__) for f, makers in BY_HAND.items() for make in makers],
)
class TestGradientsByHand:
    def test_is_right(self, function, make):
        arguments = make()
        assert torch.autograd.gradcheck(lambda *_: function.apply(*arguments), learned(arguments))

    def test_leaves_the_gradient_that_it_is_handed_alone(self, function, make):
        arguments = make()
        values = function.apply(*arguments)
        values = values if isinstance(values, tuple) else (values,)
        handed = [normal(*v.shape, seed=9, dtype=v.dtype).detach() for v in values]
        before = [grad.clone() for grad in handed]
        torch.autograd.grad(values, learned(arguments), handed)
        assert all(map(torch.equal, handed, before))

    def test_is_the_same_for_a_gradient_spread_from_one_number(self, function, make):
        arguments = make()
        values = function.apply(*arguments)
        values = values if isinstance(values, tuple) else (values,)
        one, results = torch.ones((), dtype=values[0].dtype), []
        for handed in ([one.expand_as(v) for v in values], [torch.ones_like(v) for v in values]):
            results.append(
                torch.autograd.grad(values, learned(arguments), handed, retain_graph=True)
            )
        torch.testing.assert_close(*results, atol=1e-12, rtol=1e-12)

    def test_refuses_a_second_derivative(self, function, make):
        arguments = make()
        values = function.apply(*arguments)
        values = values if isinstance(values, tuple) else (values,)
        handed = [torch.ones_like(value) for value in values]  # which need no gradient themselves
        with pytest.raises(TutorialError, match=BY_HAND_ONLY):
            torch.autograd.grad(values, learned(arguments), handed, create_graph=True)


def hold_dropout(form: Callable) -> None:
    """Other random numbers, one law: a share p at 0, the others times 1 / (1 - p)."""
    x, p = normal(400, 251), 0.3
    torch.manual_seed(0)
    out = form(x, p)
    kept = (out != 0).double()
    assert abs(1 - kept.mean() - p) < 4 * (p * (1 - p) / x.numel()) ** 0.5 + 1 / 65536
    torch.testing.assert_close(out, x * kept / (1 - p), rtol=2e-4, atol=0)
    (gradient,) = torch.autograd.grad(out.sum(), x, create_graph=True)
    torch.testing.assert_close(gradient, kept / (1 - p), rtol=2e-4, atol=0)


@pytest.mark.parametrize("on", [True, False])
def test_dropout_both_ways(on):
    with kernels.use(on):
        hold_dropout(dropout)


# a kernel -> faults, each as what stands there and what stands there by mistake
FAULTS: dict[str, list[tuple[str, str]]] = {
    "softmax.full_softmax": [
        ("odds[:, 0] = -torch.inf", "pass"),  # no mask: PAD is an answer
        ("alpha=-1", "alpha=1"),  # a sign
        ("scaled = x / norm", "scaled = x"),  # a missing factor
    ],
    "attention.causal_attention": [("is_causal=True", "is_causal=False")],
    "attention.interval_attention": [
        (" / math.sqrt(width)", ""),
        ("weights @ value", "weights.transpose(2, 3) @ value"),
        ("dtype=torch.bool, device=query.device).tril()", "dtype=torch.bool)"),
    ],
    "scan.expm1": [
        ("torch.cos(angle) - 2", "torch.cos(angle) + 2"),
        ("grad * (result + 1).conj()", "grad * (result + 1)"),
    ],
    "scan.scan": [
        ("left[:, :, i].mul_(left[:, :, i - 1])", "pass"),  # a stale buffer
        (".flip(1)[:, :-1].conj()", ".flip(1)[:, :-1]"),
        ("states[:, :-1].conj()", "states[:, 1:].conj()"),  # one place off
    ],
    "scan.linear_scan": [
        ("carried = a[t] * arrived", "carried = arrived"),
        ("states[t - 1] if t else start, out", "states[t], out"),
    ],
    "scan.selective_scan": [
        ("[..., 0], states[-1]", "[..., 0], states[0]"),  # a stale state between chunks
        ("(delta * x)[..., None] * B", "x[..., None] * B"),
    ],
    "pairs.interact": [
        ("product + known * (hidden", "product + (hidden"),  # unknown users have a network part
        ("first.weight[:, half:].T", "first.weight[:, :half].T"),
    ],
    "streams.sinkhorn": [
        (".sub_(b).mul_(matrix)", ".add_(b).mul_(matrix)"),
        ("(kernel * u[:, None]).mul_(v)", "(kernel * u).mul_(v)"),
    ],
    "streams.connect": [
        ("2 * post.sigmoid()", "post.sigmoid()"),
        ("torch.bmm(res.mT, grad)", "torch.bmm(res, grad)"),
        ("return to_x, (scaled @ x).T", "return to_x, (grad @ x).T"),
    ],
    "dropout.dropout": [
        ("keep.mul_(65536 / (65536 - dropped))", "keep"),
        ("dropped - 32768", "dropped - 16384"),
    ],
}


def rewritten(name: str, old: str, new: str) -> Callable:
    """A kernel from a copy of its file, in which a text that stands there once is another."""
    file, function = name.split(".")
    module = importlib.import_module(f"{kernels.__name__}.{file}")
    source, copy = inspect.getsource(module), types.ModuleType(module.__name__)
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {file}.py"
    exec(compile(source.replace(old, new), module.__file__, "exec"), vars(copy))
    return getattr(copy, function)


def hold_everywhere(name: str, kernel: Callable) -> None:
    if name in BY_OTHER_NUMBERS:
        hold_dropout(kernel)
    for maker in CASES.get(name, []):
        hold(kernel, FORMULAS[name].__wrapped__, maker)


def test_every_kernel_has_a_planted_fault():
    assert set(FAULTS) == set(FORMULAS)


@pytest.mark.parametrize(
    ("name", "old", "new"), [(name, *fault) for name, faults in FAULTS.items() for fault in faults]
)
def test_the_comparison_finds_a_planted_fault(name, old, new):
    """A sign, a missing factor or mask, a transposed matrix, a stale buffer: each is seen."""
    hold_everywhere(name, rewritten(name, old, old))
    with pytest.raises(AssertionError, match="not close|not equal|assert"):
        hold_everywhere(name, rewritten(name, old, new))


def test_the_switch_goes_back_even_after_an_error():
    assert kernels.enabled
    with pytest.raises(ZeroDivisionError), kernels.use(False):
        assert not kernels.enabled
        with kernels.use(True):
            assert kernels.enabled
        assert not kernels.enabled
        raise ZeroDivisionError
    assert kernels.enabled


@pytest.mark.parametrize(
    "name", [n for n in MODELS if MODELS[n].trains_by_gradient and not MODELS[n].uses_users]
)
def test_every_model_says_the_same_by_its_formulas(name):
    model, results = make(name), []
    for on in (True, False):
        with kernels.use(on):
            states = model(*histories())
            total = (states * normal(*states.shape).float()).sum()
            gradients = torch.autograd.grad(
                total, list(model.parameters()), allow_unused=True, materialize_grads=True
            )
        results.append([states, *gradients])
    for fast, plain in zip(*results, strict=True):
        scale = plain.abs().max().clamp(min=1e-3)
        # Sinkhorn's gradient is that of the limit, and 20 iterations come near it
        atol = 1e-3 if name.endswith("mhc") else 1e-4
        torch.testing.assert_close(fast / scale, plain / scale, atol=atol, rtol=0)


def test_a_penalty_on_the_gradient_of_the_default_loss():
    """loss + 10 |gradient|^2, whose gradient was once wrong without a word."""
    weight, targets = normal(6, 4, seed=1), torch.tensor([1, 3, 5])

    def gradient_of_penalised(loss: Callable) -> Tensor:
        states = normal(3, 4)
        value = loss(states, weight, targets)
        (first,) = torch.autograd.grad(value, states, create_graph=True)
        return torch.autograd.grad(value + 10 * first.square().sum(), states)[0]

    def torchs_own(states, weight, targets):
        return nn.functional.cross_entropy(states @ weight[1:].T, targets - 1)

    with pytest.raises(TutorialError, match=BY_HAND_ONLY):
        gradient_of_penalised(losses.full_softmax)
    with kernels.use(False):
        ours = gradient_of_penalised(losses.full_softmax)
    wanted = gradient_of_penalised(torchs_own)
    torch.testing.assert_close(ours, wanted)
    alone = torch.autograd.grad(torchs_own(x := normal(3, 4), weight, targets), x)[0]
    assert (wanted - alone).norm() > 0.1 * alone.norm()  # the penalty does count


@pytest.mark.parametrize("options", [{}, {"kind": "hc"}, {"dynamic": False}])
def test_streams_go_one_way_with_gradients_and_without(options):
    model = build_model("sasrec_mhc", num_items=20, max_len=8, dim=8, dropout=0.0, **options)
    items = torch.randint(1, 21, (4, 8), generator=torch.Generator().manual_seed(0))
    with_gradients = model(items)
    with torch.no_grad():
        assert torch.equal(model(items), with_gradients)


def test_leaving_out_h_res_changes_what_sinkhorn_left_over_and_no_more():
    """Without H_res the mean differs from the formula by what the columns lack of 1."""
    one, X = connection(4, 2), normal(2, 5, 4, 2, seed=1)
    for iterations in (1, 5, 20, 300):
        one.iterations = iterations
        fast, plain = (
            form(one, X, tanh_of, mean=True)
            for form in (HyperConnection.connect.kernel, HyperConnection.connect.__wrapped__)
        )
        lacking = (one.mappings(X).res.sum(-2) - 1).abs().amax()
        assert (fast - plain).abs().max() <= lacking * X.abs().max() + 1e-14
    assert lacking < 1e-12
