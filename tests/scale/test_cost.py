"""The formulas of the cost model against what the models really do, operation by operation."""

import pytest
import torch

from benchmarks.cost_model import Count, counted, main, training_step
from tutorial_lib.scale import cost
from tutorial_lib.scale.cost import Machine, Sizes, Work, measure

SIZES = [
    Sizes(4, 50, 32, 700, candidates=64),
    Sizes(2, 150, 64, 300, candidates=128),
    Sizes(3, 20, 48, 500, candidates=32, blocks=3),
]


def flash(name: str, s: Sizes) -> float:
    """Flops of the attention that torch's counter does not know on a CPU."""
    return s.blocks * 7 * s.positions * s.length * s.dim if name == "sasrec" else 0


@pytest.mark.parametrize("name", cost.MODELS)
@pytest.mark.parametrize("number", range(len(SIZES)))
def test_the_formulas_are_what_is_counted(name, number):
    s = SIZES[number]
    found, said = counted(name, s), cost.MODELS[name](s)
    model, _ = training_step(name, s)
    assert said.parameters == pytest.approx(sum(p.numel() for p in model.parameters()), rel=0.02)
    slack = 0.08 if name == "tisasrec" else 0.01  # how many buckets occur
    assert said.fused == flash(name, s)
    assert said.flops == pytest.approx(found.flops, rel=slack)
    assert said.moved == pytest.approx(found.moved, rel=0.1)
    assert said.calls == pytest.approx(found.calls, rel=0.03)
    assert said.drawn == pytest.approx(found.drawn, rel=0.01)
    assert said.looked == found.looked


@pytest.mark.parametrize("name", cost.MODELS)
def test_what_is_kept_for_the_backward_pass(name):
    s = Sizes(4, 100, 64, 500, candidates=64)
    model, _ = training_step(name, s)
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    held, alive = {}, []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        alive.append(tensor)
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = storage.nbytes() / 4
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        _, step = training_step(name, s)
        own |= {p.untyped_storage().data_ptr() for p in _.parameters()}
        step()
    assert cost.MODELS[name](s).kept == pytest.approx(sum(held.values()), rel=0.15)


def test_only_tisasrec_pays_for_the_square_of_the_length():
    """Four times the length at a quarter of the batch: the same positions."""
    grows = {}
    for name, model in cost.MODELS.items():
        short, long = (model(Sizes(4 * 2000 // n, n, 64, 1000)) for n in (500, 2000))
        grows[name] = long.moved / short.moved
    assert grows["tisasrec"] > 2.5
    assert all(grows[name] < 1.3 for name in ("sasrec", "ssd"))


def test_row_updates_do_not_cost_the_catalogue():
    dense, rows = (
        [cost.sasrec(Sizes(8, 50, 64, v, rows=rows)).moved for v in (10**5, 10**7)]
        for rows in (False, True)
    )
    assert dense[1] > 50 * dense[0] and rows[1] == rows[0]


def test_communication_by_hand():
    work = Work(0, 0, 0, kept=0, parameters=1000, table=600)
    assert work.communication(1) == 0
    assert work.communication(4) == 4 * 2 * 3 / 4 * 1000
    assert work.communication(4, touched=5, dim=10) == 4 * (1.5 * 400 + 3 * 5 * 12)
    assert work.memory == 4 * 4 * 1000


def test_seconds_by_hand():
    work = Work(flops=8e9, moved=1e9, calls=100, kept=0, parameters=0, table=0)
    assert Machine(4e9, 8e9, 0.001).seconds(work) == pytest.approx(2 + 0.5 + 0.1)
    slow = Work(0, 0, 0, kept=0, parameters=0, table=0, drawn=1e6, looked=1e7, fused=1e9)
    assert Machine(4e9, 8e9, 0.001, draw=1e-8, lookup=1e-9, attention=2e9).seconds(slow) == 0.52


def test_a_machine_is_measured():
    machine = measure(256, 32, 10_000, 20, repeats=3)
    assert 1e7 < machine.products < 1e14 and 1e7 < machine.memory < 1e13
    assert 1e-8 < machine.call < 1e-2
    assert 1e-11 < machine.draw < 1e-5 and 1e-11 < machine.lookup < 1e-5
    assert 1e7 < machine.attention < 1e14


def test_the_calls_of_the_small_step_are_counted():
    step = cost.small_step()
    step()
    with Count() as count:
        step()
    assert count.calls == cost.SMALL_CALLS


def test_the_tables_are_printed(capsys):
    main(["--quick", "--repeats", "1", "--price", "H100=6.88"])
    said = capsys.readouterr().out
    assert "within 25%" in said and "H100: $6.88 an hour (given by --price)" in said
    assert "17 June 2026" in said and said.count("deepm3") == 2 + 8
    with pytest.raises(SystemExit):
        main(["--price", "abacus=1"])
