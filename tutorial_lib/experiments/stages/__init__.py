"""The eight stages of the suite, a module each with its STAGE; and beside them what stages share:
which models take part (lineup), the work in processes (work), what is up to date (fresh).
"""
