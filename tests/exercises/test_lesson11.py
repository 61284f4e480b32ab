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
    longer = [
        torch.cat([t[:, :3], 0 * t[:, :1] + (i != 1), t[:, 3:]], dim=1)
        for i, t in enumerate((x, delta, B, C))
    ]
    with_one_more = ssd_recurrence(longer[0], longer[1], A, longer[2], longer[3])
    results = {
        "A": ssd_recurrence(x, delta, A, 2 * B, C / 2),
        "B": ssd_recurrence(x, 2 * delta, A / 2, B, C),
        "C": ssd_recurrence(x / 2, 2 * delta, A / 2, B, C),
        "D": ssd_recurrence(x, first, A, B, C),
        "E": torch.cat([with_one_more[:, :3], with_one_more[:, 4:]], dim=1),
        "F": ssd_recurrence(x, delta, A, B @ turn, C @ turn),
    }
    assert {
        letter for letter, result in results.items() if torch.allclose(result, y, atol=1e-10)
    } == {"A", "C", "E", "F"}
