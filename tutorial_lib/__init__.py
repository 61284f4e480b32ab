"""Recommendation in continuous time: the small library behind the lessons.

Floors, from the ground up: `data`, `losses` -> `models` -> `train`, `evaluate`, `statistics` -> `experiments`.
"""

import os

# Two OpenMP threads that spin while they wait make a run 40-80 times slower beside a busy neighbour.
# The setting counts only before torch is imported, hence here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
