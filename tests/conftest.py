"""The tests must not depend on what the reader has set for the lessons, nor start one thread pool
per worker.
"""

import os
from collections.abc import Iterator

import pytest

from tests.browser import FLAGS, chromium

for name in ("TUTORIAL_DATASET", "TUTORIAL_USERS"):
    os.environ.pop(name, None)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # counts only before torch is imported
os.environ["MPLBACKEND"] = "Agg"


@pytest.fixture(scope="module")  # while it is open, a loop runs in this thread
def browser() -> Iterator:
    """A chromium of the system; the test is skipped where there is none."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (pip install playwright)"
    )
    program = chromium()
    if program is None:
        pytest.skip("no Chromium is installed (on Debian: apt-get install chromium)")
    with api.sync_playwright() as driver:
        window = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield window
        window.close()
