"""The one way in which files are written: synced before they are renamed, nothing half left."""

import os
from pathlib import Path

import pytest

from tutorial_lib.errors import TutorialError
from tutorial_lib.files import replacing


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
        ("sync", str(path) + ".part"),
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
