"""Checks must pass what is right and, above all, stop what is wrong."""

import functools

import numpy as np
import pytest
import torch

from tutorial_lib.checks import (
    NotAttempted,
    Verdict,
    Wrong,
    exercise,
    expect,
    expect_between,
    expect_close,
    expect_true,
    settings,
    show_matrix,
    want_equal,
    want_tensor,
)
from tutorial_lib.errors import TutorialError

NAN = float("nan")


def test_expect_prints_the_promise_and_not_the_value(capsys):
    for value in (0.2, 0.21, torch.tensor(0.2299), np.float32(0.1901)):
        expect("NDCG@10", value, 0.21, tol=0.02)
    expect("bias", 1e-9, 0, tol=1e-6)
    expect("gain", -0.5, -0.5, 0.1)
    assert capsys.readouterr().out.splitlines() == ["ok  NDCG@10 = 0.21 ± 0.02"] * 4 + [
        "ok  bias = 0 ± 1e-06",
        "ok  gain = -0.5 ± 0.1",
    ]


@pytest.mark.parametrize("value", [0.2301, 0.1899, -0.21, NAN, float("inf")])
def test_expect_stops_a_wrong_number(value, capsys):
    with pytest.raises(AssertionError, match="NDCG@10 is .*wanted: NDCG@10 = 0.21 ± 0.02"):
        expect("NDCG@10", value, 0.21, tol=0.02)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("want", "tol"),
    [(0.02, 0.02), (0.02, 0.5), (-0.1, 0.2), (1.0, 0.0), (1.0, -0.1), (0, 0), (1.0, NAN), (0, NAN)],
)
def test_expect_refuses_a_tolerance_that_guards_nothing(want, tol):
    with pytest.raises(TutorialError, match="tolerance"):
        expect("x", want, want, tol)
    with pytest.raises(TutorialError, match="tolerance"):
        expect("x", want, want, tol, when=False)


def test_other_data_are_not_checked(capsys):
    expect("HR@10", 0.9, 0.3, 0.01, when=False)
    expect_true("the sky is green", False, when=False)
    expect_between("loss", 9, 0, 1, when=False)
    expect_close("a equals b", [1.0], [2.0], when=False)
    expect_close("a equals b", [1.0], [1.0, 2.0], when=False)
    names = ["HR@10", "the sky is green", "loss", "a equals b", "a equals b"]
    assert capsys.readouterr().out.splitlines() == [
        f"--  {name}: the text speaks of the sample, not checked here" for name in names
    ]


def test_expect_true_and_between(capsys):
    expect_true("rows sum to 1", torch.tensor(True))
    expect_between("share", 0.5, 0.25, 0.5)
    assert capsys.readouterr().out.splitlines() == [
        "ok  rows sum to 1",
        "ok  share: between 0.25 and 0.5",
    ]
    with pytest.raises(AssertionError, match="rows sum to 1: false"):
        expect_true("rows sum to 1", False)
    for value in (0.2, 0.6, NAN):
        with pytest.raises(AssertionError, match="share is"):
            expect_between("share", value, 0.25, 0.5)
    with pytest.raises(TutorialError, match="no range"):
        expect_between("share", 0.5, 1, 0)


def test_expect_close(capsys):
    want = torch.tensor([[1.0, -torch.inf], [2.0, 3.0]])
    expect_close("ours equals torch's", want + 5e-7, want)
    expect_close("ours equals torch's", want.double().requires_grad_(), want.tolist(), tol=1e-3)
    expect_close("zeros", np.zeros(3), torch.zeros(3))
    assert capsys.readouterr().out.splitlines() == [
        "ok  ours equals torch's (max difference below 1e-06)",
        "ok  ours equals torch's (max difference below 0.001)",
        "ok  zeros (max difference below 1e-06)",
    ]
    for bad, words in [
        (want + torch.tensor([[0, 0], [0, 1e-3]]), r"off by 0.001 at \(1, 1\)"),
        (want.nan_to_num(neginf=-1e9), r"at \(0, 1\)"),
        (want.masked_fill(want > 2.5, torch.nan), r"off by inf at \(1, 1\): nan instead of 3"),
        (want[:1], r"shape \(1, 2\) instead of \(2, 2\)"),
    ]:
        with pytest.raises(AssertionError, match=words):
            expect_close("same", bad, want)
    with pytest.raises(AssertionError):
        expect_close("nothing", torch.zeros(0), torch.zeros(0))
    with pytest.raises(TutorialError, match="largest entry, 0.001"):
        expect_close("tiny", torch.zeros(2), torch.full((2,), 1e-3), tol=1e-2)


def test_show_matrix(capsys):
    show_matrix(
        torch.tensor([[0.5, -0.001], [-torch.inf, 12.344]]), rows=["a", "longer"], cols=["x", "y"]
    )
    show_matrix(np.array([1, 20]), cols=["one", "two"])
    show_matrix(torch.eye(2).bool(), rows=[1, 2])
    show_matrix([[0.25]], digits=1)
    assert capsys.readouterr().out.splitlines() == [
        "           x      y",
        "a       0.50   0.00",
        "longer  -inf  12.34",
        "one  two",
        "  1   20",
        "1  1  ·",
        "2  ·  1",
        "0.2",
    ]
    with pytest.raises(TutorialError, match="labels"):
        show_matrix(torch.zeros(2, 2), rows=["a"])
    with pytest.raises(TutorialError, match="shape"):
        show_matrix(torch.zeros(2, 2, 2))


@pytest.mark.parametrize(
    ("dataset", "users", "got"),
    [
        (None, None, ("sample", 7)),
        ("", " ", ("sample", 7)),
        ("ml-100k", None, ("ml-100k", 7)),
        (None, "300", ("sample", 300)),
        ("csv:/x y.csv", "all", ("csv:/x y.csv", None)),
    ],
)
def test_settings(monkeypatch, dataset, users, got):
    for name, value in [("TUTORIAL_DATASET", dataset), ("TUTORIAL_USERS", users)]:
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert settings("sample", 7) == got


@pytest.mark.parametrize("users", ["0", "-3", "2.5", "many", "1e3"])
def test_bad_number_of_users(monkeypatch, users):
    monkeypatch.setenv("TUTORIAL_USERS", users)
    with pytest.raises(TutorialError, match="TUTORIAL_USERS"):
        settings()


@exercise
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
        (crashes, "wrong, because it raised ValueError: first line"),
        (lambda x: (_ for _ in ()).throw(KeyError()), "wrong, because it raised KeyError"),
        (lambda: 1, "wrong, because it raised TypeError: "),
        (3, "wrong, because it raised TypeError: 'int' object is not callable"),
        (
            lambda x: (2 * x).tolist(),
            "wrong, because double([1, 2]) is a list, wanted a torch.Tensor",
        ),
        (lambda x: (2 * x)[:, None], "wrong, because double([1, 2]) has shape (2, 1), wanted (2,)"),
        (
            lambda x: (2 * x).long(),
            "wrong, because double([1, 2]) has dtype torch.int64, wanted torch.float32",
        ),
        (lambda x: 2 * x.double(), "right"),
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


def test_a_checker_is_a_plain_named_function():
    assert check_double.__name__ == "check_double" and "doubles" in check_double.__doc__


def test_a_module_answer_keeps_its_attributes_and_may_be_a_stub(capsys):
    @exercise
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
    @exercise
    def check_sum(a, b):
        want_equal(a, 3, name="a")
        want_equal(b, [1, 2], name="b")

    assert check_sum(3.0, torch.tensor([1, 2])).status == "right"
    assert check_sum(3, None).status == "not attempted yet"
    assert check_sum("three", [1, 2]).reason == "a is a str, wanted a number"
    assert check_sum(3, [1, 2, 3]).reason == "b has shape (3,), wanted (2,)"


def test_want_tensor_names_what_is_wrong():
    want_tensor(torch.zeros(2, 3), (2, 3), torch.float32)
    with pytest.raises(NotAttempted):
        want_tensor(None)
    with pytest.raises(Wrong, match=r"mask has dtype torch.float32, wanted torch.bool"):
        want_tensor(torch.zeros(2), (2,), torch.bool, name="mask")
    with pytest.raises(Wrong, match="wanted torch.bool"):
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
