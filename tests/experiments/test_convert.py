"""The SASRec port: its args.txt is read; its weights are refused, for a reason that is tried here."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.__main__ import main
from tutorial_lib.experiments.convert import read_args
from tutorial_lib.experiments.runs import Run
from tutorial_lib.models import build_model

ITEMS, MAX_LEN, DIM, BLOCKS, HEADS = 9, 6, 8, 2, 2
ARGS = {
    "batch_size": 128,
    "dataset": "ml-1m",
    "device": "cuda",
    "dropout_rate": 0.5,
    "hidden_units": 50,
    "inference_only": True,
    "l2_emb": 0.0,
    "lr": 0.001,
    "maxlen": 200,
    "num_blocks": 2,
    "num_epochs": 201,
    "num_heads": 1,
    "train_dir": "default",
}


def written(folder, **changes) -> str:
    lines = [f"{name},{value}" for name, value in (ARGS | changes).items() if value is not None]
    (folder / "args.txt").write_text("\n".join(lines))
    return folder / "args.txt"


class TestSettings:
    def test_are_read(self, tmp_path):
        run = Run.from_settings(read_args(written(tmp_path)))
        assert (run.model, run.dataset, run.max_len, run.dim) == ("sasrec", "ml-1m", 200, 50)
        assert run.options == {"blocks": 2, "heads": 1, "dropout": 0.5}
        config = run.config
        assert (config.loss, config.negatives, config.epochs) == ("bce", 1, 201)
        assert (config.batch_size, config.learning_rate) == (128, 0.001)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"maxlen": None}, "is no args.txt of SASRec: it has no line maxlen,VALUE"),
            ({"lr": "fast"}, "args.txt: lr wants a number, got 'fast'"),
            ({"l2_emb": 0.1}, "l2_emb = 0.1, and we have no penalty on tables"),
        ],
    )
    def test_or_refused(self, changes, words, tmp_path):
        with pytest.raises(TutorialError, match=words):
            read_args(written(tmp_path, **changes))


def theirs(
    weights: dict[str, Tensor], items: Tensor, activation, places, hide_pads: bool
) -> Tensor:
    """Scores after the last event by that network with norm_first, windows padded on the left."""
    length = items.shape[1]
    x = weights["item_emb.weight"][items] * DIM**0.5
    x = x + weights["pos_emb.weight"][places(items) * (items > 0)]
    blocked = ~torch.ones(length, length, dtype=torch.bool).tril()
    blocked = blocked[None] | (items == 0)[:, None] & hide_pads
    blocked = blocked & ~torch.eye(length, dtype=torch.bool)  # a pad looks at itself
    for i in range(BLOCKS):

        def part(name, block=i):
            return weights[name.replace("#", str(block))]

        def norm(z, name):
            return F.layer_norm(z, (DIM,), part(f"{name}.weight"), part(f"{name}.bias"), 1e-5)

        z = norm(x, "attention_layernorms.#")
        z, _ = F.multi_head_attention_forward(
            *[z.transpose(0, 1)] * 3,
            DIM,
            HEADS,
            part("attention_layers.#.in_proj_weight"),
            part("attention_layers.#.in_proj_bias"),
            None,
            None,
            False,
            0.0,
            part("attention_layers.#.out_proj.weight"),
            part("attention_layers.#.out_proj.bias"),
            attn_mask=blocked.repeat_interleave(HEADS, 0),
        )
        x = x + z.transpose(0, 1)
        z = norm(x, "forward_layernorms.#").transpose(1, 2)
        for name in ("conv1", "conv2"):
            z = F.conv1d(
                z, part(f"forward_layers.#.{name}.weight"), part(f"forward_layers.#.{name}.bias")
            )
            z = activation(z) if name == "conv1" else z
        x = x + z.transpose(1, 2)
    last = weights["last_layernorm.weight"], weights["last_layernorm.bias"]
    return F.layer_norm(x[:, -1], (DIM,), *last, 1e-5) @ weights["item_emb.weight"].T


def as_theirs(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict under their names, with nothing but renaming and a row for the pad."""
    weights = {
        "item_emb.weight": ours["item_embedding.weight"],
        "pos_emb.weight": torch.cat([torch.zeros(1, DIM), ours["position_embedding.weight"]]),
        "last_layernorm.weight": ours["norm.weight"],
        "last_layernorm.bias": ours["norm.bias"],
    }
    names = {
        "norm1.": "attention_layernorms.#.",
        "norm2.": "forward_layernorms.#.",
        "attention.qkv.": "attention_layers.#.in_proj_",
        "attention.out.": "attention_layers.#.out_proj.",
        "feed_forward.layers.0.": "forward_layers.#.conv1.",
        "feed_forward.layers.3.": "forward_layers.#.conv2.",
    }
    for i in range(BLOCKS):
        for own, other in names.items():
            for kind in ("weight", "bias"):
                value = ours[f"blocks.{i}.{own}{kind}"]
                value = value[..., None] if "conv" in other and kind == "weight" else value
                weights[f"{other.replace('#', str(i))}{kind}"] = value
    return weights


def from_left(items: Tensor) -> Tensor:
    """Places as they count them: 1 at the left end of the window, pads included."""
    return torch.arange(1, items.shape[1] + 1).expand_as(items)


def of_events(items: Tensor) -> Tensor:
    """Places as we count them: 1 at the first event."""
    return (items > 0).cumsum(1)


@pytest.fixture(scope="module")
def scores():
    model = build_model(
        "sasrec", num_items=ITEMS, max_len=MAX_LEN, dim=DIM, blocks=BLOCKS, heads=HEADS
    ).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():  # biases and norms too, and large enough to show
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
        model.item_embedding.weight[0] = 0
        short = torch.tensor([[3, 1, 4, 5, 0, 0]])
        full = torch.tensor([[3, 1, 4, 5, 9, 2]])
        ours = {
            "short": model.score(model(short)[:, 3])[:, 1:],
            "full": model.score(model(full)[:, 5])[:, 1:],
        }
        weights = as_theirs(model.state_dict())

        def of(window, *how):
            items = {"short": torch.tensor([[0, 0, 3, 1, 4, 5]]), "full": full}[window]
            return theirs(weights, items, *how)[:, 1:]

        return ours, of


class TestWeights:
    """Each of the three differences is switched off alone and together: equality holds only where
    all are gone, so it is these that forbid a conversion, and no mistake in the names.
    """

    def test_without_the_three_differences_scores_are_equal(self, scores):
        ours, of = scores
        for window in ("short", "full"):
            torch.testing.assert_close(of(window, F.gelu, of_events, True), ours[window])

    @pytest.mark.parametrize(
        ("window", "how"),
        [
            ("full", (F.relu, of_events, True)),
            ("short", (F.gelu, from_left, True)),
            ("short", (F.gelu, of_events, False)),
        ],
    )
    def test_each_of_them_changes_the_ranking_scores(self, window, how, scores):
        ours, of = scores
        assert (of(window, *how) - ours[window]).abs().max() > 0.05

    @pytest.mark.parametrize("name", ["", "SASRec.epoch=601.pth"])
    def test_met_by_the_user_in_one_sentence(self, name, tmp_path, capsys):
        args = written(tmp_path)
        (tmp_path / "SASRec.epoch=601.pth").write_bytes(b"weights")
        assert main(["test", str(tmp_path / name)]) == 2
        shown = capsys.readouterr().err
        assert "whose weights cannot become ours" in shown and shown.count("\n") == 1
        assert f"train --config {args}" in shown


def test_printed_remedy_trains(tmp_path, capsys):
    table = "user,item,timestamp\n" + "".join(
        f"{user},{(user + place) % 7},{1_600_000_000 + 50 * place + user}\n"
        for user in range(20)
        for place in range(6)
    )
    (tmp_path / "tiny.csv").write_text(table)
    sizes = {"hidden_units": 8, "maxlen": 5, "num_epochs": 1, "dataset": f"csv:{tmp_path}/tiny.csv"}
    call = ["train", "--config", str(written(tmp_path, **sizes)), "--out", str(tmp_path / "runs")]
    assert main([*call, "--quiet", "--split", "leave_last_out"]) == 0
    assert "ndcg@10" in capsys.readouterr().out
