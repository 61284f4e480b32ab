"""The tests must not depend on what the reader has set for the lessons, nor start one thread pool
per worker.
"""

import os
import sys
from pathlib import Path

# answers/: right and wrong answers of exercises
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "assignments"))
for name in ("TUTORIAL_DATASET", "TUTORIAL_USERS"):
    os.environ.pop(name, None)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # counts only before torch is imported
os.environ["MPLBACKEND"] = "Agg"
