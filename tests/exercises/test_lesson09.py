"""What the exercises of lesson 09 say of the library, and what their sealed boxes hold, is so."""

import torch

from exercises import lesson09
from tutorial_lib.models.mhc import sinkhorn


def test_sealed_networks_are_idle_as_the_exercise_says():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 8, dtype=torch.double, generator=generator)
    first, second = sinkhorn(torch.randn(2, 3, 4, 4, dtype=torch.double, generator=generator), 200)
    moved = {
        name: (network(x, first) - network(x, second)).abs().max()
        for name, network in lesson09.sealed.items()
    }
    assert {name for name, size in moved.items() if size < 1e-12} == {"B", "C", "D"}
    assert min(moved["A"], moved["E"]) > 1e-3  # far from any tolerance that a student may choose


def test_statements_by_numbers():
    first, second = sinkhorn(
        torch.randn(2, 4, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0)), 500
    )
    ones = torch.ones(4, dtype=torch.double)
    assert torch.allclose((first @ second).sum(0), ones) and torch.allclose(
        (first @ second).sum(1), ones
    )
    assert torch.linalg.inv(torch.tensor([[0.75, 0.25], [0.25, 0.75]])).min() < 0
