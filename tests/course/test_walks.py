"""The six walks of CONTRIBUTING, each done on a copy of the repository by the commands that it
prints: it works, and it edits the files that it lists and no other.
"""

import contextlib
import hashlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from course import build
from tutorial_lib.metrics import Ranks, hit_rate

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("CONTRIBUTING.md", "CONTRIBUTING.zh-CN.md")
WALKS = ("model", "data set", "metric", "lesson", "exercise", "option")
ROOMS = ("benchmarks", "course", "data", "exercises", "notebooks", "studies", "tests")
LEFT_OUT = shutil.ignore_patterns(".*", "downloads")


def section(walk: str, page: str = PAGES[0]) -> str:
    """The text of a walk: the walks are the third-level headings after "Six walks", in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    chapter = re.search(r"^## (?:Six walks|六条路线)\n(.*?)^## ", text, re.M | re.S)[1]
    return re.split(r"^### ", chapter, flags=re.M)[1:][WALKS.index(walk)]


def listed(walk: str, page: str = PAGES[0]) -> set[str]:
    """The files that the numbered steps of a walk begin with."""
    return set(re.findall(r"^\d+\. `([^`]+)`", section(walk, page), re.M))


def commands(walk: str, page: str = PAGES[0]) -> list[list[str]]:
    block = re.search(r"^```\n(.*?)^```", section(walk, page), re.M | re.S)[1]
    return [shlex.split(line) for line in block.splitlines()]


class House:
    """A copy of the repository, in which a stranger works."""

    def __init__(self, root: Path):
        self.root = root
        for room in (*ROOMS, "locale", "tutorial_files", "tutorial_lib"):
            shutil.copytree(ROOT / room, root / room, ignore=LEFT_OUT)
        for page in [*ROOT.glob("*.md"), *ROOT.glob("*.toml")]:
            shutil.copy(page, root)
        self.before = self.files()

    def files(self) -> dict[str, str]:
        """Digests of what would be committed: neither caches nor runs."""
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.root.rglob("*.*")
            if path.is_file()
            and not {"__pycache__", "runs"} & {*path.parts}
            and path.relative_to(self.root).parts[0] != "experiments"
        }

    def touched(self) -> set[str]:
        """Files that are new or other than at the beginning."""
        return {name for name, digest in self.files().items() if self.before.get(name) != digest}

    def write(self, file: str, text: str) -> None:
        (self.root / file).parent.mkdir(parents=True, exist_ok=True)
        (self.root / file).write_text(text, encoding="utf-8")

    def insert(self, file: str, place: str, text: str, after: bool = True) -> None:
        """Puts text after (or before) a line that stands once in the file."""
        old = (self.root / file).read_text(encoding="utf-8")
        assert old.count(place) == 1, f"{place!r} occurs {old.count(place)} times in {file}"
        self.write(file, old.replace(place, place + text if after else text + place))

    def run(self, command: list[str]) -> tuple[int, str]:
        """Exit status and output of a line of CONTRIBUTING, with this Python in place of that of
        .venv. The tools of the course, which no walk edits, run in this process: that is quicker.
        """
        assert command[0] == ".venv/bin/python"
        if command[1:3] == ["-m", "course.build"]:
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                status = build.main([*command[3:], "--root", str(self.root)])
            return status, said.getvalue()
        words = [sys.executable, *command[1:]]
        if "pytest" in words:
            words += ["-p", "no:cacheprovider", "--tb=short"]
        kept = {name: value for name, value in os.environ.items() if "TUTORIAL_" not in name}
        environment = kept | {
            "PYTHONPATH": str(self.root),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "OMP_NUM_THREADS": "1",
        }
        done = subprocess.run(
            words, cwd=self.root, env=environment, capture_output=True, text=True, timeout=300
        )
        return done.returncode, done.stdout + done.stderr

    def succeed(self, command: list[str]) -> str:
        status, said = self.run(command)
        assert status == 0, f"{shlex.join(command)}\n{said}"
        return said


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "house")


def passed(output: str) -> int:
    """How many tests a quiet run of pytest has passed: its dots."""
    return sum(line.count(".") for line in re.findall(r"^[.sx]+ +\[ *\d+%\]$", output, re.M))


@pytest.mark.parametrize("walk", WALKS)
def test_both_languages_say_the_same(walk: str) -> None:
    assert commands(walk, PAGES[0]) == commands(walk, PAGES[1])
    assert listed(walk, PAGES[0]) == listed(walk, PAGES[1])
    spans = [re.findall(r"`([^`\n]+)`", section(walk, page)) for page in PAGES]
    assert set(spans[0]) == set(spans[1])


@pytest.mark.parametrize(
    ("walk", "most"), [*zip(WALKS, (3, 3, 2, 5, 2, 1), strict=True)], ids=WALKS
)
def test_no_walk_is_long(walk: str, most: int) -> None:
    assert 0 < len(listed(walk)) <= most


BAGREC = '''
"""Bag of events: the mean of the history and its last event."""

import torch
from torch import Tensor, nn

from tutorial_lib.models.base import Dropout, SequenceModel, initialise


class BagRec(SequenceModel):
    def __init__(self, num_items: int, max_len: int, dim: int = 64, *, dropout: float = 0.1):
        super().__init__(num_items, max_len, dim)
        self.mix = nn.Sequential(nn.Linear(2 * dim, 4 * dim), nn.ReLU(), nn.Linear(4 * dim, dim))
        self.dropout = Dropout(dropout)
        self.apply(initialise)

    def bag(self, items: Tensor) -> Tensor:
        """int64 [B, L] -> mean of the embeddings up to each position, [B, L, d]."""
        number = (items > 0).cumsum(1).clamp(min=1).unsqueeze(-1)  # [B, L, 1]
        return self.item_embedding(items).cumsum(1) / number

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        both = torch.cat([self.bag(items), self.item_embedding(items)], dim=-1)
        return self.mix(self.dropout(both))
'''
TEST_BAGREC = """
import torch

from tutorial_lib.models import build_model


def test_bag_is_the_mean_of_the_events_so_far():
    model = build_model("bagrec", num_items=5, max_len=4, dim=3)
    items = torch.tensor([[2, 5, 1]])
    for place in range(3):
        want = torch.stack([model.item_embedding.weight[i] for i in items[0, : place + 1]]).mean(0)
        torch.testing.assert_close(model.bag(items)[0, place], want)
"""


def test_model(house: House) -> None:
    house.write("tutorial_lib/models/bagrec.py", BAGREC)
    registry = "tutorial_lib/models/__init__.py"
    place = "from tutorial_lib.models.base import SequenceModel\n"
    house.insert(registry, place, "from tutorial_lib.models.bagrec import BagRec\n", after=False)
    house.insert(registry, '    "deepm3": DeepM3,\n', '    "bagrec": BagRec,\n')
    house.write("tests/models/test_bagrec.py", TEST_BAGREC)
    tests, train = commands("model")
    assert passed(house.succeed(tests)) > 10
    assert "\nhr@10 " in house.succeed(train)
    assert house.touched() == listed("model")


def test_data_set(house: House) -> None:
    """Without test and row, the tests say what to add; then all is well."""
    tests, info = commands("data set")
    house.insert(
        "tutorial_files/sources.py",
        "SOURCES = {\n",
        '    "toy-log": Source(\n'
        '        "a log whose times stand first",\n'
        '        (Layout("log.txt", read_toy_log),),\n'
        "    ),\n",
    )
    house.insert(
        "tutorial_files/sources.py",
        "\n\n@Parts\ndef read_amazon(",
        'read_toy_log = partial(\n    read_table, separator="|", fields=3,\n'
        '    columns={"timestamp": "1", "user": "2", "item": "3"},\n)\n',
        after=False,
    )
    said = house.run(tests)[1]
    assert "toy-log has a reader of its own: write lines of it into FORMATS" in said
    assert "2 of its 2 languages have no row `toy-log`" in said
    house.insert(
        "tests/data/test_datasets.py",
        "FORMATS = {\n",
        '    "toy-log": ("toy-log/log.txt", lines("{t}|{u}|{i}\\n")),\n',
    )
    card = (house.root / "data/README.md").read_text(encoding="utf-8")
    row = "| `toy-log` | a toy | your file | none |\n"
    house.write("data/README.md", re.sub(r"^(?=\| `csv:PATH`)", row, card, flags=re.M))
    assert passed(house.succeed(tests)) >= 3
    assert house.touched() == listed("data set")
    house.write(
        "data/downloads/toy-log/log.txt",
        "".join(f"{10 * n}|u{n % 2}|i{n % 5}\n" for n in range(40)),
    )
    assert re.search(r"users +2\nitems +5\nevents +40\n", house.succeed(info))


def test_metric(house: House) -> None:
    """It reaches the report of the suite, with the value that it has by definition."""
    file = "tutorial_lib/metrics.py"
    house.insert(
        file,
        "\n\ndef mrr(",
        '\n\ndef precision(ranks: "Ranks", k: int = 10) -> np.ndarray:\n'
        '    """Share of right items among the first k, float64 [N]."""\n'
        "    return hit_rate(ranks, k) / k\n",
        after=False,
    )
    house.insert(file, '    "HR": Metric(hit_rate),\n', '    "Precision": Metric(precision),\n')
    house.insert(
        "tests/test_evaluate.py",
        "class TestListOfMetrics:\n",
        "    def test_precision(self):\n"
        '        """Places 1, 3 and 12: on a list of four stand the first two."""\n'
        '        values = METRICS["Precision"].values(self.ranks, 4)\n'
        "        assert values.tolist() == [0.25, 0.25, 0]\n\n",
    )
    tests, suite = commands("metric")
    assert passed(house.succeed(tests)) > 3
    house.succeed(suite)
    assert house.touched() == listed("metric")
    report = (house.root / "experiments/sample/report/report.md").read_text(encoding="utf-8")
    assert "Tables and pictures show Precision@10." in report
    value = float(re.search(r"Best on average: popularity, Precision@10 (\d\.\d+)", report)[1])
    (ranks,) = (house.root / "experiments/sample/runs").rglob("ranks.csv.gz")
    hits = hit_rate(Ranks.read_csv(ranks), 10)  # one target a user
    rate = hits.mean()
    assert rate > 0 and value == pytest.approx(rate / 10, abs=5e-5)


CHECKERS = '''
"""Checkers of lesson 25."""

from exercises.checking import exercise, want_equal, want_number


def judge(answer, want: float) -> None:
    want_equal(want_number(answer, "the half"), want, name="the half")


@exercise(points=1, minutes=1)
def check_one(answer) -> None:
    judge(answer, 2)


@exercise(points=1, minutes=1)
def check_two(answer) -> None:
    judge(answer, 3)


@exercise(points=1, minutes=1)
def check_three(answer) -> None:
    judge(answer, 4)


WANT = {check_one: 2, check_two: 3, check_three: 4}
RIGHT = [(check, kind(x)) for check, x in WANT.items() for kind in (int, float, complex)]
WRONG = [
    (check, x + wrong, f"the half is {x + wrong}, wanted {x}")
    for check, x in WANT.items()
    for wrong in (1, 5, -9)
]
'''


def test_lesson(house: House) -> None:
    """The smallest complete lesson, copied, with code and checkers that exist."""
    text = (house.root / "tests/course/build_fixtures/lesson.txt").read_text(encoding="utf-8")
    text = re.sub(
        r"\n\nclass lesson02:.*?\n\n\n", "\nfrom exercises import lesson25\n\n", text, flags=re.S
    )
    text = text.replace("lesson02", "lesson25").replace("**2.", "**25.")
    for number, name in enumerate(("one", "two", "three"), 1):
        start = text.index(f'id="exercise{number}-code"')
        text = text[:start] + text[start:].replace("check_half", f"check_{name}", 2)
    text = text.replace("02_second.ipynb", "25_my_topic.ipynb")
    text = text.replace("tutorial_lib.tiny.SCALE", "tutorial_lib.metrics.COLUMNS")
    text = text.replace("# show: tutorial_lib.tiny.half", "half = lambda x: x * 0.5")
    text = text.replace("tutorial_lib.tiny.half", "tutorial_lib.metrics.hit_rate")
    text = text.replace("tutorial_lib/tiny.py", "tutorial_lib/metrics.py")
    text = text.replace('sys.executable == os.environ["EXPECTED_PYTHON"]', "True")
    house.write("notebooks/source/25_my_topic.py", text)
    house.write("exercises/lesson25.py", CHECKERS)
    table = house.root / "notebooks/lessons.csv"
    rows = table.read_text(encoding="utf-8").rstrip("\n")
    assert rows.splitlines()[-1].startswith("24,")
    house.write(
        "notebooks/lessons.csv", rows + "\n25,my_topic,My topic,我的课题,3,18,7,Experiments,实验\n"
    )
    by_hand = house.touched()
    assert by_hand == listed("lesson") and len(by_hand) == 3
    for command in commands("lesson"):
        said = house.succeed(command)
    assert passed(said) == 7
    assert house.touched() - by_hand == {
        "README.md",
        "README.zh-CN.md",
        "notebooks/en/25_my_topic.ipynb",
        "notebooks/zh/25_my_topic.ipynb",
    }


EXERCISE = """\
# %% [markdown] id="exercise5-en" lang="en" tags=["exercise"]
# **4.5 Compute · basic.** What is half of four?

# %% [markdown] id="exercise5-zh" lang="zh" tags=["exercise"]
# **4.5 计算 · 基础。** 四的一半是多少？

# %% id="exercise5-code" tags=["exercise"]
half_of_four = ...

lesson04.check_name(half_of_four)

# %% id="exercise5-solution" tags=["solution"]
# Solution

half_of_four = 2

lesson04.check_name(half_of_four)

"""
CHECKER = '''
@exercise(points=1, minutes=1)
def check_name(answer) -> None:
    """4.5: half of four."""
    if answer != 2:
        raise Wrong(f"the half of four is not {answer}")


'''


def with_exercise(house: House) -> None:
    place = '# %% [markdown] id="open-en" lang="en" tags=["open"]\n'
    house.insert("notebooks/source/04_self_attention.py", place, EXERCISE, after=False)
    checkers = "exercises/lesson04.py"
    house.insert(checkers, "RIGHT = [\n", CHECKER.lstrip("\n"), after=False)
    house.insert(
        checkers, "RIGHT = [\n", "".join(f"    (check_name, {x}),\n" for x in (2, 2.0, "2 + 0j"))
    )
    wrong = "".join(f'    (check_name, {x}, "is not {x}"),\n' for x in (1, 4, 8))
    house.insert(checkers, "WRONG = [\n", wrong)


def test_exercise(house: House) -> None:
    with_exercise(house)
    tests, stamp, _, check = commands("exercise")
    assert passed(house.succeed(tests)) == 3
    house.succeed(stamp)
    faults = house.run(check)[1]
    assert faults.count("\n") == 3 and faults.count("is older than its source; run") == 2
    assert house.touched() == listed("exercise")


@pytest.mark.slow
def test_exercise_is_built(house: House) -> None:
    with_exercise(house)
    for command in commands("exercise"):
        house.succeed(command)


def test_option(house: House) -> None:
    """The old word is named wherever it is left: tables, lessons, pages, suite."""
    model = house.root / "tutorial_lib/models/deepm3.py"
    text = model.read_text(encoding="utf-8")
    for old, new in (
        ('        flow: str = "autonomous",\n', '        motion: str = "autonomous",\n'),
        ("        choices = ", "        flow = motion\n        choices = "),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    house.write("tutorial_lib/models/deepm3.py", text)
    page = (house.root / "README.md").read_text(encoding="utf-8")
    house.write("README.md", f"{page}\nA command with `--option flow=decay`.\n")
    rename, tests = commands("option")
    said = house.succeed(rename)
    assert {"deepm3_control_temporal.csv", "suite/control.zip"} <= set(said.splitlines())
    for file in ("README", "notebooks/source/17_deepm3", "tutorial_lib/experiments/stages/lineup"):
        assert re.search(rf"^{file}\.(?:py|md): \d", said, re.M), said
    failed = house.run(tests)[1]
    for place in ("16_ode_rnn", "17_deepm3", "20_significance", "README.md", "TestLineup"):
        assert re.search(rf"^FAILED .*{place}", failed, re.M), failed
    table = (house.root / "data/results/deepm3_control_temporal.csv").read_text(encoding="utf-8")
    assert "motion=" in table and "flow=" not in table
