"""A service in the background: it answers, says what is wrong, and ends with who started it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.runs import Run
from tutorial_lib.experiments.training import execute
from tutorial_lib.language import spoken
from tutorial_lib.serving.background import ADDRESS, Background
from tutorial_lib.train import TrainConfig


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    run = Run("gru4rec", "sample", users=30, max_len=10, dim=8, config=TrainConfig(epochs=1))
    execute(run, folder, device="cpu", progress=False, sampled=0)
    return folder / run.name


def test_it_answers_and_ends(run):
    with Background("--run", run, "--store", ":memory:", "--port", "0") as service:
        assert service.get("/health")["status"] == "ok"
        event = {"id": "1", "user": "ida", "item": "1", "time": 1_700_000_000}
        known = service.get("/people?limit=1")["people"][0]["user"]
        event["item"] = service.get(f"/users/{known}")["history"][0]["item"]
        assert service.post("/events", event)["accepted"] == 1
        with pytest.raises(TutorialError, match="404: there is no user 'nobody'"):
            service.get("/recommend/nobody")
    assert service.process.poll() is not None


def test_it_says_why_it_did_not_start(tmp_path):
    with pytest.raises(TutorialError, match="did not start: .*missing"):
        Background("--run", tmp_path / "missing", "--port", "0")


@pytest.mark.skipif(os.name != "posix", reason="needs signals of POSIX")
def test_it_ends_when_its_parent_is_killed(run):
    code = (
        "import sys; from tutorial_lib.serving.background import Background\n"
        "one = Background('--run', sys.argv[1], '--store', ':memory:', '--port', '0')\n"
        "print(one.process.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(run)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    end = time.monotonic() + 30
    while alive(child) and time.monotonic() < end:
        time.sleep(0.1)
    assert not alive(child)
    parent.stdin.close()
    parent.stdout.close()


def alive(process: int) -> bool:
    """A process that has ended and was not asked for by anybody (a zombie) is not alive."""
    try:
        os.kill(process, 0)
        with open(f"/proc/{process}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return os.path.exists("/proc/self/stat") is False


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_address_is_found_in_both_languages(language):
    """The service of a Chinese reader says its address in Chinese."""
    words = "{version} answers at http://{host}:{port}/ (Control-C ends it)"
    line = spoken(language, words, version="deepm3", host="127.0.0.1", port=8123)
    assert (line == words.format(version="deepm3", host="127.0.0.1", port=8123)) is (
        language == "en"
    )
    assert ADDRESS.search(line)[1] == "http://127.0.0.1:8123"
