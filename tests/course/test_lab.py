"""What `make lab` opens, and with which arguments. The real start is tests/course/lab_smoke.py."""

import json
from pathlib import Path

import pytest

from course import lab, lessons

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "zh_TW"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LESSONS": "en"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LESSONS": "zh"}, "zh"),
    ],
)
def test_language_follows_the_choice_then_the_locale(environ, expected):
    assert lessons.reader_language(environ) == expected


def test_unknown_language_is_one_clear_sentence():
    with pytest.raises(SystemExit, match="LESSONS is 'fr'.*set LESSONS=en or LESSONS=zh"):
        lessons.reader_language({"LESSONS": "fr"})


def test_first_lesson_is_the_lowest_number_not_the_first_name(tmp_path):
    folder = tmp_path / "notebooks" / "zh"
    folder.mkdir(parents=True)
    assert lab.first_lesson(tmp_path, "zh") is None
    for name in ("07_b.ipynb", "04_z.ipynb", "Untitled.ipynb", "04_z.py"):
        (folder / name).write_text("{}")
    assert lab.first_lesson(tmp_path, "zh") == "notebooks/zh/04_z.ipynb"
    assert lab.first_lesson(tmp_path, "en") is None


def test_the_user_overrules_our_arguments():
    given = ["--port", "9999", "--log-level=DEBUG", "--LabApp.default_url=/lab/tree/x"]
    result = lab.arguments(given, "notebooks/en/04_z.ipynb")
    names = [argument.split("=")[0] for argument in result if argument.startswith("--")]
    assert len(names) == len(set(names)), "JupyterLab refuses an option that is given twice"
    assert result[-len(given) :] == given
    assert "--LabApp.default_url=/lab/tree/notebooks/en/04_z.ipynb" in lab.arguments(
        [], "notebooks/en/04_z.ipynb"
    )


@pytest.mark.parametrize(("uid", "allowed"), [(0, True), (1000, False)])
def test_root_is_allowed_only_where_the_user_is_root(monkeypatch, uid, allowed):
    monkeypatch.setattr(lab.os, "geteuid", lambda: uid)
    assert ("--allow-root" in lab.arguments([], None)) is allowed


@pytest.mark.parametrize(
    ("screen", "silent"), [({}, True), ({"DISPLAY": ":0"}, False), ({"BROWSER": "firefox"}, False)]
)
def test_no_browser_without_a_screen(monkeypatch, screen, silent):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in screen.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(lab.sys, "platform", "linux")
    assert ("--no-browser" in lab.arguments([], None)) is silent


def test_every_notebook_names_the_kernel_that_is_installed():
    """Without a kernelspec JupyterLab asks the reader which kernel to use."""
    for path in sorted((ROOT / "notebooks").glob("[ez][nh]/*.ipynb")):
        metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
        assert metadata["kernelspec"]["name"] == "python3", path
