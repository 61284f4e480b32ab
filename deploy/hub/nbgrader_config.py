"""Settings of nbgrader for everybody on the hub; start.py gives the instructor further ones."""

c = get_config()  # noqa: F821  (traitlets puts it here)

c.Exchange.root = "/srv/nbgrader/exchange"
