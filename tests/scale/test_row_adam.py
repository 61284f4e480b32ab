"""Updates of single rows: equal to dense Adam where they should be, and free of the rest."""

import pytest
import torch

from tutorial_lib.config import TrainConfig
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.splits import temporal_split
from tutorial_lib.models import build_model
from tutorial_lib.optim import RowAdamW
from tutorial_lib.train import make_optimizer, train


def table(sparse: bool, rows: int = 6) -> torch.nn.Embedding:
    made = torch.nn.Embedding(rows, 3, sparse=sparse, dtype=torch.double)
    with torch.no_grad():
        made.weight.copy_(torch.arange(rows * 3).view(rows, 3) / 10)
    return made


def steps(made: torch.nn.Embedding, optimizer, touched: list[list[int]]) -> torch.Tensor:
    """The table after a step of some loss for each list of rows."""
    for number, rows in enumerate(touched, start=1):
        optimizer.zero_grad()
        (made(torch.tensor(rows)).sin() * number).square().sum().backward()
        optimizer.step()
    return made.weight.detach().clone()


def both(touched: list[list[int]], theirs=torch.optim.AdamW, **options) -> tuple[torch.Tensor, ...]:
    settings = {"lr": 0.05, "betas": (0.9, 0.98)} | options
    ours, dense = table(True), table(theirs is torch.optim.SparseAdam)
    return (
        steps(ours, RowAdamW(ours.parameters(), weight_decay=0, **settings), touched),
        steps(dense, theirs(dense.parameters(), **settings), touched),
    )


EVERY = [[0, 1, 2, 3, 4, 5, 5, 2]] * 7  # some rows twice in a step


def test_every_row_in_every_step_is_dense_adam():
    ours, dense = both(EVERY, torch.optim.Adam)
    torch.testing.assert_close(ours, dense, atol=1e-14, rtol=1e-14)


def test_the_first_step_of_a_row_is_that_of_dense_adam():
    ours, dense = both([[0, 1], [0, 1], [0, 1, 4]], torch.optim.Adam)
    torch.testing.assert_close(ours, dense, atol=1e-14, rtol=1e-14)
    assert not torch.equal(ours[4], table(True).weight[4])


def test_a_row_that_rests_waits_while_that_of_dense_adam_moves_on():
    rest = [[1]] * 3
    ours, dense = both([[0, 1], *rest], torch.optim.Adam)
    before = both([[0, 1]], torch.optim.Adam)[0]
    assert torch.equal(ours[0], before[0]) and not torch.equal(dense[0], before[0])
    torch.testing.assert_close(ours[1], dense[1], atol=1e-14, rtol=1e-14)


def test_it_is_torchs_sparse_adam_where_eps_is_nothing():
    """torch adds eps before the bias correction, we as dense Adam does: after it."""
    touched = [[0, 1, 1], [2, 0], [1], [5, 0, 2]]
    ours, theirs = both(touched, torch.optim.SparseAdam, eps=1e-30)
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-12)


def test_the_state_goes_on_after_a_break():
    whole = both([[0, 1], [2], [0, 3], [1]])[0]
    made = table(True)
    optimizer = RowAdamW(made.parameters(), lr=0.05, betas=(0.9, 0.98), weight_decay=0)
    steps(made, optimizer, [[0, 1], [2]])
    fresh = RowAdamW(made.parameters(), lr=0.05, betas=(0.9, 0.98), weight_decay=0)
    fresh.load_state_dict(optimizer.state_dict())
    for number, rows in ((3, [0, 3]), (4, [1])):
        fresh.zero_grad()
        (made(torch.tensor(rows)).sin() * number).square().sum().backward()
        fresh.step()
    assert torch.equal(made.weight, whole)


def test_a_step_touches_no_other_row():
    """Beyond equal values: moments and weights of the others are not even written."""
    made = table(True, rows=1000)
    optimizer = RowAdamW(made.parameters(), lr=0.1)
    steps(made, optimizer, [[3, 8], [8]])
    state = optimizer.state[made.weight]
    touched = (state["exp_avg"] != 0).any(dim=1).nonzero()[:, 0]
    assert touched.tolist() == [3, 8]
    changed = (made.weight != table(True, rows=1000).weight).any(dim=1).nonzero()[:, 0]
    assert changed.tolist() == [3, 8]


@pytest.mark.parametrize("loss", ["logq_ce", "bce"])
def test_training_with_a_sparse_table(loss, tmp_path):
    """One epoch of one batch is one first step of every row: equal to the dense table's. Cut after
    an epoch, it goes on with the same bits; afterwards the model is as any other.
    """
    split = temporal_split(load_dataset("sample", users=120))
    sizes = {"num_items": split.dataset.num_items, "max_len": 10, "dim": 8, "dropout": 0.0}

    def trained(epochs: int, checkpoint=None, batch: int = 32, **options) -> torch.nn.Module:
        model = build_model("sasrec", **sizes)
        config = TrainConfig(
            loss=loss, negatives=20, epochs=epochs, batch_size=batch, learning_rate=0.01, **options
        )
        train(model, split, config, device="cpu", progress=False, checkpoint=checkpoint)
        assert not model.item_embedding.sparse
        return model

    one = [trained(1, batch=200, sparse_table=sparse) for sparse in (True, None)]
    torch.testing.assert_close(*(m.state_dict() for m in one), atol=2e-6, rtol=0)
    whole = trained(3, sparse_table=True).state_dict()
    trained(2, tmp_path / "c.pt", sparse_table=True)
    again = trained(3, tmp_path / "c.pt", sparse_table=True).state_dict()
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_the_dense_optimizer_stays_where_it_is_not_asked_for():
    model = build_model("sasrec", num_items=5, max_len=3, dim=4)
    assert type(make_optimizer(model, TrainConfig())) is torch.optim.AdamW
