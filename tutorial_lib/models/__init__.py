"""All models behind one table and one builder."""

import inspect

import torch

from tutorial_lib.errors import TutorialError
from tutorial_lib.models.base import SequenceModel
from tutorial_lib.models.bert4rec import BERT4Rec
from tutorial_lib.models.caser import Caser
from tutorial_lib.models.deepm3 import DeepM3
from tutorial_lib.models.gru import GRU4Rec
from tutorial_lib.models.hstu import HSTU
from tutorial_lib.models.lru import LRURec
from tutorial_lib.models.mamba4rec import Mamba4Rec
from tutorial_lib.models.markov import Markov
from tutorial_lib.models.mf import MF, NeuMF
from tutorial_lib.models.mhc import SASRecMHC, TiSASRecMHC
from tutorial_lib.models.popularity import Popularity
from tutorial_lib.models.sasrec import SASRec
from tutorial_lib.models.ss4rec import SS4Rec
from tutorial_lib.models.ssd4rec import SSD4Rec
from tutorial_lib.models.tim4rec import TiM4Rec
from tutorial_lib.models.tisasrec import TiSASRec

MODELS: dict[str, type[SequenceModel]] = {
    "popularity": Popularity,
    "markov": Markov,
    "gru4rec": GRU4Rec,
    "sasrec": SASRec,
    "bert4rec": BERT4Rec,
    "mf": MF,
    "neumf": NeuMF,
    "tisasrec": TiSASRec,
    "sasrec_mhc": SASRecMHC,
    "tisasrec_mhc": TiSASRecMHC,
    "lrurec": LRURec,
    "mamba4rec": Mamba4Rec,
    "ssd4rec": SSD4Rec,
    "tim4rec": TiM4Rec,
    "ss4rec": SS4Rec,
    "deepm3": DeepM3,
    "caser": Caser,
    "hstu": HSTU,
}


def model_options(name: str) -> dict[str, object]:
    """The options of a model with their defaults, beyond num_items, max_len, dim and num_users."""
    if name not in MODELS:
        raise TutorialError(
            "unknown model {name!r}; known are {models}", name=name, models=", ".join(MODELS)
        )
    options = (p for p in _keywords(MODELS[name]) if p.kind is p.KEYWORD_ONLY)
    return {p.name: p.default for p in options if p.name != "num_users"}


def blind_twin(name: str, options: dict[str, object]) -> tuple[str, dict[str, object]]:
    """The same model without a clock (`SequenceModel.blind`): its name, and those of its options
    that are not the defaults. Whatever both know is alike. A model without a clock is its own twin.
    """
    blind, options = MODELS[name].blind, model_options(name) | options
    name, options = (blind, options) if isinstance(blind, str) else (name, options | (blind or {}))
    known = model_options(name)
    return name, {
        key: value for key, value in options.items() if key in known and value != known[key]
    }


def _keywords(model: type) -> list[inspect.Parameter]:
    """Parameters of a model; where it hands `**options` on, those of the next class come first."""
    found = []
    for owner in (c for c in model.__mro__ if "__init__" in vars(c)):
        parameters = list(inspect.signature(owner.__init__).parameters.values())
        found = parameters + found
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            break
    return found


def build_model(
    name: str,
    *,
    num_items: int,
    max_len: int,
    dim: int = 64,
    seed: int = 0,
    num_users: int | None = None,
    **options,
) -> SequenceModel:
    """Builds a model with reproducible initial weights: the same seed gives the same bits. Leaves
    the global seed alone.

    `num_users` is wanted by the models that know users (`uses_users`) and by those that keep
    something for each user, such as a unit of time; the others ignore it.
    """
    known = model_options(name)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise TutorialError(
            "{name} has no option {unknown!r}; it knows {known}",
            name=name,
            unknown=unknown[0],
            known=", ".join(known) or "none",
        )
    sizes = {"num_items": num_items, "max_len": max_len, "dim": dim}
    keeps_users = any(p.name == "num_users" for p in _keywords(MODELS[name]))
    if MODELS[name].uses_users or (num_users is not None and keeps_users):
        sizes |= {"num_users": num_users}
    for label, value in sizes.items():
        if not isinstance(value, int) or value < 1:
            raise TutorialError(
                "{label} must be a whole number of at least 1, got {value!r}",
                label=label,
                value=value,
            )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return MODELS[name](**sizes, **options)
        # torch's own words on a negative size or a text for a number
        except (TypeError, ValueError, RuntimeError) as error:
            if isinstance(error, TutorialError):
                raise
            raise TutorialError(
                "{name} cannot be built with dim={dim} and {options}: {error}",
                name=name,
                dim=dim,
                options=options,
                error=error,
            ) from error


__all__ = ["MODELS", "SequenceModel", "blind_twin", "build_model", "model_options"]
