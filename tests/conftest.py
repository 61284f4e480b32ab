"""The tests must not depend on what the reader has set for the lessons, nor start one thread pool
per worker.
"""

import os

for name in ("TUTORIAL_DATASET", "TUTORIAL_USERS"):
    os.environ.pop(name, None)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # counts only before torch is imported
os.environ["MPLBACKEND"] = "Agg"
