"""The committed sample: valid, as informative as promised, and described truthfully by the data
card.
"""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from tutorial_files.sources import SOURCES
from tutorial_lib.data import simulate as module
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import make_dataset, validate
from tutorial_lib.data.simulate import (
    SAMPLES,
    SITTING,
    WORLDS,
    World,
    ceiling_ranks,
    load_ceiling,
)
from tutorial_lib.data.splits import temporal_split
from tutorial_lib.data.world import END
from tutorial_lib.errors import TutorialError

RANKS = ["rank_with_clock", "rank_without_clock"]


@pytest.fixture(scope="module")
def splits():
    """The temporal split of both committed data sets."""
    return {name: temporal_split(load_dataset(name)) for name in WORLDS}


def ndcg(ranks):
    return np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0.0)


def gaps_of(events):
    """Gap before each event in s; -1 at first events."""
    user, time = events["user"].to_numpy(), events["timestamp"].to_numpy()
    return np.where(np.diff(user, prepend=-1) != 0, -1, np.diff(time, prepend=0))


def irregularity(events):
    """Coefficient of variation of each user's gaps."""
    grouped = pd.Series(gaps_of(events)).where(lambda gap: gap >= 0).groupby(events["user"])
    return (grouped.std(ddof=0) / grouped.mean()).to_numpy()


def popularity_ranks(split):
    """Ranks of the test targets by training counts, seen items left out, ties half; slow and plain
    on purpose.
    """
    items = split.dataset.events["item"].to_numpy()
    counts = np.bincount(split.train["item"], minlength=split.dataset.num_items + 1)
    ranks = []
    for start, row in zip(split.test.start, split.test.row, strict=True):
        unseen = np.ones(len(counts), bool)
        unseen[[0, *items[start:row]]] = False
        rivals, own = counts[unseen], counts[items[row]]
        ranks.append(1 + (rivals > own).sum() + ((rivals == own).sum() - 1) / 2)
    return np.array(ranks)


def test_event_tables_are_valid_and_complete(splits):
    for name, split in splits.items():
        events = pd.read_csv(SAMPLES / f"{name}.csv.gz")
        pd.testing.assert_frame_equal(validate(events), events)
        dataset = split.dataset
        assert (dataset.num_users, dataset.num_items) == (WORLDS[name].users, WORLDS[name].items)
        np.testing.assert_array_equal(dataset.user_ids, np.arange(dataset.num_users))
        lengths = np.diff(dataset.offsets)
        assert lengths.min() == WORLDS[name].shortest and lengths.max() == WORLDS[name].longest


def test_people_differ_in_irregularity_and_time_has_ties(splits):
    events = splits["sample"].dataset.events
    gap = gaps_of(events)
    spread = irregularity(events)
    assert (
        spread.min() < 0.6
        and np.quantile(spread, 0.25) < 1.3
        and np.quantile(spread, 0.75) > 2.5
        and spread.max() > 5
    )
    within = gap[(gap >= 0) & (gap < SITTING)]
    assert 0.02 < (within == 0).mean() < 0.05
    assert 0.55 < len(within) / (gap >= 0).sum() < 0.65
    assert events["timestamp"].max() < END


def test_temporal_split_keeps_targets_and_long_histories(splits):
    split = splits["sample"]
    assert len(split.test) >= 1500 and len(split.valid) >= 1500
    assert np.median(split.train_end - split.dataset.offsets[:-1]) >= 30
    assert np.median(split.test.row - split.test.start) >= 30


def test_time_is_worth_something_in_sample_and_nothing_in_control(splits):
    split = splits["sample"]
    values = ndcg(ceiling_ranks(split.dataset, split.test.row).to_numpy())
    gain = values[:, 0] - values[:, 1]
    assert 0.03 <= gain.mean() <= 0.06
    rng = np.random.default_rng(0)
    means = [gain[rng.integers(0, len(gain), len(gain))].mean() for _ in range(1000)]
    assert np.quantile(means, 0.005) > 0.02
    control = ceiling_ranks(splits["control"].dataset, splits["control"].test.row)
    assert (
        control["rank_with_clock"].equals(control["rank_without_clock"])
        and control["rank_with_clock"].notna().all()
    )


def test_popularity_says_little_but_something(splits):
    for split in splits.values():
        value = ndcg(popularity_ranks(split)).mean()
        chance = ndcg(np.arange(1, 961)).mean()
        assert 2 * chance < value < 0.02


def test_ceiling_ranks_finds_its_rows_among_fewer_users():
    full, few = load_dataset("sample"), load_dataset("sample", users=300, seed=3)
    table = full.events.assign(rank=load_ceiling("sample")["rank_with_clock"].to_numpy()).set_index(
        ["user", "item"]
    )["rank"]
    rows = temporal_split(few).test.row
    chosen = few.events.iloc[rows]
    wanted = table.loc[
        list(zip(few.user_ids[chosen["user"]], few.item_ids[chosen["item"] - 1], strict=True))
    ]
    np.testing.assert_array_equal(ceiling_ranks(few, rows)["rank_with_clock"], wanted)
    assert wanted.notna().all() and wanted.nunique() > 50


def test_ceilings_are_refused_where_they_do_not_apply(monkeypatch, tmp_path):
    dataset = load_dataset("sample", users=20)
    cut = make_dataset("sample", dataset.events.drop(index=7))
    with pytest.raises(TutorialError, match="Histories of sample were changed"):
        ceiling_ranks(cut, np.array([1]))
    with pytest.raises(TutorialError, match="No ceiling is known for 'ml-1m'.*sample, control"):
        load_ceiling("ml-1m")
    monkeypatch.setattr(module, "SAMPLES", tmp_path)
    with pytest.raises(TutorialError, match="sample_ceiling.csv.gz is missing.*--write"):
        load_ceiling("sample")


def card_tables():
    """Rows of all tables of the data card, as lists of cells, English part and Chinese part."""
    text = (SAMPLES.parent / "README.md").read_text(encoding="utf-8")
    parts = text.split("<!-- 中文 -->")
    assert len(parts) == 2
    return [
        [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in part.splitlines()
            if line.startswith("|")
        ]
        for part in parts
    ]


def test_data_card_states_the_parameters():
    for rows in card_tables():
        stated = {row[0].strip("`"): row[1] for row in rows}
        for field in fields(World):
            value = getattr(World(), field.name)
            shown = (
                f"{value[0]:g} … {value[1]:g}"
                if isinstance(value, tuple)
                else f"{value:g}"
                if field.name != "clock"
                else None
            )
            assert stated[field.name].replace(",", "") == (shown or "real / fixed"), field.name


def test_data_card_states_the_measured_facts(splits):
    expected = []
    for split in splits.values():
        events, ranks = split.dataset.events, ceiling_ranks(split.dataset, split.test.row)
        gap = gaps_of(events)
        gap, pause = gap[gap >= 0], gap[gap >= SITTING] / 3600
        value = {column: ndcg(ranks[column].to_numpy()).mean() for column in RANKS}
        quartiles = np.quantile(irregularity(events), [0.05, 0.25, 0.5, 0.75, 0.95])
        when = pd.to_datetime(
            [np.quantile(events["timestamp"], 0.01), split.cut_valid, split.cut_test], unit="s"
        )
        expected.append(
            [
                f"{split.dataset.num_users:,}",
                f"{split.dataset.num_items:,}",
                f"{len(events):,}",
                " / ".join(f"{seconds:,.0f}" for seconds in np.quantile(gap, [0.1, 0.25, 0.5])),
                " / ".join(f"{hours:.0f}" for hours in np.quantile(pause, [0.1, 0.5, 0.9])),
                f"{(gap < SITTING).mean():.1%}",
                f"{(gap == 0).mean():.1%}",
                " / ".join(f"{q:.2f}" for q in quartiles),
                " / ".join(day.strftime("%Y-%m-%d") for day in when),
                f"{len(split.valid):,} / {len(split.test):,}",
                f"{np.median(split.train_end - split.dataset.offsets[:-1]):.0f}",
                f"{ndcg(popularity_ranks(split)).mean():.3f}",
                f"{value['rank_without_clock']:.3f}",
                f"{value['rank_with_clock']:.3f}",
                f"{value['rank_with_clock'] - value['rank_without_clock']:.3f}",
                f"`{split.dataset.fingerprint}`",
            ]
        )
    for rows in card_tables():
        start = (
            next(index for index, row in enumerate(rows) if row[1:] == ["`sample`", "`control`"])
            + 2
        )
        assert [row[1:] for row in rows[start : start + len(expected[0])]] == [
            list(pair) for pair in zip(*expected, strict=True)
        ]


def test_data_card_names_every_data_set():
    parts = (SAMPLES.parent / "README.md").read_text(encoding="utf-8").split("<!-- 中文 -->")
    for name in [*SOURCES, "csv:PATH", "txt:PATH"]:
        lacking = sum(f"`{name}`" not in part for part in parts)
        assert not lacking, (
            f"data/README.md: {lacking} of its {len(parts)} languages have no row `{name}`; write"
            " one in each table of data sets"
        )
