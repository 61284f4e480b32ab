"""What does a trained run use? Its test NDCG@10 on histories that are cut short, or shuffled.
Taught in lesson 07.

python -m studies.probe runs/RUN --table data/facts/NAME.csv
"""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from tutorial_lib.checkpoint import load_checkpoint
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.splits import make_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import evaluate, ndcg, per_user
from tutorial_lib.experiments.runs import Run
from tutorial_lib.files import replacing
from tutorial_lib.models import SequenceModel, build_model
from tutorial_lib.statistics import paired_bootstrap


class ShuffledPast(SequenceModel):
    """The same model on histories whose events are shuffled, the last one excepted."""

    def __init__(self, model: SequenceModel, seed: int = 0):
        nn.Module.__init__(self)
        self.model, self.max_len, self.score, self.seed = model, model.max_len, model.score, seed
        self.num_items = model.num_items

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        keys = torch.rand(
            items.shape, generator=torch.Generator().manual_seed(self.seed)
        ).masked_fill(items == 0, 3.0)
        # behind all others, before the pads
        keys.scatter_(1, (items > 0).sum(dim=1, keepdim=True) - 1, 2.0)
        return self.model(items.gather(1, keys.argsort(dim=1)))


def probe(folder: Path, lengths: tuple[int, ...] = (1, 2, 5, 10, 20, 50, 200)) -> pd.DataFrame:
    """One row for each way of spoiling the histories of the run in `folder`: its NDCG@10, and the
    difference to the whole history with a 95 % interval over users. Only models that read no times
    can be probed.
    """
    try:
        saved = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        weights = load_checkpoint(folder / "checkpoint.pt")["best"]
    except (OSError, KeyError, ValueError) as error:
        raise TutorialError(
            f"{folder} holds no finished run ({error}); give the folder that 'train --out' wrote"
        ) from None
    run = Run.from_configuration(saved["configuration"])
    dataset = load_dataset(run.dataset, users=run.users)
    split = make_split(dataset, run.split)
    model = build_model(
        run.model, num_items=dataset.num_items, max_len=run.max_len, dim=run.dim, **run.options
    )
    model.load_state_dict(weights)

    def quality(model: SequenceModel, length: int):
        ranks = evaluate(model, split, "test", max_len=length)
        return per_user(ranks, ndcg(ranks))

    whole = quality(model, run.max_len)
    spoiled = {
        f"last {length}": quality(model, length) for length in lengths if length < run.max_len
    }
    spoiled["past shuffled"] = quality(ShuffledPast(model), run.max_len)
    rows = [
        {"history": "whole", "ndcg@10": whole.mean(), "difference": 0.0, "low": 0.0, "high": 0.0}
    ]
    for name, values in spoiled.items():
        difference = paired_bootstrap(values, whole)
        row = {"history": name, "ndcg@10": values.mean(), "difference": difference.mean}
        rows.append(row | {"low": difference.low, "high": difference.high})
    return pd.DataFrame(rows).assign(run=saved["run"], code_version=saved["code_version"])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m studies.probe", description=__doc__)
    parser.add_argument(
        "run", type=Path, help="folder of a finished run, as 'train --out' wrote it"
    )
    parser.add_argument("--table", type=Path, help="also write the rows to this CSV file")
    args = parser.parse_args(arguments)
    try:
        table = probe(args.run)
        if args.table:
            with replacing(args.table) as partial:
                table.to_csv(partial, index=False, float_format="%.6g")
    except TutorialError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table.drop(columns=["run", "code_version"]).round(4).to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
