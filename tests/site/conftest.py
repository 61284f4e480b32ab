"""The book, built once for all tests, or the one that lies in TUTORIAL_SITE."""

import os
from pathlib import Path

import pytest

from course.site.build import ROOT, build


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if built := os.environ.get("TUTORIAL_SITE"):
        assert (Path(built) / "index.html").is_file(), (
            f"no pages in TUTORIAL_SITE={built}: make site"
        )
        return Path(built).resolve()
    out = tmp_path_factory.mktemp("book") / "site"
    build(ROOT, out)
    return out
