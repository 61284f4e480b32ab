"""A real start of the lab, as `make lab-smoke`: on a busy port, over HTTP, down to the first
lesson, and stopped with a signal.

Not a pytest module: it needs make, a free port and some ten seconds, and a running JupyterLab is no
unit.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds until the address must be there; a cold start takes about five
ADDRESS = re.compile(r"^http://\S+$", re.MULTILINE)  # plainly: alone on its line


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as reply:
        return reply.read()


def wait_for_address(lab: subprocess.Popen, output: Path) -> str:
    """The first address that stands alone on a line of the output."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and lab.poll() is None:
        if found := ADDRESS.search(output.read_text()):
            return found.group()
        time.sleep(0.1)
    raise AssertionError(f"no address within {PATIENCE} s (exit status {lab.poll()})")


def check_pages(address: str, busy: int, lang: str) -> None:
    """The printed address serves JupyterLab, demands its token, and the first lesson is behind it."""
    parts = urlsplit(address)
    server, token = f"{parts.scheme}://{parts.netloc}", parse_qs(parts.query)["token"][0]
    assert parts.port != busy, f"the lab claims port {busy}, which is busy"
    assert b"jupyter-config-data" in fetch(address), "the address does not lead to JupyterLab"
    try:
        fetch(f"{server}/api/contents/notebooks")
        raise AssertionError("the server gives files away without a token")
    except urllib.error.HTTPError as error:
        assert error.code == 403, error
    lessons = sorted((ROOT / "notebooks" / lang).glob("[0-9][0-9]_*.ipynb"))
    if not lessons:
        print("no lesson built yet: only JupyterLab itself was checked")
        return
    path = lessons[0].relative_to(ROOT).as_posix()
    assert parts.path == f"/lab/tree/{path}", f"the lab opens {parts.path}, not {path}"
    notebook = json.loads(fetch(f"{server}/api/contents/{path}?token={token}"))["content"]
    assert notebook["cells"] and notebook["metadata"]["kernelspec"]["name"] == "python3", (
        f"{path} is no notebook to run"
    )
    print(f"JupyterLab serves {path} on port {parts.port}, next to the busy {busy}")


def main(lang: str) -> None:
    with socket.socket() as occupant, tempfile.TemporaryDirectory() as folder:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        busy = occupant.getsockname()[1]
        output = Path(folder) / "output"
        with output.open("w") as sink:
            lab = subprocess.Popen(
                [
                    "make",
                    "--no-print-directory",
                    "lab",
                    f"LESSONS={lang}",
                    f"LAB_ARGS=--no-browser --port {busy}",
                ],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                # so that the signal reaches all of the lab, and only the lab
                start_new_session=True,
                env={
                    k: v
                    for k, v in os.environ.items()
                    if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "JUPYTER_TOKEN")
                },
            )
        try:
            address = wait_for_address(lab, output)
            check_pages(address, busy, lang)
            os.killpg(lab.pid, signal.SIGTERM)
            lab.wait(timeout=20)
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", urlsplit(address).port)) != 0, (
                    "something still serves after the stop"
                )
            assert "Traceback" not in output.read_text(), "the lab did not stop cleanly"
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            sys.exit(f"make lab failed: {error}\nIt printed:\n{output.read_text()}")
        finally:
            if lab.poll() is None:
                os.killpg(lab.pid, signal.SIGKILL)


if __name__ == "__main__":
    for language in ("en", "zh"):
        main(language)
