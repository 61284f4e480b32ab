"""The experiment of lesson 06: the switches do what they say, all switched on is SASRec, and the
committed table is whole.
"""

import pandas as pd
import pytest
import torch

from studies import block_ablation
from studies.block_ablation import (
    RATES,
    SEEDS,
    TABLE,
    VARIANTS,
    Switches,
    at_best_rate,
    build,
    main,
    replay_batch,
)
from tutorial_lib.errors import TutorialError
from tutorial_lib.models import build_model

ITEMS = torch.tensor([[3, 14, 15, 9, 2], [6, 5, 7, 0, 0]])
QUIET = {"dropout": 0.0}


def test_all_switches_on_is_sasrec():
    sasrec = build_model(
        "sasrec", num_items=20, max_len=8, dim=block_ablation.DIM, dropout=0.1, seed=3
    )
    ours = build(Switches(), 20, 8, seed=3)
    assert torch.equal(ours.eval()(ITEMS), sasrec.eval()(ITEMS))  # same initial weights too
    ours.load_state_dict(sasrec.state_dict())


@pytest.mark.parametrize("name", VARIANTS)
def test_no_variant_looks_ahead_and_each_differs_from_the_full_model(name):
    model = build(VARIANTS[name], 20, 8, seed=0).eval()
    changed = ITEMS.clone()
    changed[:, 3] = 11
    before, after = model(ITEMS), model(changed)
    assert torch.equal(before[:, :3], after[:, :3]) and not torch.allclose(
        before[:, 3], after[:, 3]
    )
    if name not in ("full", "no dropout"):  # dropout makes a difference while training only
        assert not torch.allclose(before, build(Switches(), 20, 8, seed=0).eval()(ITEMS))


def test_what_the_switches_take_away():
    x = torch.randn(2, 5, 16)
    make = lambda **options: block_ablation.SwitchBlock(16, 16, Switches(**QUIET, **options))  # noqa: E731
    for name in ("attention", "feed_forward"):
        block = make(**{name: False})
        for weight in getattr(block, name).parameters():
            weight.data.fill_(torch.nan)  # would be seen if the part were used
        assert block(x).isfinite().all()
    silent = make()
    for part in (silent.attention.out, silent.feed_forward.layers[3]):
        torch.nn.init.zeros_(part.weight), torch.nn.init.zeros_(part.bias)
    assert torch.equal(silent(x), x)  # a residual block that says nothing changes nothing
    silent.switches = Switches(residual=False, **QUIET)
    assert torch.equal(silent(x), torch.zeros_like(x))
    post = make(norm="post")(x)
    assert post.mean(-1).abs().max() < 1e-5 and (post.var(-1, correction=0) - 1).abs().max() < 1e-3
    bare = make(norm="none")
    for norm in (bare.norm1, bare.norm2):
        norm.weight.data.fill_(torch.nan)
    assert bare(x).isfinite().all()
    # without position and with a mean over everything before, order is invisible to the last event
    turned = ITEMS[:1].flip(1)
    blind = build(Switches(position=False, blocks=1), 20, 8, seed=0).eval()
    swapped = ITEMS[:1, [2, 0, 1, 3, 4]]
    torch.testing.assert_close(blind(ITEMS[:1])[:, -1], blind(swapped)[:, -1])
    assert not torch.allclose(blind(ITEMS[:1])[:, -1], blind(turned)[:, -1])


def test_unknown_norm_is_refused():
    with pytest.raises(TutorialError, match="unknown norm 'layer'; known are pre, post, none"):
        Switches(norm="layer")


def test_replay_asks_for_an_event_of_the_history():
    batch = replay_batch(500, torch.Generator().manual_seed(0))
    items, answers = batch.items, batch.targets[:, -1]
    assert not batch.targets[:, :-1].any()
    place = items[:, -1] - 31
    assert (
        place.min() == 0
        and place.max() == 5
        and items[:, :-1].min() == 1
        and items[:, :-1].max() == 30
    )
    assert torch.equal(items[torch.arange(500), place], answers)


def test_runs_repeat_to_the_last_bit_and_leave_the_global_seed_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second = (
        block_ablation.train_replay(VARIANTS["full"], 0.01, 2, steps=3) for _ in range(2)
    )
    assert torch.equal(torch.rand(1), expected)
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )
    # fresh histories each
    assert block_ablation.score_replay(first, 2, "valid") != block_ablation.score_replay(
        first, 2, "test"
    )


def test_best_rate_is_chosen_on_validation_and_ties_go_to_the_lowest():
    rows = [
        ("a", 0.01, 0, 0.2, 0.9),
        ("a", 0.01, 1, 0.4, 0.9),
        ("a", 0.03, 0, 0.5, 0.1),
        ("a", 0.03, 1, 0.3, 0.1),
    ]
    rows += [("b", 0.03, 0, 1.0, 0.0), ("b", 0.01, 0, 1.0, 0.0)]
    table = pd.DataFrame(
        rows, columns=["variant", "learning_rate", "seed", "valid", "test"]
    ).assign(task="t")
    chosen = at_best_rate(table).groupby("variant")["learning_rate"].unique()
    assert chosen["a"].tolist() == [0.03] and chosen["b"].tolist() == [0.01]


def test_a_run_that_diverges_is_a_row_without_scores_and_never_chosen(monkeypatch):
    row = block_ablation.run("replay", "full", 1e30, 0, steps=8)
    assert row["seed"] == 0 and row["valid"] != row["valid"] and row["test"] != row["test"]
    rest = [dict(row, learning_rate=rate, valid=0.2) for rate in (0.003, 0.01)]
    chosen = at_best_rate(pd.DataFrame([row, dict(row, seed=1, valid=0.3), *rest]))
    assert chosen["learning_rate"].tolist() == [0.003]


def test_command_writes_a_table(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(block_ablation, "REPLAY_STEPS", 2)
    main(
        [
            "--table",
            str(tmp_path / "table.csv"),
            "--tasks",
            "replay",
            "--variants",
            "full",
            "1 block",
            "--seeds",
            "7",
        ]
    )
    table = pd.read_csv(tmp_path / "table.csv")
    assert table.columns.tolist() == ["task", "variant", "learning_rate", "seed", "valid", "test"]
    assert len(table) == 2 * len(RATES) == len(capsys.readouterr().out.splitlines()) and set(
        table["seed"]
    ) == {7}


def test_committed_table_is_whole():
    table = pd.read_csv(TABLE)
    keys = ["task", "variant", "learning_rate", "seed"]
    assert not table.duplicated(keys).any() and len(table) == 2 * len(VARIANTS) * len(RATES) * len(
        SEEDS
    )
    assert set(table["task"]) == {"sample", "replay"} and set(table["variant"]) == set(VARIANTS)
    assert table[["valid", "test"]].stack().dropna().between(0, 1).all()
    diverged = table[table["valid"].isna()]
    assert (diverged["test"].isna() & (diverged["learning_rate"] == max(RATES))).all()
    best = at_best_rate(table[table["task"] == "sample"])["learning_rate"]
    assert best.between(min(RATES), max(RATES), inclusive="neither").all()
