"""Checks must pass what is right and, above all, stop what is wrong."""

import numpy as np
import pytest
import torch

from tutorial_lib.checks import (
    expect,
    expect_between,
    expect_close,
    expect_true,
    settings,
    show_matrix,
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
