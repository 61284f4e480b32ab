"""What the exercises of lesson 09 say of the library, and what their sealed boxes hold, is so."""

import numpy as np
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


def test_the_parallel_block_by_running_two_streams():
    """What the checker of 9.2 concludes from the mappings, seen by running the formula."""
    generator = torch.Generator().manual_seed(0)
    x, weight_f, weight_g = torch.randn(3, 5, 5, generator=generator, dtype=torch.double)

    def first(y):
        return (y @ weight_f).tanh()

    def second(y):
        return (y @ weight_g).sin()

    for answer in (lesson09.APART, lesson09.SWAPPED, lesson09.MIXED):
        pre, post, res = (
            torch.as_tensor(part if torch.is_tensor(part) else np.array(part), dtype=torch.double)
            for part in answer
        )
        streams = torch.stack([x, x])  # [2, N, d]
        for place, function in enumerate((first, second)):
            said = function(torch.einsum("n,nbd->bd", pre[place], streams))
            mixed = torch.einsum("mn,nbd->mbd", res[place], streams)
            streams = mixed + post[place][:, None, None] * said
        assert torch.allclose(streams.mean(0), x + first(x) + second(x), atol=1e-6)
