"""Recommendation in continuous time: the small library behind the lessons.

Floors, from the ground up: `data`, `losses` -> `models` -> `train`, `evaluate`, `statistics` ->
`experiments`. Below them all lies `tutorial_files`, which reads and writes files.
"""

__version__ = "0.1.0"
