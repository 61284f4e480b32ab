"""What the clock of each data set is worth: the committed table, and the command that makes it."""

import pandas as pd
import pytest

from studies import clock_worth
from tutorial_lib.experiments.clock import MARGIN, MECHANISMS
from tutorial_lib.experiments.counting import KINDS


def test_committed_table():
    """Ten rows a data set, each verdict following from its numbers, none in the control world."""
    table = pd.read_csv(clock_worth.TABLE)
    for name, part in table.groupby("dataset"):
        assert list(part["clock"]) == [*KINDS, *KINDS], name
        assert set(part["evaluation"]) == {"frozen", "live"} and part["fingerprint"].nunique() == 1
    assert not table["code_version"].str.contains("changed|unknown").any()
    assert (table["gain"] - (table["ndcg@10"] - table["shuffled"])).abs().max() < 2e-6
    helps = (table["gain_low"] > 0) & (table["gain"] > MARGIN * table["shuffled"])
    assert (table["helps"] == (helps & (table["ndcg@10"] > table["blind"]))).all()
    used = table[table["helps"] & table["clock"].isin(MECHANISMS)]
    found = used.groupby("dataset")["clock"].agg(set)
    assert "control" not in found
    for name, wanted in (
        ("foursquare-nyc", "calendar"),
        ("movie-tweetings@min_user_events=5", "recency"),
        ("globo-news", "recency"),
        ("sample", "query"),
    ):
        if name in set(table["dataset"]):
            assert wanted in found[name], name


def test_rows_of_other_data_sets_stay(tmp_path, monkeypatch, capsys):
    table = tmp_path / "worth.csv"
    table.write_text("dataset,evaluation,clock,gain\nother,live,gaps,0.50\n")
    row = {"evaluation": "live", "clock": "gaps", "gain": 0.25, "ndcg@10": 0.5}
    row |= {"gain_low": 0.1, "gain_high": 0.4, "helps": True}
    monkeypatch.setattr(clock_worth, "worth", lambda dataset, seed: pd.DataFrame([row]))
    for _ in range(2):  # a second call replaces its own row
        assert clock_worth.main(["sample", "--table", str(table)]) == 0
    kept = pd.read_csv(table, dtype=str)
    assert kept["dataset"].tolist() == ["other", "sample"] and kept["gain"].tolist() == [
        "0.50",
        "0.25",
    ]
    assert kept.loc[1, "code_version"] != "" and len(kept.loc[1, "fingerprint"]) == 16
    assert clock_worth.main(["nothing", "--table", str(table)]) == 2
    assert "error: " in capsys.readouterr().err


def test_help_names_the_table(capsys):
    with pytest.raises(SystemExit):
        clock_worth.main(["--help"])
    assert "clock_worth.csv" in capsys.readouterr().out
