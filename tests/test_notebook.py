"""What a notebook keeps of a progress bar and of a picture, from a kernel of its own."""

import base64
import io
import os
import time

import nbformat
import numpy as np
import pytest
from PIL import Image

from course.pictures import COLOURS, is_sharp, packed, size
from tutorial_lib.notebook import Bar, progress_bar

CELLS = (
    'print("before")\n'
    'for epoch in progress_bar(range(3), "epoch"):\n'
    '    for _ in progress_bar(range(2), "seed"):\n'
    "        time.sleep(0.3)\n"
    'print("after")',
    'for epoch in progress_bar(range(3), "epoch"):\n    assert epoch < 1',
    'for epoch in progress_bar(iter("ab"), "epoch"):\n    tqdm.write(epoch)',
    'split = leave_last_out(load_dataset("sample", users=40))\n'
    'model = build_model("gru4rec", num_items=split.dataset.num_items, max_len=10, dim=4)\n'
    "history = train(model, split, TrainConfig(epochs=2))",
    'use_language("zh")\nfor _ in progress_bar(range(1), "epoch"):\n    pass',
    'plt.plot(range(9))\nplt.title("nine")\nplt.show()',
)
SETUP = """import time

import matplotlib.pyplot as plt
from tqdm import tqdm

from tutorial_lib import plots
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.splits import leave_last_out
from tutorial_lib.language import use_language
from tutorial_lib.models import build_model
from tutorial_lib.notebook import progress_bar
from tutorial_lib.train import TrainConfig, train

plots.use_style()"""


@pytest.fixture(scope="module")
def outputs() -> list[list[dict]]:
    """The outputs of CELLS as they would be stored."""
    from nbclient import NotebookClient

    cells = [nbformat.v4.new_code_cell(code) for code in (SETUP, *CELLS)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    options = {"coalesce_streams": True, "allow_errors": True, "kernel_name": "python3"}
    plain = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    NotebookClient(notebook, **options).execute(env=plain)
    assert not notebook.cells[0].outputs
    return [cell.outputs for cell in notebook.cells[1:]]


def test_a_bar_leaves_one_line_without_times(outputs) -> None:
    (first,) = outputs[0]
    assert (first.name, first.text) == ("stdout", "before\nepoch: 3/3\nafter\n")


def test_a_loop_that_fails_says_how_far_it_came_and_spoils_no_later_bar(outputs) -> None:
    said, error = outputs[1]
    assert (said.text, error.ename) == ("epoch: 1/3\n", "AssertionError")
    assert [output.text for output in outputs[2]] == ["a\nb\nepoch: 2\n"]


def test_training_shows_its_bar_in_a_notebook(outputs) -> None:
    (said,) = outputs[3]
    steps, total = said.text.removeprefix("training: ").split("/")
    assert int(steps) == int(total) > 0 and said.name == "stdout"


def test_a_bar_speaks_chinese(outputs) -> None:
    assert [output.text for output in outputs[4]] == ["轮次: 1/1\n"]


def test_a_picture_has_twice_the_pixels_of_its_width(outputs) -> None:
    (shown,) = outputs[5]
    data, place = base64.b64decode(shown.data["image/png"]), shown.metadata["image/png"]
    width, height = size(data)
    assert (width // 2, height // 2) == (place["width"], place["height"])
    assert is_sharp(data, place) and 500 < place["width"] < 700
    assert not is_sharp(data, {"width": place["width"] + 1}) and not is_sharp(data, {})

    small = packed(data)
    assert small == packed(data) and len(small) < 0.6 * len(data) and size(small) == size(data)
    before, after = (np.asarray(Image.open(io.BytesIO(d)).convert("RGB")) for d in (data, small))
    assert len(np.unique(after.reshape(-1, 3), axis=0)) <= COLOURS
    assert (abs(before.astype(int) - after) > 40).mean() < 1e-4


def test_on_a_terminal_the_bar_is_that_of_tqdm(capsys) -> None:
    assert list(progress_bar("abc", "epoch")) == ["a", "b", "c"]
    with Bar(total=2, desc="outer: ") as outer:
        for _ in progress_bar(range(2), "inner"):
            time.sleep(0.01)
            outer.update()
    out, err = capsys.readouterr()
    assert out == "" and "epoch: 100%" in err and "inner: 100%" in err and "outer: 100%" in err
