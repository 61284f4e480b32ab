"""Data larger than the memory: from tables on the disk to columns that are memory-mapped."""
