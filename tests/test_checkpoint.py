"""Checkpoints: never half-written, never code, never those of another run. All faults are planted."""

import errno
import os
import pickle
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tutorial_lib.checkpoint import describe, load_checkpoint, save_checkpoint
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.splits import leave_last_out, temporal_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.files import replacing
from tutorial_lib.models import build_model
from tutorial_lib.train import TrainConfig, train

ITEMS = 12


def toy_split(kind=leave_last_out, seed=0, **options):
    rng = np.random.default_rng(seed)
    users, items = (
        np.repeat(np.arange(20), 8),
        np.concatenate([rng.permutation(ITEMS)[:8] for _ in range(20)]),
    )
    events = pd.DataFrame(
        {
            "user": users,
            "item": items,
            "timestamp": 1_600_000_000 + np.tile(np.arange(8) * 1000, 20) + users,
        }
    )
    return kind(make_dataset("toy", events), **options)


def toy_model(name="sasrec", max_len=6, dim=8, **options):
    return build_model(name, num_items=ITEMS, max_len=max_len, dim=dim, **options)


@pytest.fixture
def written(tmp_path) -> Path:
    """A checkpoint of two epochs."""
    path = tmp_path / "run" / "checkpoint.pt"
    train(toy_model(), toy_split(), TrainConfig(epochs=2), checkpoint=path, progress=False)
    return path


def disk_full(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def half_written(state, file):
    file.write(b"half")
    raise RuntimeError(
        "[enforce fail at inline_container.cc:783]\nPytorchStreamWriter failed: file write failed"
    )


class TestWholeOrNotAtAll:
    def check(self, written, before, message):
        with pytest.raises(TutorialError, match=message) as caught:
            save_checkpoint(written, {"model": {"weight": torch.ones(100_000)}})
        assert "\n" not in str(caught.value) and str(written) in str(caught.value)
        assert written.read_bytes() == before and os.listdir(written.parent) == [written.name]

    @pytest.mark.parametrize(
        ("module", "name", "fault"), [(torch, "save", disk_full), (torch, "save", half_written)]
    )
    def test_writing_fails(self, module, name, fault, written, monkeypatch):
        monkeypatch.setattr(module, name, fault)
        self.check(written, written.read_bytes(), "No space left|not all was written")

    def test_renaming_fails(self, written, monkeypatch):
        monkeypatch.setattr(os, "replace", disk_full)
        self.check(
            written,
            written.read_bytes(),
            "No space left on device.*; free some space or choose another folder",
        )

    def test_a_disk_that_really_takes_no_more(self, written):
        """No plant: the system refuses to let a file grow beyond 10,000 bytes, as a full disk
        would.
        """
        before, limits = written.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        try:
            self.check(
                written,
                before,
                r"could not write .*checkpoint.pt \(File too large; [\d,]+ MB are free there\);",
            )
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    def test_an_interruption_leaves_no_trace(self, written):
        before = written.read_bytes()
        with pytest.raises(KeyboardInterrupt), replacing(written) as partial:
            partial.write_text("half")
            raise KeyboardInterrupt
        assert written.read_bytes() == before and os.listdir(written.parent) == [written.name]

    def test_no_folder_can_be_made(self, tmp_path):
        (tmp_path / "file").write_text("not a folder")
        with pytest.raises(TutorialError, match="could not write .*checkpoint.pt"):
            save_checkpoint(tmp_path / "file" / "checkpoint.pt", {})


class Evil:
    """Unpickling it runs code."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class TestUnreadable:
    def resume(self, path):
        train(toy_model(), toy_split(), TrainConfig(epochs=2), checkpoint=path, progress=False)

    @pytest.mark.parametrize(
        "damage",
        ["empty", "cut", "garbage", "flipped", "weights only", "a list", "an identity of words"],
    )
    def test_damaged_or_foreign(self, damage, written):
        content = written.read_bytes()
        match damage:
            case "empty":
                written.write_bytes(b"")
            case "cut":
                written.write_bytes(content[: len(content) // 2])
            case "garbage":
                written.write_bytes(b"no checkpoint" * 100)
            case "flipped":
                written.write_bytes(
                    content[:30] + bytes(byte ^ 0xFF for byte in content[30:1000]) + content[1000:]
                )
            case "weights only":
                torch.save(toy_model().state_dict(), written)
            case "a list":
                torch.save([1, 2, 3], written)
            case "an identity of words":
                torch.save({"identity": {"configuration": "x", "model": "y", "data": "z"}}, written)
        before = written.read_bytes()
        with pytest.raises(
            TutorialError,
            match="checkpoint.pt is not a readable checkpoint; delete it to start again",
        ):
            self.resume(written)
        assert written.read_bytes() == before  # kept: perhaps it was another file of the reader's

    def test_no_flipped_bit_changes_what_is_read(self, tmp_path):
        """One bit anywhere: refused, or in the filling between the records."""
        rng, path = np.random.default_rng(0), tmp_path / "c.pt"
        weights = torch.randn(30, 30)
        save_checkpoint(path, {"model": {"w": weights}, "epoch": 3, "identity": {}})
        content, refused = path.read_bytes(), 0
        for place, bit in zip(
            rng.integers(0, len(content), 150), rng.integers(0, 8, 150), strict=True
        ):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            try:
                saved = load_checkpoint(path)
            except TutorialError:
                refused += 1
            else:
                assert torch.equal(saved["model"]["w"], weights) and saved["epoch"] == 3
        assert refused > 100

    @pytest.mark.filterwarnings("ignore:Detected pickle protocol")
    @pytest.mark.parametrize(
        "save", [torch.save, lambda state, path: path.write_bytes(pickle.dumps(state))]
    )
    def test_code_is_refused_and_not_run(self, save, written, tmp_path):
        trap = tmp_path / "the code ran"
        save({"identity": Evil(trap), "model": {}}, written)
        with pytest.raises(TutorialError, match="not a readable checkpoint"):
            self.resume(written)
        assert not trap.exists()
        (
            torch.load(written, weights_only=False)
            if save is torch.save
            else pickle.loads(written.read_bytes())
        )
        assert trap.exists()  # the trap was armed


class TestAnotherRun:
    @pytest.mark.parametrize(
        ("model", "split", "config", "message"),
        [
            ({}, {}, {"epochs": 1}, "in its configuration, epochs is 2 and not 1;"),
            (
                {},
                {},
                {"epochs": 3, "schedule": "cosine"},
                "epochs is 2 and not 3, and a cosine schedule follows from the number of epochs,",
            ),
            (
                {},
                {},
                {"learning_rate": 0.01},
                "in its configuration, learning_rate is 0.001 and not 0.01;",
            ),
            ({}, {}, {"seed": 1}, "in its configuration, seed is 0 and not 1;"),
            ({"dim": 4}, {}, {}, "in its model, "),
            (
                {"dropout": 0.1},
                {},
                {},
                r"in its model, blocks.0.attention.dropout.p is 0.2 and not 0.1;",
            ),
            ({"heads": 2}, {}, {}, "in its model, blocks.0.attention.heads is 1 and not 2;"),
            ({"max_len": 5}, {}, {}, "in its model, max_len is 6 and not 5;"),
            ({"name": "gru4rec"}, {}, {}, "in its model, "),
            ({}, {"seed": 1}, {}, "in its data, fingerprint is "),
            ({}, {"kind": temporal_split}, {}, "in its data, cut is "),
        ],
    )
    def test_names_what_differs(self, model, split, config, message, written):
        before = written.read_bytes()
        with pytest.raises(TutorialError, match=message) as caught:
            train(
                toy_model(**model),
                toy_split(**split),
                TrainConfig(**{"epochs": 2} | config),
                checkpoint=written,
                progress=False,
            )
        assert "name another checkpoint or delete this one" in str(
            caught.value
        ) and "\n" not in str(caught.value)
        assert written.read_bytes() == before

    def test_other_fractions_of_a_temporal_split(self, tmp_path):
        path, options = tmp_path / "c.pt", {"progress": False, "checkpoint": tmp_path / "c.pt"}
        train(toy_model(), toy_split(temporal_split), TrainConfig(epochs=1), **options)
        with pytest.raises(TutorialError, match="in its data, cut is "):
            train(
                toy_model(), toy_split(temporal_split, valid=0.3), TrainConfig(epochs=1), **options
            )
        assert path.exists()

    def test_the_test_part_is_no_part_of_it(self):
        split = toy_split()
        fewer = replace(split, test=replace(split.test, row=split.test.row[:1]))
        assert describe(toy_model(), split, TrainConfig()) == describe(
            toy_model(), fewer, TrainConfig()
        )

    def test_numpy_numbers_are_kept(self, tmp_path):
        """A learning rate out of np.logspace must not make a checkpoint that cannot be read again."""
        config, path = TrainConfig(epochs=1, learning_rate=np.float64(0.001)), tmp_path / "c.pt"
        for _ in range(2):
            train(toy_model(), toy_split(), config, checkpoint=path, progress=False)
        assert load_checkpoint(path, describe(toy_model(), toy_split(), config))["epoch"] == 1
