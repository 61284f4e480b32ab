"""Files of the world outside: where data sets lie, how they are fetched, unpacked and read into
tables, and how a file is written whole or not at all.

The floor below `tutorial_lib`, which it does not know; nothing here needs torch, and no lesson
teaches it. `tutorial_lib.data.datasets.load_dataset` is its door.
"""
