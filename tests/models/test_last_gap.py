"""Who can see the clock? In the last-gap task only the time up to the query tells the answer, and
half of the answers are 1.
"""

import pytest
import torch
from torch import Tensor

from tutorial_lib.data.simulate import last_gap_task
from tutorial_lib.losses import full_softmax
from tutorial_lib.models import MODELS, SequenceModel, build_model

LENGTH, TESTED = 8, 2000


class PeekingGRU(SequenceModel):
    """The control: a GRU that is told the gap between the last event and the query."""

    def __init__(self):
        super().__init__(12, LENGTH, 16)
        self.gru, self.out = torch.nn.GRU(17, 16, batch_first=True), torch.nn.Linear(16, 16)

    def forward(self, items, times=None, query_times=None):
        gap = (query_times - times).double().log1p().float()[..., None] / 10
        return self.out(self.gru(torch.cat([self.item_embedding(items), gap], dim=-1))[0])


def right(
    model: SequenceModel, items: Tensor, times: Tensor, query_times: Tensor, answer: Tensor
) -> Tensor:
    """Which sequences get the right answer? bool [N]."""
    with torch.inference_mode():
        states = model(items, times, query_times)[torch.arange(len(items)), (items > 0).sum(1) - 1]
        return model.score(states).argmax(dim=1) == answer


def accuracies(model: SequenceModel, gap: str = "query") -> tuple[float, float]:
    """Share of right answers among the 400 sequences trained on, and among unseen ones."""
    task = last_gap_task(400, LENGTH, seed=0, gap=gap)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    torch.manual_seed(0)
    for step in range(200):
        items, times, query_times, answer = (column[step % 2 :: 2] for column in task)
        states = model(items, times, query_times)[torch.arange(len(items)), (items > 0).sum(1) - 1]
        loss = full_softmax(states, model.item_vectors(), answer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    unseen = last_gap_task(TESTED, LENGTH, seed=1, gap=gap)
    return tuple(right(model, *sequences).double().mean().item() for sequences in (task, unseen))


BLIND = [
    name
    for name, cls in MODELS.items()
    if cls.trains_by_gradient and not (cls.uses_time or cls.uses_users)
]


@pytest.mark.parametrize("name", BLIND)
def test_a_blind_model_learns_by_heart_and_guesses(name):
    model = build_model(name, num_items=12, max_len=LENGTH, dim=32, dropout=0.0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5)  # larger weights learn by heart sooner
    known, unseen = accuracies(model)
    assert known > 0.6  # it did try: four standard errors above guessing
    assert abs(unseen - 0.5) < 4 * (0.25 / TESTED) ** 0.5


def test_one_that_sees_the_clock_knows():
    torch.manual_seed(0)
    assert min(accuracies(PeekingGRU())) > 0.98


@pytest.mark.parametrize("name", ["tisasrec", "tisasrec_mhc", "hstu"])
@pytest.mark.parametrize(("gap", "query_time"), [("query", True), ("past", False)])
def test_time_aware_attention_knows(name, gap, query_time):
    model = build_model(
        name, num_items=12, max_len=LENGTH, dim=16, dropout=0.0, query_time=query_time
    )
    assert min(accuracies(model, gap)) >= 0.95


@pytest.mark.parametrize("name", ["tisasrec", "hstu"])
def test_attention_that_is_not_told_the_query_time_guesses(name):
    _, unseen = accuracies(build_model(name, num_items=12, max_len=LENGTH, dim=16, dropout=0.0))
    assert abs(unseen - 0.5) < 4 * (0.25 / TESTED) ** 0.5
