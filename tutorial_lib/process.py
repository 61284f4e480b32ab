"""How a whole process waits for its threads and keeps its memory: for the commands of the course,
which call `prepare` before torch is imported. Importing the library sets nothing.
"""

import contextlib
import ctypes
import os
import sys

# A thread that waits for work spins for some microseconds, as waking it takes longer than most work
# here; but not for ever: two threads that do make a run 40-80 times slower beside a busy neighbour.
THREADS = {"GOMP_SPINCOUNT": "1000", "OMP_WAIT_POLICY": "PASSIVE"}  # GNU's OpenMP, and others
# Freed memory stays with the process. Handed back to the system, the same pages would be asked for
# in every training step. (glibc; M_MMAP_THRESHOLD is the largest that is allowed.)
MEMORY = {"MALLOC_MMAP_THRESHOLD_": 32 << 20, "MALLOC_TRIM_THRESHOLD_": 2**31 - 1}
MALLOPT = {"MALLOC_MMAP_THRESHOLD_": -3, "MALLOC_TRIM_THRESHOLD_": -1}


def prepare() -> None:
    """Sets both for this process and for those that it starts, where the user has not done so."""
    if "OMP_WAIT_POLICY" not in os.environ:
        for name, value in THREADS.items():
            os.environ.setdefault(name, value)
    for name, value in MEMORY.items():
        if name not in os.environ:
            os.environ[name] = str(value)
            if sys.platform == "linux":
                with contextlib.suppress(AttributeError):  # a C library without mallopt
                    ctypes.CDLL(None).mallopt(MALLOPT[name], value)
