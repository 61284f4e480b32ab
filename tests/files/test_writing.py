"""Files that are whole or not there, and nothing left behind by processes that were killed."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tutorial_files.writing import replacing, sweep, write_text
from tutorial_lib.errors import TutorialError

DYING = """
import os, signal, sys
from tutorial_files.writing import replacing
with replacing(sys.argv[1]) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_while_writing_and_swept(tmp_path):
    """The file stays as it was; the remainder goes at the next sweep, that of a living one stays."""
    file = tmp_path / "deep" / "a.csv"
    write_text(file, "whole")
    dead = subprocess.run([sys.executable, "-c", DYING, str(file)])
    assert dead.returncode == -signal.SIGKILL
    (orphan,) = file.parent.glob(".*.part")
    assert file.read_text() == "whole" and orphan.read_text() == "half"
    (tmp_path / "download.part").write_text("goes on later")
    (tmp_path / ".notes.part").write_text("somebody else's")
    with replacing(tmp_path / "b.csv") as living:
        living.write_text("in work")
        sweep(tmp_path)
        assert living.exists()
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        ".notes.part",
        "a.csv",
        "b.csv",
        "deep",
        "download.part",
    ]
    sweep(tmp_path / "nowhere")


def test_content_is_on_the_disk_before_it_has_the_name(tmp_path, monkeypatch):
    calls, rename = [], os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: calls.append("file"))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("rename"), rename(a, b)))
    write_text(tmp_path / "a", "x")
    assert calls == ["file", "rename", "file"]  # the last is the folder


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_faults_name_path_reason_and_free_space(name, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    write_text(tmp_path / "a", "whole")
    monkeypatch.setattr(os, name, full)
    with pytest.raises(TutorialError) as caught:
        write_text(tmp_path / "a", "new")
    assert str(caught.value).startswith(
        f"could not write {tmp_path / 'a'} (No space left on device; "
    )
    assert " MB are free there); free some space or choose another folder" in str(caught.value)
    assert (tmp_path / "a").read_text() == "whole" and os.listdir(tmp_path) == ["a"]


def test_the_file_is_synced_before_it_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, sync, rename = [], os.fsync, os.replace

    def fsync(number: int) -> None:
        calls.append(("sync", os.readlink(f"/proc/self/fd/{number}")))
        sync(number)

    def replace(source: Path, target: Path) -> None:
        calls.append(("rename", str(target)))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    path = tmp_path / "new" / "table.csv"
    with replacing(path) as partial:
        partial.write_text("whole")
    assert path.read_text() == "whole" and os.listdir(path.parent) == ["table.csv"]
    assert calls == [
        ("sync", str(path.with_name(f".table.csv.{os.getpid()}.part"))),
        ("rename", str(path)),
        ("sync", str(path.parent)),  # the name itself is on the disk, too
    ]


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError(28, "No space left on device")])
def test_what_goes_wrong_leaves_the_old_file(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    wanted = TutorialError if isinstance(error, OSError) else ValueError
    with pytest.raises(wanted, match="No space left|a bug"), replacing(path) as partial:
        partial.write_text("half")
        raise error
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["table.csv"]
