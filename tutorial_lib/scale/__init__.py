"""Data larger than the memory: from tables on the disk to columns that are memory-mapped; and what
training on so much costs (`cost`).
"""
