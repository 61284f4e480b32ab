"""The eight stages of the suite, one module each: `run(suite)` makes tables, `draw` pictures of
them, `verdict` sentences.
"""
