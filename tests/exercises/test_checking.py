"""What a checker says, and that it never raises."""

import collections
import functools
import linecache
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch

from exercises.checking import (
    NotAttempted,
    Verdict,
    Wrong,
    compare_letters,
    copied,
    exercise,
    same,
    told_apart,
    want_array,
    want_equal,
    want_number,
    want_tensor,
    want_truth,
    want_whole,
)


@exercise(points=1, minutes=1)
def check_double(answer):
    """The answer doubles a tensor."""
    x = torch.tensor([1.0, 2.0])
    want_equal(answer(x), 2 * x, name="double([1, 2])")
    if not torch.equal(answer(torch.zeros(1)), torch.zeros(1)):
        raise Wrong("zero doubled\nis zero")


def stub_with_not_implemented(x):
    raise NotImplementedError("your code here")


def forgets_a_return(x):
    if x.sum() > 0:
        return 2 * x


def crashes(x):
    raise ValueError("first line\nsecond line")


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (None, "not attempted yet"),
        (..., "not attempted yet"),
        ((None, ...), "not attempted yet"),
        (lambda x: None, "not attempted yet"),
        (lambda x: ..., "not attempted yet"),
        (stub_with_not_implemented, "not attempted yet"),
        (lambda x: 2 * x, "right"),
        (functools.partial(torch.mul, torch.tensor(2.0)), "right"),
        (lambda x: x + x.sum() / 3, "wrong, because double([1, 2])[1] is 3, wanted 4"),
        (lambda x: x**2 + (x < 1.5) + 0.5 * (x == 0), "wrong, because zero doubled is zero"),
        (
            forgets_a_return,
            "wrong, because it returned None: is a return missing on one of its paths?",
        ),
        (
            crashes,
            "wrong, because it raised ValueError: first line"
            r""" (your line: `raise ValueError("first line\nsecond line")`)""",
        ),
        (lambda x: x.nothing, "wrong, because it raised AttributeError: "),
        (lambda: 1, "wrong, because it raised TypeError: "),
        (3, "wrong, because it raised TypeError: 'int' object is not callable"),
        (lambda x: str(x), "wrong, because double([1, 2]) is a str, wanted numbers"),
        (lambda x: (2 * x)[:, None], "wrong, because double([1, 2]) has shape (2, 1), wanted (2,)"),
        (
            lambda x: x > 0,
            "wrong, because double([1, 2]) holds truth values (True, False), wanted numbers",
        ),
        (
            lambda x: x.mul_(2),
            "wrong, because it changes its argument `x` in place: work on a copy",
        ),
        (lambda x: 2 * x * torch.nan, "wrong, because double([1, 2])[0] is nan, wanted 2"),
        (lambda x: torch.softmax(x.long(), 0), "wrong, because it raised"),
    ],
)
def test_verdicts(answer, line, capsys):
    verdict = check_double(answer)
    out = capsys.readouterr().out
    assert out == f"{verdict}\n" and out.count("\n") == 1
    assert out.startswith(line) and (out == line + "\n" or line.endswith((" ", "raised")))
    assert verdict.status == line.split(",")[0]


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "form",
    [
        lambda x: x,
        lambda x: x.requires_grad_(),
        lambda x: x.float().numpy(),
        lambda x: x.tolist(),
        lambda x: tuple(x),
        lambda x: [one.item() for one in x],
        lambda x: pd.Series(x.tolist()),
        lambda x: x + 0j,
        lambda x: [Fraction(one) for one in x.tolist()],
        lambda x: [Decimal(one) for one in x.tolist()],
    ],
)
def test_container_and_precision_of_an_answer_never_matter(kind, form):
    if kind is torch.bfloat16 and form(torch.ones(2, dtype=kind)).__class__ is not torch.Tensor:
        kind = torch.float32  # in a list, half precision can no longer be told from a mistake
    exact = torch.tensor([0.1, 7 / 3, -1000.0], dtype=torch.double)
    rounded = form(exact.to(kind).clone())
    want_equal(rounded, exact)
    want_equal(rounded, exact.tolist())
    if kind is not torch.bfloat16:
        assert want_array(rounded, shape=(3,), kind="float") == pytest.approx(exact.numpy(), 1e-6)
    for off in (exact * 1.1, exact.flip(0), exact[:2]):
        with pytest.raises(Wrong):
            want_equal(form(off.to(kind).clone()), exact)
    for off in (exact * torch.nan, exact[:, None], exact > 0):
        with pytest.raises(Wrong):
            want_equal(off, exact)


def test_a_double_may_be_off_by_less_than_a_single():
    assert same(1 + 1e-10, 1.0) and not same(1 + 1e-6, 1.0)
    assert same(torch.tensor(1 / 3), 1 / 3) and same(torch.tensor(1 / 3).item(), 1 / 3)
    assert same(torch.tensor(1 / 3).half(), 1 / 3) and not same(torch.tensor(1 / 3 + 1e-4), 1 / 3)
    assert not same(100_000, 100_000.5) and not same(torch.tensor(100_001.0), 100_000)
    assert same(0.3, 1 / 3, tol=0.04) and not same(torch.tensor(1 / 3), 1 / 3, tol=1e-9)
    assert same([np.inf, -np.inf, np.nan], [np.inf, -np.inf, np.nan])
    assert (
        not same([np.inf], [-np.inf]) and not same([1e300], [np.inf]) and not same([0.0], [np.nan])
    )
    assert same(3.0, 3) and same(np.int8(3), 3.0) and same([[3]], 3) and not same([3, 3], 3)
    assert same(1 + 2j, torch.tensor(1 + 2j)) and not same(1 + 2j, 1.0) and not same(1 - 2j, 1 + 2j)
    assert same(torch.ones(2).bool(), [True, True]) and not same([1, 1], [True, True])


@pytest.mark.parametrize(
    ("got", "number"),
    [
        (4, 4),
        (4.5, 4.5),
        (np.int64(4), 4),
        (np.float32(4.5), 4.5),
        (np.array([4]), 4),
        (torch.tensor(4.5, requires_grad=True), 4.5),
        (torch.tensor([[4]]), 4),
        (torch.tensor(4.5).bfloat16(), 4.5),
        (Fraction(9, 2), 4.5),
        (Decimal("4.5"), 4.5),
        ([4], 4),
        (4 + 0j, 4),
    ],
)
def test_one_number_in_any_form(got, number):
    assert want_number(got, "it") == number and type(want_number(got, "it")) is float
    if number == 4:
        assert want_whole(got, "it") == 4 and type(want_whole(got, "it")) is int
    else:
        with pytest.raises(Wrong, match=r"it is 4.5; a whole number is wanted"):
            want_whole(got, "it")


@pytest.mark.parametrize(
    "got", ["4", True, np.bool_(True), [1, 2], 10**400, 1j, {4}, np.nan, len, [[1], 2]]
)
def test_what_is_no_whole_number(got):
    with pytest.raises(Wrong, match="it "):
        want_whole(got, "it")
    if got is not np.nan:
        with pytest.raises(Wrong, match="it "):
            want_number(got, "it")
    for ask in (want_number, want_whole, want_truth):
        with pytest.raises(NotAttempted):
            ask(None, "it")


def test_truth_in_any_form():
    for got in (True, np.bool_(True), np.array([True]), torch.tensor(True), [True]):
        assert want_truth(got, "it") is True
    for got in (1, 0.0, "True", [True, False]):
        with pytest.raises(Wrong, match="True or False is wanted"):
            want_truth(got, "it")


def test_kinds_of_arrays():
    assert want_array([1.0, 2.0], kind="int").dtype == np.int64
    assert want_array([1, 2], kind="complex").dtype == np.complex128
    assert want_array(torch.ones(2).bool(), kind="bool").dtype == bool
    assert want_array(pd.Series([True, False], dtype=object), kind="bool").tolist() == [True, False]
    with pytest.raises(NotAttempted):
        want_array([1, ...])
    for got, kind, words in (
        ([1.5], "int", "holds 1.5, wanted whole numbers"),
        ([1], "bool", "holds whole numbers"),
        ([True], "int", "holds truth values"),
        ([1j], "float", "complex numbers"),
        ([[1], [2, 3]], None, "rows of different lengths"),
        ({1}, None, "is a set, wanted numbers"),
        ([1.0, None], None, "holds None, wanted numbers"),
        (np.array([1.0, None]), "int", "nan"),
    ):
        with pytest.raises(Wrong, match=words):
            want_array(got, kind=kind)


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (0.6, np.nextafter(0.6, 1)),
        (4, 4.0),
        (4, "4"),
        (1, True),
        (False, True),
        (np.nan, 2.0),
        (1e9 + 1, 1e9),
        (123456, 123457),
        (1 + 1e-7j, 1.0),
        ([1], (1,)),
        (object(), 3),
        ("a" * 300, "a" * 300 + "b"),
        (-0.0, 0.0),
    ],
)
def test_two_texts_are_never_equal(got, want):
    yours, right = told_apart(got, want)
    assert yours != right and yours and right


def test_equal_texts_are_never_said_of_numbers():
    numbers = np.random.default_rng(0)
    for _ in range(300):
        want = numbers.standard_normal() * 10.0 ** numbers.integers(-8, 8)
        got = want * (1 + 10.0 ** numbers.integers(-15, 0))
        with pytest.raises(Wrong) as error:
            want_equal(got, want, tol=0.0)
        yours, right = str(error.value).removeprefix("your result is ").split(", wanted ")
        assert float(yours) != float(right) and len(yours) < 26


def test_the_first_difference_is_named_and_a_known_mistake_first():
    with pytest.raises(Wrong, match=r"it\[1, 0\] is 2.00001, wanted 2$"):
        want_equal([[1, 1], [2.00001, 9]], [[1, 1], [2, 3]], name="it")
    with pytest.raises(Wrong, match="the sign is flipped"):
        want_equal([-1.0], [1.0], known={"zero": [0.0], "the sign is flipped": [-1.0]})
    with pytest.raises(Wrong, match=r"your result has shape \(2, 1\), wanted \(2,\): two numbers$"):
        want_equal([[1], [2]], [1, 2], known={"the sign is flipped": -1.0}, otherwise="two numbers")


@pytest.mark.parametrize(
    "answer",
    [
        {"A", "C"},
        ["C", "A"],
        ("a", "c"),
        "AC",
        "A, C",
        "a c",
        "A and C",
        "A、C",
        np.array(["A", "C"]),
    ]
    + [frozenset("AC"), ["A, C"], pd.Series(["A", "C"]), {"A": 1, "C": 2}.keys(), np.array("AC")],
)
def test_letters_in_any_form(answer):
    hints = {"A": "first", "B": "second", "C": "third"}
    compare_letters(answer, {"A", "C"}, hints)
    with pytest.raises(Wrong, match="look at C again: third"):
        compare_letters(answer, {"A"}, hints)


@pytest.mark.parametrize("answer", ["AX", 3, {"A": True}, [1, 2], "none", torch.ones(2)])
def test_what_is_no_set_of_letters(answer):
    with pytest.raises(Wrong, match="set of letters from A to B"):
        compare_letters(answer, {"A"}, {"A": "first", "B": "second"})


@exercise(points=1, minutes=1)
def check_total(answer):
    """The answer adds up an array, a list in a dictionary and a table, none of which it changes."""
    array, table = np.array([1.0, np.nan]), pd.DataFrame({"a": [1]})
    lists, tensor = {"b": [2, 3]}, torch.ones(2, requires_grad=True)
    got = answer(array, lists, table, tensor=tensor)
    want_equal(got, 1 + 5 + 1 + 2)
    assert array[0] == 1 and lists == {"b": [2, 3]} and table["a"][0] == 1  # the checker's own
    got.backward()


def total(array, lists, table, tensor):
    return np.nansum(array) + sum(lists["b"]) + table["a"].sum() + tensor.sum()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("array", lambda array, *_: array.__setitem__(0, 2)),
        ("lists", lambda _, lists, *rest: lists["b"].append(2)),
        ("lists", lambda _, lists, *rest: lists.pop("b")),
        ("table", lambda _, lists, table, tensor: table.insert(0, "c", 1)),
        ("tensor", lambda *args: args[3].data.mul_(2)),
    ],
)
def test_arguments_are_protected_and_a_change_is_named(name, change):
    def answer(array, lists, table, tensor):
        result = total(array, lists, table, tensor)
        change(array, lists, table, tensor)
        return result

    assert check_total(total).status == "right"
    assert check_total(answer).reason == (
        f"it changes its argument `{name}` in place: work on a copy"
    )


def test_a_checker_may_allow_changes():
    @exercise(points=1, minutes=1, in_place=True)
    def check_append(answer):
        values = [1]
        answer(values)
        want_equal(values, [1, 2])

    assert check_append(lambda values: values.append(2) or 1).status == "right"


def test_copies_keep_their_kind():
    counts = collections.defaultdict(list, a=[1])
    twin = copied(counts)
    twin["a"].append(2)
    assert counts["a"] == [1] and twin["b"] == [] and type(twin) is collections.defaultdict
    pair = collections.namedtuple("Pair", "left right")([1], np.ones(2))  # noqa: PYI024
    assert copied(pair).left == [1] and copied(pair).left is not pair.left
    module = torch.nn.Linear(1, 1)
    assert copied([module, len]) == [module, len]


def test_gradients_flow_through_the_copies():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (copied({"x": [x]})["x"][0] ** 2).sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_a_name_of_the_set_up_asks_for_the_cells_above():
    """Names that a cell of lesson 02 imports or calculates; others are the learner's own."""
    from exercises import lesson02

    for name in ("np", "three_metrics", "watched", "evaluate"):
        namespace = {}
        exec(f"def answer(scores, target, seen):\n    return {name}", namespace)
        reason = lesson02.check_rank(namespace["answer"]).reason
        assert reason.startswith(f"`{name}` is not defined: run the cells above first")
    assert lesson02.check_rank(lambda *args: my_own_mistake).reason.startswith(  # noqa: F821
        "it raised NameError: name 'my_own_mistake' is not defined"
    )


def test_the_line_of_a_notebook_cell_is_shown():
    """As IPython does it: each cell has a file name of its own, and its text is in linecache."""
    cells = {
        "/tmp/ipykernel_12/1.py": "def half(x):\n    return x[0] / len(x)[1]\n",
        "/tmp/ipykernel_12/2.py": "def double(x):\n    y = half(x)\n    return y\n",
    }
    namespace = {}
    for name, text in cells.items():
        linecache.cache[name] = len(text), None, text.splitlines(True), name
        exec(compile(text, name, "exec"), namespace)
    assert check_double(namespace["double"]).reason == (
        "it raised TypeError: 'int' object is not subscriptable"
        " (your line: `return x[0] / len(x)[1]`)"
    )
    library = check_double(lambda x: torch.cat(x, 1, 2, 3))
    assert library.reason.startswith("it raised TypeError") and "torch.cat(x, 1, 2, 3)" in str(
        library
    )


def test_an_error_of_another_process_brings_its_line():
    class Remote(Exception):
        type_name, learner_line = "KeyError", "return table[3]"

    def forwarded(*args):
        raise Remote("3")

    assert check_double(forwarded).reason == "it raised KeyError: 3 (your line: `return table[3]`)"
    assert check_double(lambda *args: args[0].mul_(2)).reason == (
        "it changes its argument in place: work on a copy"
    )


def test_random_numbers_go_on_as_if_nothing_had_been_checked():
    def seeds(x):
        torch.manual_seed(1)
        return 2 * x

    want = torch.manual_seed(0) and torch.rand(1)
    torch.manual_seed(0)
    assert check_double(seeds).status == "right"
    assert torch.equal(torch.rand(1), want)


def test_a_checker_is_a_plain_named_function():
    assert check_double.__name__ == "check_double" and "doubles" in check_double.__doc__


def test_a_module_answer_keeps_its_attributes_and_may_be_a_stub(capsys):
    @exercise(points=1, minutes=1)
    def check_layer(layer):
        want_equal(sum(p.numel() for p in layer.parameters()), 6)
        want_tensor(layer(torch.zeros(1, 2)), (1, 2))

    class Stub(torch.nn.Linear):
        def forward(self, x):
            raise NotImplementedError

    class Silent(torch.nn.Linear):
        def forward(self, x):
            pass

    assert check_layer(torch.nn.Linear(2, 2)).status == "right"
    assert check_layer(torch.nn.Linear(2, 2, bias=False)).reason == "your result is 4, wanted 6"
    assert check_layer(Stub(2, 2)).status == check_layer(Silent(2, 2)).status == "not attempted yet"


def test_two_answers_and_numbers(capsys):
    @exercise(points=1, minutes=1)
    def check_sum(a, b):
        want_equal(a, 3, name="a")
        want_equal(b, [1, 2], name="b")

    assert check_sum(3.0, torch.tensor([1, 2])).status == "right"
    assert check_sum(3, None).status == "not attempted yet"
    assert check_sum("three", [1, 2]).reason == "a is a str, wanted numbers"
    assert check_sum(3, [1, 2, 3]).reason == "b has shape (3,), wanted (2,)"


def test_want_tensor_names_what_is_wrong():
    want_tensor(torch.zeros(2, 3), (2, 3), torch.float32)
    with pytest.raises(NotAttempted):
        want_tensor(None)
    with pytest.raises(Wrong, match=r"mask holds numbers, wanted truth values"):
        want_tensor(torch.zeros(2), (2,), torch.bool, name="mask")
    with pytest.raises(Wrong, match="wanted truth values"):
        want_equal(torch.ones(2), torch.ones(2).bool())


def test_interrupts_are_not_swallowed():
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_double(interrupted)


def test_a_notebook_shows_the_verdict_once():
    from IPython.core.formatters import DisplayFormatter

    formatter = DisplayFormatter()
    formatter.ipython_display_formatter.enabled = True
    assert formatter.format(Verdict("right")) == ({}, {})
    assert "text/plain" in formatter.format("right")[0]
