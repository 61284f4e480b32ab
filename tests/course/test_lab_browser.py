"""JupyterLab in a real browser: its menus are Chinese beside Chinese lessons, else English; a lesson
that is opened counts as unchanged.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOM = 930  # pixels of an output, which test_width.py counts on
MENUS = {"en": ["File", "Edit", "Kernel"], "zh": ["文件", "编辑", "内核"]}


@pytest.fixture
def lab(tmp_path: Path):
    """Starts `make lab` for a language; gives the address once it answers."""
    started = []

    def start(language: str, *more: str) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        home = {"HOME": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path / "jupyter")}
        process = subprocess.Popen(
            [sys.executable, "-m", "course.lab", "--no-browser", f"--port={port}"]
            + ["--IdentityProvider.token=t", f"--LabApp.user_settings_dir={tmp_path}"]
            + [f"--LabApp.workspaces_dir={tmp_path}", *more],
            cwd=ROOT,
            env=os.environ | home | {"LESSONS": language, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        started.append(process)
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        return f"http://127.0.0.1:{port}/lab?token=t"

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_menus_are_in_the_language_of_the_lessons(browser, lab, language: str) -> None:
    page = browser.new_page()
    page.goto(lab(language), timeout=60_000)
    page.wait_for_selector(".lm-MenuBar-itemLabel, .p-MenuBar-itemLabel", timeout=60_000)
    found = page.locator(".lm-MenuBar-itemLabel").all_inner_texts()
    page.close()
    for name in MENUS[language]:
        assert any(text.startswith(name) for text in found), found
    for name in MENUS["en" if language == "zh" else "zh"]:
        assert not any(text.startswith(name) for text in found), found


def test_the_chinese_settings_are_the_english_ones_and_the_locale() -> None:
    english, chinese = (
        json.loads((ROOT / "course" / name / "overrides.json").read_text(encoding="utf-8"))
        for name in ("lab_settings", "lab_settings_zh")
    )
    assert chinese == english | {"@jupyterlab/translation-extension:plugin": {"locale": "zh_CN"}}


DIRTY = "window.jupyterapp.shell.currentWidget.context.model.dirty"
READY = "window.jupyterapp && window.jupyterapp.shell.currentWidget?.context?.isReady"


def opened(page, address: str, path: str) -> dict:
    """The lesson in a fresh tab, once its kernel runs: whether it counts as changed, and how many
    pixels its outputs have.
    """
    server, _, token = address.partition("/lab?")
    page.goto(f"{server}/lab/tree/{path}?{token}", timeout=60_000)
    page.wait_for_function(READY, timeout=60_000)
    page.wait_for_function(
        "window.jupyterapp.shell.currentWidget.sessionContext?.session?.kernel?.status === 'idle'",
        timeout=60_000,
    )
    room = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.jp-OutputArea-output')].map(n => n.clientWidth))"
    )
    return {"dirty": page.evaluate(DIRTY), "room": room}


@pytest.mark.thorough
def test_a_lesson_is_not_changed_by_opening_it_and_has_room(browser, lab, tmp_path: Path) -> None:
    folder = tmp_path / "course"
    folder.mkdir()
    source = ROOT / "notebooks" / "zh" / "02_ranking_metrics.ipynb"
    whole = folder / "lesson.ipynb"
    whole.write_bytes(source.read_bytes())
    planted = json.loads(source.read_text(encoding="utf-8"))
    planted["metadata"]["kernelspec"]["display_name"] = "Another Python"
    (folder / "planted.ipynb").write_text(json.dumps(planted, indent=1), encoding="utf-8")
    address = lab("zh", f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True")
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    found = opened(page, address, "lesson.ipynb")
    assert not found["dirty"]
    assert whole.read_bytes() == source.read_bytes()
    assert found["room"] >= ROOM
    assert opened(page, address, "planted.ipynb")["dirty"]
    page.close()
