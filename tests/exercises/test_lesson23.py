"""What the exercises of lesson 23 say of the library, and what their sealed boxes hold, is so."""

import re

import numpy as np
import pandas as pd

from exercises import lesson23
from exercises.lesson23 import ROOT
from tutorial_lib.experiments.protocol import collapsed
from tutorial_lib.statistics import holm


def test_the_tricks_of_the_sealed_studies_are_larger_than_rounding():
    off = {name: abs((s.new - s.old).mean() - s.reported) for name, s in lesson23.sealed.items()}
    assert all(off[name] == 0 for name in "BE") and all(off[name] > 0.0005 for name in "ACDF")


def test_the_claims_stand_in_the_lesson_too():
    claims = pd.read_csv(ROOT / "data" / "claims.csv")
    text = (ROOT / "notebooks" / "source" / "23_replication_report.py").read_text(encoding="utf-8")
    assert list(claims["number"]) == list(range(1, 14)) and not claims.isna().any().any()
    for number in claims["number"]:
        assert f"**{number}. " in text  # the paragraph about it, in English and in Chinese
        assert text.count(f"**{number}. ") == 2


def test_both_languages_claim_the_same_numbers():
    claims = pd.read_csv(ROOT / "data" / "claims.csv")
    for english, chinese in (("claim_en", "claim_zh"), ("short", "short_zh")):
        for one, other in zip(claims[english], claims[chinese], strict=True):
            numbers = [sorted(re.findall(r"\d[\d.]*\d[KM]?|\d", text)) for text in (one, other)]
            assert numbers[0] == numbers[1], one


def test_the_answers_of_the_self_test_follow_from_their_numbers():
    four = [0.001, 0.012, 0.02, 0.04]
    np.testing.assert_allclose(holm(four), [0.004, 0.036, 0.04, 0.04])
    np.testing.assert_allclose(holm([*four, 0.04]), [0.005, 0.048, 0.06, 0.08, 0.08])
    five = np.array([0.095, 0.048, 0.085, 0.027, 0.102])
    assert collapsed(five).tolist() == [False, False, False, True, False]
    assert round(five.mean(), 3) == 0.071


def test_the_snippet_to_mend_departs_from_the_rule():
    def verdict(comparisons):
        p = np.array([p for _, _, p in comparisons]) * len(comparisons)
        above = np.array([low >= 0 for low, _, _ in comparisons], dtype=bool)
        return "replicated" if (above & (p < 0.05)).any() else "not replicated"

    wrong = [rows for rows, _ in lesson23.CASES if verdict(rows) != lesson23._right_word(rows)]
    assert len(wrong) >= 4 and lesson23.check_verdict(verdict).status == "wrong"
