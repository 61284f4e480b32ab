"""What the exercises of lesson 11 say of the library, and what their sealed boxes hold, is so."""

import torch
import torch.nn.functional as F

from tutorial_lib.models.mamba import ssd_recurrence


def test_the_letters_of_the_last_exercise():
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, dtype=torch.double, generator=generator)

    x, delta, A, B, C = (
        normal(1, 8, 2, 3),
        F.softplus(normal(1, 8, 2)),
        -F.softplus(normal(2)),
        normal(1, 8, 4),
        normal(1, 8, 4),
    )
    y = ssd_recurrence(x, delta, A, B, C)
    turn = torch.linalg.qr(normal(4, 4))[0]
    first = torch.cat([2 * delta[:, :1], delta[:, 1:]], dim=1)
    halves = [torch.cat([t[:, :4], t[:, 3:]], dim=1) for t in (x, delta, B, C)]  # event 3 twice
    halves[1][:, 3:5] /= 2
    split = ssd_recurrence(halves[0], halves[1], A, halves[2], halves[3])
    results = {
        "A": ssd_recurrence(x, delta, A, 2 * B, C / 2),
        "B": ssd_recurrence(x, 2 * delta, A / 2, B, C),
        "C": ssd_recurrence(x / 2, 2 * delta, A / 2, B, C),
        "D": ssd_recurrence(x, first, A, B, C),
        "E": torch.cat([split[:, :3], y[:, 3:4], split[:, 5:]], dim=1),
        "F": ssd_recurrence(x, delta, A, B @ turn, C @ turn),
    }
    assert {
        letter for letter, result in results.items() if torch.allclose(result, y, atol=1e-10)
    } == {"A", "C", "F"}
