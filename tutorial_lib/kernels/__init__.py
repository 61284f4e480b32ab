"""The fast forms of what `models/` and `losses.py` say plainly.

One line above a formula names its fast form, which has the same arguments and the same result:

    @kernels.fast(kernels.softmax.full_softmax)
    def full_softmax(states, weight, targets): ...

Fast forms are on by default. `with kernels.use(False):` runs every formula as it stands, to read
along or to take gradients of gradients, where a hand-written gradient raises.
`tests/test_kernels.py` holds each to its formula. Shown in lessons 07, 09, 10 and 11.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tutorial_lib.kernels import attention, dropout, pairs, scan, softmax, streams

__all__ = ["attention", "dropout", "fast", "pairs", "scan", "softmax", "streams", "use"]
enabled = True


@contextmanager
def use(on: bool) -> Iterator[None]:
    """Inside the block fast forms are used (True) or formulas (False)."""
    global enabled
    before, enabled = enabled, on
    try:
        yield
    finally:
        enabled = before


def fast(kernel: Callable) -> Callable[[Callable], Callable]:
    """Puts `kernel` in the place of the decorated formula while fast forms are on."""

    def choose(formula: Callable) -> Callable:
        @functools.wraps(formula)  # keeps the formula as `__wrapped__`
        def chosen(*args, **options):
            return (kernel if enabled else formula)(*args, **options)

        chosen.kernel = kernel
        return chosen

    return choose
