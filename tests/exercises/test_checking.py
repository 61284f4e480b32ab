"""What a checker says, and that it never raises."""

import functools

import pytest
import torch

from exercises.checking import NotAttempted, Verdict, Wrong, exercise, want_equal, want_tensor


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
