"""Events, data sets, splits, sequences: everything between a file of interactions and a batch of
tensors.
"""
