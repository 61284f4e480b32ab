"""What importing the library sets for the whole process, tried out in processes of their own."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COUNT = """
import {module}, resource, torch
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
        if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
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
    with_library, without = (
        int(printed(COUNT.format(module=module))) for module in ("tutorial_lib", "math")
    )
    if without < 1_000:
        pytest.skip("this machine has large pages, or keeps freed memory by itself")
    assert 2 * with_library < without


def test_how_threads_wait_is_set_unless_the_user_has_said():
    code = (
        "import os, tutorial_lib; print(os.environ.get('GOMP_SPINCOUNT'),"
        " os.environ['OMP_WAIT_POLICY'])"
    )
    assert printed(code).split() == ["1000", "PASSIVE"]
    assert printed(code, GOMP_SPINCOUNT="7").split() == ["7", "PASSIVE"]
    assert printed(code, OMP_WAIT_POLICY="ACTIVE").split() == ["None", "ACTIVE"]
    lab = code.replace("tutorial_lib", "course.lab")
    assert printed(lab).split() == ["1000", "PASSIVE"]  # kernels inherit it
