"""The book, built once for all tests, and a browser where there is one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from course.site.build import ROOT, build

# Chromium must neither ask the network for anything nor need a screen.
FLAGS = [
    *("--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def chromium() -> str | None:
    """The program of the browser, where one is installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("book") / "site"
    build(ROOT, out)
    return out


@pytest.fixture(scope="session")
def browser() -> Iterator:
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (pip install -e '.[site]')"
    )
    program = chromium()
    if program is None:
        pytest.skip("no Chromium is installed (on Debian: apt-get install chromium)")
    with api.sync_playwright() as driver:
        window = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield window
        window.close()
