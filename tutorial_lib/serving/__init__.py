"""From a finished run to answers in milliseconds: `python -m tutorial_lib.serving --help`.

    streams   how each model reads one more event        states   what is kept of all users
    store     the events, on the disk or in Redis        versions a model with states and index
    service   the one thread that owns them all          app      what is spoken over HTTP

Events are the truth; every state is a cache that can be made again from them. Taught in lesson 21.
"""
