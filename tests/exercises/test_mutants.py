"""Right answers with a fault are wrong, and right answers in another form are right: a sample of
the mutation run, which `python tests/exercises/mutants.py 05` makes in full.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

from course.lessons import load_course

FOLDER = Path(__file__).resolve().parent
LESSONS = [row.number for row in load_course(FOLDER.parents[1]).written()]
SAMPLE = 6  # changes inside the source of each right answer


def load(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


mutants = load(FOLDER / "mutants.py")


@pytest.mark.parametrize("number", LESSONS)
@pytest.mark.thorough
def test_no_mutant_survives_that_is_not_argued(number):
    found, tried = mutants.survivors(mutants.lesson(number), limit=SAMPLE)
    assert not found, f"python tests/exercises/mutants.py {number:02d} shows them all"
    assert tried > 20


@pytest.mark.parametrize("number", LESSONS)
def test_arguments_are_arguments(number):
    for checker, mutant, reason in getattr(mutants.lesson(number), "ARGUED", []):
        assert checker.points and mutant and len(reason.split()) >= 4


@pytest.mark.parametrize("number", LESSONS)
def test_no_checker_says_that_4_is_not_4(number):
    for checker, answer, _ in mutants.lesson(number).WRONG:
        assert not mutants.says_the_same(mutants.silent(checker, answer))


def test_equal_texts_are_seen():
    assert mutants.says_the_same("wrong, because for (2, 3) the answer is 4, yours is 4")
    assert mutants.says_the_same("wrong, because it has shape (4, 1), wanted (4, 1): one row")
    assert not mutants.says_the_same("wrong, because the answer is 4, yours is 4.5")


WEAK = """
from exercises.checking import Wrong, compare_letters, exercise

@exercise(points=1, minutes=1)
def check_mean(answer):
    for values in ([1.0, 2.0, 6.0], [0.5, 1.5]):
        got = answer(values, 1){copy}
        if not {test}:
            raise Wrong("it is another number, and not the mean")

# Answers on which the tests try the checkers

def mean(values, power):
    return sum(values) ** power / len(values)

RIGHT = [(check_mean, mean)]
WRONG = []
"""


@pytest.mark.parametrize(
    ("test", "survive", "die"),
    [
        (
            "got > 0",
            ["last entry off", "times 1.001", "constant of the first call"],
            ["sign flipped"],
        ),
        (
            "abs(got - sum(values) / len(values)) < 1e-9",
            ["argument 1 kept from the first call", "sum(values) ** power -> sum(values)"],
            ["sum -> mean", "times 1.001", "argument 0 kept from the first call"],
        ),
        ("type(got) is float and got > 0", ["result as tensor", "result in single precision"], []),
    ],
)
def test_a_weak_checker_is_found_out(tmp_path, test, survive, die):
    path = tmp_path / "weak.py"
    path.write_text(WEAK.format(test=test, copy=""), encoding="utf-8")
    found, _ = mutants.survivors(load(path))
    names = {name for _, name in found}
    assert set(survive) <= names and not set(die) & names
