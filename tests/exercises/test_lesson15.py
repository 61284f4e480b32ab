"""What the exercises of lesson 15 say of the library, and what their sealed boxes hold, is so."""

import torch

from tutorial_lib.models.ode import integrate


def test_a_flow_can_do_what_the_answer_says():
    """A, C and E by explicit fields in closed form; B and F break the order on the line, D the
    sense of rotation.
    """
    week, points = torch.ones(5, dtype=torch.double), torch.randn(5, 3, dtype=torch.double)
    points[:, 2] = 0
    tripled = integrate(
        lambda t, z: z * torch.log(torch.tensor(3.0)), points[:, :1], week, steps=100
    )
    torch.testing.assert_close(tripled, 3 * points[:, :1], atol=1e-6, rtol=0)
    turn = torch.pi * torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.double)
    turned = integrate(lambda t, z: z @ turn.T, points[:, :2], week, steps=100)
    torch.testing.assert_close(turned, -points[:, :2], atol=1e-6, rtol=0)
    page = torch.zeros(3, 3, dtype=torch.double)
    page[1:, 1:] = turn
    mirrored = integrate(lambda t, z: z @ page.T, points, week, steps=100)
    torch.testing.assert_close(
        mirrored[:, :2], points[:, :2] * torch.tensor([1.0, -1.0]), atol=1e-6, rtol=0
    )
