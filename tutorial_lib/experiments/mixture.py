"""Mixtures of counting models: weights fitted on earlier questions, ranks on later ones.
Taught in lesson 03.
"""

import numpy as np

from tutorial_lib.data.splits import Split, Targets
from tutorial_lib.experiments.counting import BUCKETS, KINDS, Counting
from tutorial_lib.metrics import Ranks, ndcg, per_user

STEP = 256  # questions that share their counts
PRIOR = 20.0  # questions that the weights of all gaps stand for among those of one


def expectation_maximisation(shares: np.ndarray, prior: np.ndarray | None = None) -> np.ndarray:
    """Weights [K] of a mixture that give the targets the highest likelihood. shares [N, K]: of the
    target in each part. `prior`: weights that count as PRIOR further questions.
    """
    weights = np.full(shares.shape[1], 1 / shares.shape[1]) if prior is None else prior
    for _ in range(50):
        joint = shares * weights
        given = (joint / np.maximum(joint.sum(1, keepdims=True), 1e-300)).sum(0)
        if prior is not None:
            given = given + PRIOR * prior
        weights = given / given.sum()
    return weights


def steps(targets: Targets, times: np.ndarray) -> list[np.ndarray]:
    """Questions that are answered together: neighbours in time, int64 indices."""
    order = np.argsort(times[targets.row], kind="stable")
    return [order[first : first + STEP] for first in range(0, len(order), STEP)]


def pick(targets: Targets, index: np.ndarray) -> Targets:
    return Targets(targets.user[index], targets.start[index], targets.row[index])


def ask(
    split: Split, kinds: tuple[str, ...] = KINDS, *, live: bool, seed: int = 0
) -> dict[tuple[str, bool], np.ndarray]:
    """NDCG@10 of every test user, float64 [users], for each (kind, is its clock shuffled?) and for
    ("blind", False). Weights are fitted on the validation part.
    """
    models = {
        shuffled: Counting(split, live=live, shuffled=shuffled, seed=seed)
        for shuffled in (False, True)
    }
    plain = models[False]
    every = [("blind", False), *((kind, shuffled) for kind in kinds for shuffled in models)]
    shares, groups = ({key: [] for key in every} for _ in range(2))
    for index in steps(split.valid, plain.time):
        some = pick(split.valid, index)
        target, known = plain.item[some.row], plain.candidates(some)
        for kind, shuffled in every:
            parts = plain.among(known, models[shuffled].parts(kind, some))
            shares[kind, shuffled].append(parts[:, np.arange(len(index)), target].T)
            groups[kind, shuffled].append(models[shuffled].group(kind, some.row))
    blind = np.concatenate(shares["blind", False])
    fitted = {}
    for key in every:
        own = [] if key[0] == "blind" else [np.concatenate(shares[key])]
        both = np.concatenate([blind, *own], axis=1).astype(np.float64)
        group, overall = np.concatenate(groups[key]), expectation_maximisation(both)
        fitted[key] = np.stack(
            [expectation_maximisation(both[group == g], overall) for g in range(BUCKETS)]
        ).astype(np.float32)
    counts = {key: np.zeros((3, len(split.test)), dtype=np.int64) for key in every}
    for index in steps(split.test, plain.time):
        some = pick(split.test, index)
        known = plain.candidates(some)
        base = plain.among(known, plain.parts("blind", some))
        for kind, shuffled in every:
            weights = fitted[kind, shuffled][models[shuffled].group(kind, some.row)]  # [N, K]
            parts = [*base]
            if kind != "blind":
                parts += [*plain.among(known, models[shuffled].parts(kind, some))]
            scores = sum(w[:, None] * part for w, part in zip(weights.T, parts, strict=True))
            counts[kind, shuffled][:, index] = ranked(scores, known, plain.item[some.row])
    return {
        key: per_user(ranks := Ranks(split.test.user, *counts[key]), ndcg(ranks)) for key in every
    }


def ranked(scores: np.ndarray, known: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Greater, equal and candidates, int64 [3, N]; a target that nobody knows yet comes last."""
    rows = np.arange(len(target))
    there = known[rows, target]
    own = np.where(there, scores[rows, target], -np.inf)
    greater = ((scores > own[:, None]) & known).sum(1)
    equal = ((scores == own[:, None]) & known).sum(1) - there
    return np.stack([greater, np.maximum(equal, 0), known.sum(1) + ~there])
