"""From the SASRec port for PyTorch (github.com/pmixer/SASRec.pytorch): settings, not weights.

Its folder `DATASET_TRAINDIR` holds args.txt, which `--config` reads, and state dicts `*.pth`. Those
cannot become ours: that network has a ReLU where ours has a GELU, counts places from the left end
of a window that is padded on the left, and lets real events look at the pads; so no choice of
weights gives the same scores (tests/experiments/test_convert.py tries it).
"""

from pathlib import Path

from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.runs import Run
from tutorial_lib.experiments.settings import parse
from tutorial_lib.knobs import kind_of
from tutorial_lib.train import TrainConfig

# its name -> our knob and whose it is
NAMES = {
    "dataset": (Run, "dataset"),
    "maxlen": (Run, "max_len"),
    "hidden_units": (Run, "dim"),
    "batch_size": (TrainConfig, "batch_size"),
    "lr": (TrainConfig, "learning_rate"),
    "num_epochs": (TrainConfig, "epochs"),
}
OPTIONS = {"num_blocks": "blocks", "num_heads": "heads", "dropout_rate": "dropout"}


def read_args(path: Path | str) -> dict[str, object]:
    """Settings of `train` from an args.txt of lines name,value: a SASRec of the same size, trained
    with the same loss (bce, one negative) as long.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, ValueError) as error:
        raise TutorialError("cannot read {path}: {error}", path=path, error=error) from None
    found = dict(line.partition(",")[::2] for line in lines)
    if lost := [name for name in (*NAMES, *OPTIONS) if name not in found]:
        raise TutorialError(
            "{path} is no args.txt of SASRec: it has no line {lost},VALUE", path=path, lost=lost[0]
        )
    if parse(found.get("l2_emb", "0"), float):
        raise TutorialError(
            "{path}: l2_emb = {found}, and we have no penalty on tables; set it to 0.0",
            path=path,
            found=found["l2_emb"],
        )
    settings = {"model": "sasrec", "loss": "bce"}
    for name, (owner, ours) in NAMES.items():
        try:
            settings[ours] = parse(found[name], *kind_of(owner, ours))
        except TutorialError as error:
            raise TutorialError(
                "{path}: {name} {error}", path=path, name=name, error=error
            ) from None
    return settings | {"options": {ours: found[name] for name, ours in OPTIONS.items()}}


def refuse_foreign(folder: Path) -> None:
    """One sentence where a folder or file of that port is taken for a run of ours."""
    inside = folder if folder.is_dir() else folder.parent
    if folder.suffix == ".pth" or (inside / "args.txt").exists():
        raise TutorialError(
            "{folder} is of the SASRec port for PyTorch, whose weights cannot become ours"
            " (a ReLU for our GELU, pads that are looked at, places counted from the left"
            " end of a padded window): train one of the same settings with train --config"
            " {inside}",
            folder=folder,
            inside=inside / "args.txt",
        )
