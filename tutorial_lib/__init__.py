"""Recommendation in continuous time: the small library behind the lessons.

Floors, from the ground up: `data`, `losses` -> `models` -> `train`, `evaluate`, `statistics` ->
`experiments`.
"""

import contextlib
import ctypes
import os
import sys

# A thread that waits for work spins for some microseconds, as waking it takes longer than most work
# here; but not for ever:
# two threads that do make a run 40-80 times slower beside a busy neighbour. It counts only before
# torch is imported, hence here.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # for OpenMP libraries other than GNU's

# Freed memory stays with the process. Handed back to the system, the same pages would be asked for
# in every training step.
if sys.platform == "linux":
    with contextlib.suppress(AttributeError):  # a C library without mallopt
        ctypes.CDLL(None).mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD, the largest that is allowed
        ctypes.CDLL(None).mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD

__version__ = "0.1.0"
