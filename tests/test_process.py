"""What the commands set for a whole process, and importing the library does not, tried out in
processes of their own."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tutorial_lib.process import MEMORY

ROOT = Path(__file__).resolve().parent.parent
PREPARE = "from tutorial_lib.process import prepare; prepare()"
COUNT = """
{first}
import resource, torch
torch.set_num_threads(1)
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [torch.ones(2**20) for _ in range(30)]  # 120 MB, of 30,720 pages; counted is the second time
    del arrays
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults)
"""


def printed(code: str, **environment: str) -> str:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT") and not name.startswith("MALLOC_")
    }
    call = {
        "env": kept | environment,
        "cwd": ROOT,
        "capture_output": True,
        "text": True,
        "check": True,
    }
    return subprocess.run([sys.executable, "-c", code], **call).stdout


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries have no such setting"
)
def test_memory_once_used_is_not_asked_for_again():
    prepared, imported = (
        int(printed(COUNT.format(first=first))) for first in (PREPARE, "import tutorial_lib")
    )
    if imported < 1_000:
        pytest.skip("this machine has large pages, or keeps freed memory by itself")
    assert 2 * prepared < imported


@pytest.mark.thorough
def test_how_threads_wait_is_set_unless_the_user_has_said():
    show = "; import os; print(*map(os.environ.get, ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY')))"
    assert printed(PREPARE + show).split() == ["1000", "PASSIVE"]
    assert printed(PREPARE + show, GOMP_SPINCOUNT="7").split() == ["7", "PASSIVE"]
    assert printed(PREPARE + show, OMP_WAIT_POLICY="ACTIVE").split() == ["None", "ACTIVE"]
    assert printed("import tutorial_lib.train" + show).split() == ["None", "None"]
    for command in ("tutorial_lib.experiments.__main__", "benchmarks.__main__"):
        assert printed(f"import {command}" + show).split() == ["1000", "PASSIVE"]


def test_the_kernels_of_the_lab_inherit_it():
    code = """
import os
from course import lab
class Stop(Exception): pass
def stop(*given, **more): raise Stop
lab.LabApp.initialize_server = stop
try:
    lab.main()
except Stop:
    print(os.environ["OMP_WAIT_POLICY"], os.environ["MALLOC_TRIM_THRESHOLD_"])
"""
    assert printed(code).split() == ["PASSIVE", str(2**31 - 1)]


def test_make_gives_the_tests_the_memory_of_the_lab():
    """The Makefile cannot ask the library: its numbers are held to the library's here."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"MEMORY := {' '.join(f'{name}={value}' for name, value in MEMORY.items())}\n" in text
