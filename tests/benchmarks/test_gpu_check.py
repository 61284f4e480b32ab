"""The check of all models on a GPU, gone through on the CPU."""

import pytest
import torch

from benchmarks import gpu_check
from tutorial_lib.models import MODELS

SMALL = ["--device", "cpu", "--users", "40", "--items", "120", "--max-len", "12", "--dim", "8"]


@pytest.mark.parametrize("name", MODELS)
def test_every_model_goes_through(name, capsys):
    status = gpu_check.main([*SMALL, "--models", name])
    lines = capsys.readouterr().out.splitlines()
    assert status == 0 and lines[1].split()[:2] == [name, "ok"], lines
    assert lines[2:] == ["0 of 1 models failed on cpu"]


def test_a_difference_is_found(capsys, monkeypatch):
    original = gpu_check.deepcopy

    def spoilt(model):  # what a device with a fault would do to the second of two equal models
        copy = original(model)
        forward = copy.forward
        copy.forward = lambda *events, **known: forward(*events, **known) * 1.01
        return copy

    monkeypatch.setattr(gpu_check, "deepcopy", spoilt)
    assert gpu_check.main([*SMALL, "--models", "sasrec"]) == 1
    out = capsys.readouterr().out
    assert "sasrec         FAILED" in out and "the score differs by 1.0e-02" in out
    assert "the gradient of item_embedding.weight under ce differs" in out

    def broken(*arguments):
        raise RuntimeError("this kernel\nis missing")

    monkeypatch.setattr(gpu_check, "scores_of", broken)
    assert gpu_check.main([*SMALL, "--models", "popularity", "mf"]) == 1
    assert capsys.readouterr().out.count("RuntimeError: this kernel is missing") == 2


def test_without_a_gpu_it_says_so(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_check.main([]) == 0
    said = "There is no CUDA device here, so nothing was checked; --device cpu needs none.\n"
    assert capsys.readouterr().out == said
