"""The checks of a cell are one quiet line in a notebook; a check that fails is loud, by its name."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
BEGIN = 'from tutorial_lib.language import use_language\nuse_language("{}")\nfrom tutorial_lib.checks import *'
SIX = "\n".join(f'print("part {n}"); expect("share {n}", 0.5, 0.5, tol=0.1)' for n in range(6))
CELLS = [
    SIX,
    'expect("alone", 2, 2, tol=0.1)',
    'expect_true("a < b", True)\nexpect_true("told apart", True)\nexpect("of the sample", 9, 1, 0.1, when=False)',
    'expect_true("good", True)\nexpect_true("also good", True)\nexpect("planted", 0.7, 0.5, tol=0.1)',
    'expect_true("planted statement", False)',
    "1 + 1",
]
SAID = {
    "en": {
        "six": "ok  checks that hold: 6 (numbers of the text ± what is allowed)",
        "alone": "ok  alone = 2 ± 0.1 (numbers of the text ± what is allowed)\n",
        "mixed": "ok  checks that hold: 2 · not checked on these data: 1",
        "wrong": "planted is 0.7, wanted: planted = 0.5 ± 0.1",
    },
    "zh": {
        "six": "ok  通过的核对：6 项（正文里的数 ± 允许的偏差）",
        "alone": "ok  alone = 2 ± 0.1（正文里的数 ± 允许的偏差）\n",
        "mixed": "ok  通过的核对：2 项 · 在这份数据上未核对：1 项",
        "wrong": "planted 是 0.7，应为：planted = 0.5 ± 0.1",
    },
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_checks_of_a_cell_are_one_line_and_a_wrong_one_is_loud(language: str) -> None:
    codes = [BEGIN.format(language), *CELLS]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in codes])
    NotebookClient(
        notebook, allow_errors=True, resources={"metadata": {"path": str(ROOT)}}
    ).execute()
    six, alone, mixed, wrong, false, nothing = [cell.outputs for cell in notebook.cells[1:]]
    said = SAID[language]

    assert [output.output_type for output in six] == ["stream", "display_data"]
    assert six[0].text.splitlines() == [f"part {n}" for n in range(6)]
    assert six[1].data["text/plain"].splitlines() == [
        f"ok  share {n} = 0.5 ± 0.1" for n in range(6)
    ]
    summary = re.search("<summary>(.*)</summary>", six[1].data["text/html"])[1]
    assert summary == said["six"]
    assert all(f"ok  share {n} = 0.5 ± 0.1" in six[1].data["text/html"] for n in range(6))
    assert " open" not in six[1].data["text/html"].partition("<summary>")[0]

    assert [output.text for output in alone] == [said["alone"]]
    assert f"<summary>{said['mixed']}</summary>" in mixed[0].data["text/html"]
    assert "a &lt; b" in mixed[0].data["text/html"] and "a < b" in mixed[0].data["text/plain"]

    (error,) = [output for output in wrong if output.output_type == "error"]
    assert (error.ename, error.evalue) == ("AssertionError", said["wrong"])
    assert "planted" not in str([output for output in wrong if output.output_type != "error"])
    assert false[0].output_type == "error" and "planted statement" in false[0].evalue
    assert len(false) == 1 and nothing[0].data["text/plain"] == "2"  # nothing is left from before
