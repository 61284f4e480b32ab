"""Experiments on real and simulated data: one command a run, one row a result, provenance beside
every number.
"""
