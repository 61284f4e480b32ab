"""Answers that live in another process are judged as if they were here."""

import importlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from course.assignments import wire

ROOT = Path(__file__).resolve().parents[2]
LESSONS = [path.stem for path in sorted((ROOT / "exercises").glob("lesson*.py"))]


@pytest.fixture(scope="module")
def peer():
    """The runner of the sandbox without the sandbox: it finds the whole course."""
    runner = ROOT / "course" / "assignments" / "runner.py"
    process = subprocess.Popen(
        [sys.executable, "-I", str(runner), str(ROOT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    yield wire.Peer(process.stdout, process.stdin, trusting=False)
    process.kill()
    process.wait()


def answer_of(peer, source: str):
    outputs = peer.request("run", source=source)["outputs"]
    assert not outputs, outputs
    return peer.request("fetch", name="answer")["value"]


@pytest.mark.parametrize("lesson", LESSONS)
def test_verdicts_are_those_of_answers_in_the_same_process(peer, lesson, capsys):
    module = importlib.import_module(f"exercises.{lesson}")
    for table in ("RIGHT", "WRONG"):
        for place, row in enumerate(getattr(module, table)):
            source = f"import exercises.{lesson}; answer = exercises.{lesson}.{table}[{place}][1]"
            there, here = row[0](answer_of(peer, source)), row[0](row[1])
            assert there.status == here.status, (table, place, row[0].__name__, there, here)


def test_data_come_back_as_they_are(peer):
    echo = answer_of(peer, "answer = lambda x: x")
    values = [
        None, True, 3, 2.5, float("inf"), "文字", 1 + 2j, [1, [2.0]], (1, "a"), {1, 2}, {"a": (1,), 2: None}, ...,
        torch.int64, np.float32(1.5), np.arange(6).reshape(2, 3), np.array([]), np.array(["a", "bc"]),
        torch.arange(3), torch.zeros(0, 2), torch.tensor(1.5, dtype=torch.bfloat16), torch.tensor([True, False]),
        torch.tensor([1 + 2j]), torch.arange(6.0).reshape(2, 3).T,
    ]  # fmt: skip
    for value in values:
        got = echo(value)
        assert type(got) is type(value)
        if isinstance(value, torch.Tensor):
            assert got.dtype == value.dtype and torch.equal(got, value)
        elif isinstance(value, np.ndarray):
            assert got.dtype == value.dtype and np.array_equal(got, value)
        else:
            assert got == value
    assert np.isnan(echo(float("nan")))


def test_kinds_of_numbers_and_columns_become_plain(peer):
    code = "from fractions import Fraction; import pandas as pd; answer = lambda x: "
    assert answer_of(peer, code + "Fraction(1, 4)")(0) == 0.25
    assert answer_of(peer, code + "pd.Series([1, 2])")(0).tolist() == [1, 2]
    assert answer_of(peer, code + "pd.Index(['a', 'b'])")(0) == ["a", "b"]


def test_what_is_no_data_stays_where_it_is(peer):
    make = answer_of(peer, "class Sly(list):\n    pass\nanswer = lambda: Sly([1])")
    got = make()
    assert type(got).__name__ == "Sly" and isinstance(got, wire.Object) and repr(got) == "[1]"


def test_gradients_flow_through_a_call_and_a_call_back(peer):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    answer_of(peer, "answer = lambda f, x: f(x) * x")(lambda z: z**2, x).sum().backward()
    assert torch.equal(x.grad, 3 * x.detach() ** 2)
    with torch.no_grad():
        assert not answer_of(peer, "answer = lambda x: x * 2")(x).requires_grad


def test_an_argument_that_was_changed_is_changed_here(peer):
    x, items = torch.zeros(2), [3, 1, 2]
    answer_of(peer, "def answer(x, items):\n    x += 1\n    items.sort()")(x, items)
    assert x.tolist() == [1, 1] and items == [1, 2, 3]


def test_draws_go_on_where_they_stopped(peer):
    draw = answer_of(peer, "answer = lambda rng: rng.random(3)")
    rng, same = np.random.default_rng(1), np.random.default_rng(1)
    got = np.concatenate([draw(rng), draw(rng)])
    assert np.array_equal(got, np.concatenate([same.random(3), same.random(3)]))


def test_an_exception_comes_with_the_line_of_the_notebook(peer):
    with pytest.raises(IndexError) as caught:
        answer_of(peer, "def answer(x):\n    y = 1\n    return x[5]  # too far")([1])
    assert caught.value.learner_line == "return x[5]  # too far"


@pytest.mark.parametrize(
    ("head", "blobs"),
    [
        (b"[]", b""),
        (b"no json", b""),
        (b'{"blobs": [5]}', b"abc"),
        (b'{"blobs": [-1]}', b""),
        (b"[" * 100_000, b""),
        (b'{"blobs": [], "op": "reply", "values": {"a": {"t": "pickle", "v": [0, {}]}}}', b""),
        (b'{"blobs": [3], "op": "reply", "values": {"a": {"t": "array", "v": [0, "|O", [1]]}}}', b"abc"),
        (b'{"blobs": [3], "op": "reply", "values": {"a": {"t": "tensor", "v": [0, "torch.float32", [9], false]}}}', b"abc"),
        (b'{"blobs": [], "op": "reply", "values": {"a": {"t": "named", "v": ["os.system", 0, []]}}}', b""),
        (b'{"blobs": [], "op": "call", "values": {"number": 7, "args": [], "kwargs": {}, "grad": true}}', b""),
        (b'{"blobs": [], "op": "exec", "values": {}}', b""),
    ],
)  # fmt: skip
def test_a_message_of_another_form_ends_the_talk(head, blobs):
    import struct

    data = struct.pack(">QI", len(head), len(blobs)) + head + blobs
    ours = wire.Peer(io.BytesIO(data), io.BytesIO(), trusting=False)
    with pytest.raises(wire.Gone):
        ours.request("run", source="")
