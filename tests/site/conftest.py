"""The book, built once for all tests."""

from pathlib import Path

import pytest

from course.site.build import ROOT, build


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("book") / "site"
    build(ROOT, out)
    return out
