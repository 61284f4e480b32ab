"""JupyterLab as a learner meets it, in a browser: open a lesson, run it all, answer an exercise
wrongly and rightly, restart. On a copy of the notebooks.

`make site-check` runs this; it needs Chromium and about a minute a language.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from course.site.build import ROOT

pytestmark = pytest.mark.slow
LESSON = "05_causal_masks"
EXERCISE = "exercise4-code"
ANSWERS = {"wrong": 'lets_future_in = {"A"}', "right": 'lets_future_in = {"B", "C", "E"}'}
PATIENCE = 180_000  # milliseconds; a lesson takes some ten seconds on a quiet machine


@pytest.fixture(params=["en", "zh"])
def lab(request, tmp_path):
    """(language, address of the lesson in a running JupyterLab, the folder that it serves)"""
    for part in ("en", "zh", "figures"):
        shutil.copytree(ROOT / "notebooks" / part, tmp_path / "notebooks" / part)
    for table in (ROOT / "notebooks").glob("*.csv"):
        shutil.copy(table, tmp_path / "notebooks")
    path = f"notebooks/{request.param}/{LESSON}.ipynb"
    log = tmp_path / "log"
    environment = {
        **os.environ,
        "LESSONS": request.param,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    command = [
        sys.executable,
        "-m",
        "course.lab",
        "--no-browser",
        "--port=0",
        f"--ServerApp.root_dir={tmp_path}",
    ]
    command += [
        f"--LabApp.workspaces_dir={tmp_path / 'workspaces'}",
        "--LabApp.expose_app_in_browser=True",
        f"--LabApp.default_url=/lab/tree/{path}",
    ]
    with log.open("w") as sink:
        server = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + PATIENCE / 1000
        while not (found := re.search(r"^http://\S+$", log.read_text(), re.M)):
            assert server.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        yield request.param, found.group(), tmp_path / path
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def run_command(page, command: str) -> None:
    """What the menus call, by the name that is the same in every language."""
    page.evaluate("name => window.jupyterapp.commands.execute(name)", command)


CELLS = "window.jupyterapp.shell.currentWidget.content.widgets"
COUNTS = f"() => {CELLS}.filter(c => c.model.type === 'code').map(c => c.model.executionCount)"


def output(page, index: int) -> str:
    return page.evaluate(f"i => JSON.stringify({CELLS}[i].model.outputs.toJSON())", index)


def test_a_learner_opens_runs_answers_and_restarts(lab, browser):
    language, address, notebook = lab
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    place = next(i for i, cell in enumerate(cells) if cell["id"] == EXERCISE)
    unanswered = "".join(cells[place]["source"])
    page = browser.new_page(viewport={"width": 1366, "height": 900})
    page.set_default_timeout(PATIENCE)
    foreign = []
    server = address.split("/lab", 1)[0]
    page.on(
        "request",
        lambda request: (
            request.url.startswith(("http:", "https:"))
            and not request.url.startswith(server)
            and foreign.append(request.url)
        ),
    )
    page.goto(address)
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function(
        "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    )
    title = page.locator(".jp-RenderedMarkdown h1").first.inner_text()
    assert title.startswith("05 · ") and bool(re.search(r"[㐀-鿿]", title)) == (language == "zh")

    for _ in range(5):  # right after the start a command may be lost
        page.evaluate(
            f"() => {CELLS}.forEach(c => c.model.type === 'code' && c.model.clearExecution())"
        )
        run_command(page, "notebook:run-all-cells")
        try:
            page.wait_for_function(f"() => ({COUNTS})().some(n => n > 0)", timeout=10_000)
            break
        except Exception as error:
            if "Timeout" not in str(error):
                raise
    page.wait_for_function(f"() => ({COUNTS})().every(n => n > 0)")
    errors = page.evaluate(
        f"() => {CELLS}.filter(c => c.model.type === 'code' && JSON.stringify(c.model.outputs.toJSON())"
        '.includes(\'"output_type":"error"\')).map(c => c.model.id)'
    )
    assert not errors, f"these cells failed: {errors}"
    said = {"unanswered": output(page, place)}

    for kind, answer in ANSWERS.items():
        source = re.sub(r"(?m)^lets_future_in = .*$", answer, unanswered)
        assert source != unanswered
        page.evaluate(
            f"i => {{ window.jupyterapp.shell.currentWidget.content.activeCellIndex = i; {CELLS}[i].editor?.focus(); }}",
            place,
        )
        cell = page.locator(".jp-Notebook .jp-Cell.jp-mod-active .cm-content")
        cell.click()
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.insert_text(source)
        before = page.evaluate(f"i => {CELLS}[i].model.executionCount", place)
        page.keyboard.press("Control+Enter")
        page.wait_for_function(
            f"([i, n]) => {CELLS}[i].model.executionCount > n", arg=[place, before]
        )
        page.wait_for_function(f"i => {CELLS}[i].model.outputs.length > 0", arg=place)
        said[kind] = output(page, place)
    assert len(set(said.values())) == 3, said
    assert "Traceback" not in "".join(said.values())
    reason = {"en": "wrong, because", "zh": ("错", "不对", "wrong, because")}[language]
    assert any(
        word in said["wrong"] for word in ([reason] if isinstance(reason, str) else reason)
    ), said

    kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
    page.evaluate(f"() => {kernel}.restart()")
    page.wait_for_function(f"() => {kernel}.status === 'idle'")
    value = page.evaluate(
        f"""async () => {{
          const done = {kernel}.requestExecute({{ code: "print('lets_future_in' in globals())" }});
          let text = "";
          done.onIOPub = message => {{ text += message.content.text || ""; }};
          await done.done;
          return text;
        }}"""
    )
    assert value.strip() == "False", "the kernel remembers what was before the restart"
    assert not foreign, f"JupyterLab asked {foreign}"
    page.close()
