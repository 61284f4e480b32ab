"""What the exercises of lesson 18 say of the library, and what their sealed boxes hold, is so."""

import pytest

from exercises import lesson18
from exercises.lesson18 import probe


def test_the_library_agrees_with_exercise_1(monkeypatch, tmp_path):
    """The stage itself, fed with the trials of the checker, chooses what the checker wants."""
    from tutorial_lib.experiments.stages import tune
    from tutorial_lib.experiments.stages.lineup import Entry
    from tutorial_lib.experiments.suite import Suite

    rates = (0.001, 0.003, 0.01)
    table = lesson18._trials().set_index(["model", "learning_rate", "seed"])["valid"]
    entries = tuple(Entry(label, "sasrec") for label in lesson18.WANT)
    suite = Suite(tmp_path, entries=entries, rates=rates, seeds=3, tune_seeds=3, users=50)

    class Named:
        def __init__(self, *key):
            self.key, self.name = key, str(key)

    monkeypatch.setattr(
        Suite, "run", lambda self, entry, seed, rate=None: Named(entry.label, rate, seed)
    )
    monkeypatch.setattr(Suite, "train", lambda self, runs: None)
    row = {"best_epoch": 1, "epochs": 1}
    monkeypatch.setattr(Suite, "result", lambda self, run: row | {"valid_ndcg@10": table[run.key]})
    assert tune.run(suite)["chosen"].set_index("model")["learning_rate"].to_dict() == lesson18.WANT


@pytest.mark.parametrize("letter", ["A", "D"])
def test_honest_scripts_do_not_move(letter):
    assert letter not in probe(500, collapse=True)
