"""The facts of lesson 01: right on hand-made tables, and the committed file is what the command
makes.
"""

import math

import numpy as np
import pandas as pd
import pytest

from studies import gap_facts as module
from studies.gap_facts import NAMES, gap_facts, later_share, read_facts, write_facts
from tutorial_files.places import find
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.gaps import irregularity
from tutorial_lib.data.splits import leave_last_out, temporal_split
from tutorial_lib.errors import TutorialError


def table(*histories):
    """Events of users 0, 1, ... at the given seconds; every item is new."""
    rows = [(user, time) for user, times in enumerate(histories) for time in times]
    return pd.DataFrame(rows, columns=["user", "timestamp"]).assign(item=range(1, len(rows) + 1))


def test_later_share_by_hand():
    dataset = make_dataset("hand", table([10, 20, 30, 40], [50, 60, 70, 80, 90]))
    # Training rows are 10, 20 and 50, 60, 70; the test events are 40 and 90.
    assert later_share(leave_last_out(dataset)).tolist() == [0.6, 0.0]
    assert later_share(temporal_split(dataset, valid=0.2, test=0.2)).max() == 0
    simultaneous = make_dataset("hand", table([10, 20, 30, 50], [50, 50, 50, 80, 90]))
    # the same second is not later
    assert later_share(leave_last_out(simultaneous)).tolist() == [0.0, 0.0]


def test_gap_facts_by_hand():
    day = 86400
    dataset = make_dataset(
        "hand", table([0, 0, day, day, day], [day, day + 60, 3 * day, 9 * day, 9 * day + 1])
    )
    facts = gap_facts(dataset)
    assert (facts["users"], facts["items"], facts["events"]) == (2, 10, 10)
    assert facts["zero_gaps"] == 3 / 8 and facts["gaps_below_hour"] == 5 / 8
    assert facts["gap_q50"] == pytest.approx((1 + 60) / 2) and facts["mean_gap"] == pytest.approx(
        (day + 8 * day + 1) / 8
    )
    assert facts["tied_events"] == 0.5 and facts["last_event_tied"] == 0.5
    assert facts["one_sitting_users"] == 0 and facts["midnight_events"] == 0.8
    assert facts["cv_q50"] == pytest.approx((math.sqrt(3) + irregularity(dataset.events)[1]) / 2)


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_row_is_what_the_data_give(name):
    if find(name) is None:
        pytest.skip(f"{name} is not on this machine")
    row, facts = read_facts().loc[name], gap_facts(load_dataset(name))
    assert facts.pop("dataset") == name and row.pop("fingerprint") == facts.pop("fingerprint")
    assert list(row.index) == list(facts)
    np.testing.assert_allclose(row.to_numpy(float), list(facts.values()), rtol=1e-5)


def test_the_committed_file_holds_aggregates_only():
    assert list(read_facts().index) == list(NAMES) and len(read_facts().columns) < 50


def test_rows_of_absent_data_sets_are_kept(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(module, "NAMES", ("control", "ml-1m"))
    path = tmp_path / "facts" / "gap_facts.csv"
    write_facts(path, data_dir=tmp_path)
    assert (
        list(read_facts(path).index) == ["control"] and "It gets no row." in capsys.readouterr().out
    )
    text = path.read_text()
    values = text.splitlines()[1].split(",")
    path.write_text(text + ",".join(["ml-1m", "abc", "0.500000", *values[3:]]) + "\n")
    write_facts(path, data_dir=tmp_path)
    assert (
        path.read_text().splitlines()[2].startswith("ml-1m,abc,0.500000,")
        and "stays as it was" in capsys.readouterr().out
    )
    assert path.read_text().splitlines()[:2] == text.splitlines() and sorted(
        tmp_path.glob("facts/*")
    ) == [path]


def test_a_missing_table_and_a_folder_that_cannot_be_written(monkeypatch, tmp_path):
    with pytest.raises(TutorialError, match="gap_facts.csv is missing.*--write"):
        read_facts(tmp_path / "gap_facts.csv")
    monkeypatch.setattr(module, "NAMES", ())
    (tmp_path / "file").write_text("")
    with pytest.raises(TutorialError, match="could not write"):
        write_facts(tmp_path / "file" / "gap_facts.csv")
