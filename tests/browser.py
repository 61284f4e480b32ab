"""The browser of the tests: a chromium of the system, driven by playwright. Tests that want it take
the fixture `browser` and are skipped where either is missing.
"""

import shutil

# Chromium must neither ask the network for anything nor need a screen.
FLAGS = [
    *("--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def chromium() -> str | None:
    """The program of the browser, where one is installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)
