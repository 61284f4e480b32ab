"""What every gradient written by hand has in common: it can be taken once."""

import functools
from collections.abc import Callable

import torch

from tutorial_lib.errors import TutorialError


def once_differentiable(backward: Callable) -> Callable:
    """Marks a hand-written backward: it raises where its gradient is to be differentiated again.

    torch's decorator of this name raises only if the gradient handed in needs one. A loss stands
    last and is handed a 1, so its second derivative would be 0 without a word.
    """

    @functools.wraps(backward)
    def checked(ctx, *gradients):
        if torch.is_grad_enabled():  # in a backward: create_graph=True
            raise TutorialError(
                "a gradient written by hand has no gradient of its own: to use create_graph=True,"
                " compute inside `with tutorial_lib.kernels.use(False):`"
            )
        return backward(ctx, *gradients)

    return checked
