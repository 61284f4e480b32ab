"""Training objectives, all over every position of every window at once.

    letter     meaning                                       shape
    N          positions that have a target
    V, d, k    items, width, negatives for each position
    states     x, what the model says of each position       [N, d]
    weight     E, the item table; row 0 is PAD               [V + 1, d]
    targets    y, the item that really came next             int64 [N]
    positive   s+, the score of the target                   [N]
    negative   s-, the scores of items drawn at random       [N, k]

Each loss is the mean over the N positions. Compared by Klenitskiy and Vasilev (RecSys 2023) and by
Petrov and Macdonald (RecSys 2023). Taught in lesson 07.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib import kernels
from tutorial_lib.errors import TutorialError


@kernels.fast(kernels.softmax.full_softmax)
def full_softmax(states: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy over the whole catalogue, -s_y + log sum_j exp(s_j) with s = E x. Item table
    `weight` E [V + 1, d], whose row 0 (PAD) is no item. Klenitskiy and Vasilev 2023, section 3.
    """
    return F.cross_entropy(states @ weight[1:].T, targets - 1)  # [N, V], item 1 stands first


def draw_negatives(
    targets: Tensor, num_items: int, count: int, generator: torch.Generator
) -> Tensor:
    """Uniform negatives, never the target of the same position. targets int64 [N] -> int64 [N,
    count] in 1..num_items.

    Another item of the user may be drawn: the authors of SASRec exclude all of them, at the cost of
    a set for every user. A draw from num_items - 1 values, moved up by one from the target on, is
    uniform over all items but the target: no rejection.
    """
    if num_items < 2:
        raise TutorialError(
            "negative sampling needs at least 2 items, got {num_items}", num_items=num_items
        )
    drawn = torch.randint(1, num_items, (len(targets), count), generator=generator)
    drawn = drawn.to(targets.device)
    return drawn + (drawn >= targets[:, None])


def binary_cross_entropy(positive: Tensor, negative: Tensor) -> Tensor:
    """-log sigmoid(s+) - sum over k of log(1 - sigmoid(s-)). Kang and McAuley 2018, section III-E."""
    return (F.softplus(-positive) + F.softplus(negative).sum(dim=1)).mean()


def bpr(positive: Tensor, negative: Tensor) -> Tensor:
    """Bayesian personalised ranking, -log sigmoid(s+ - s-). Rendle et al. 2009."""
    return F.softplus(negative - positive[:, None]).mean()


def sampled_softmax(positive: Tensor, negative: Tensor) -> Tensor:
    """The target among itself and k negatives. Klenitskiy and Vasilev 2023, section 3."""
    scores = torch.cat([positive[:, None], negative], dim=1)  # [N, 1 + k]
    return (scores.logsumexp(dim=1) - positive).mean()


def gbce(positive: Tensor, negative: Tensor, num_items: int, calibration: float = 0.75) -> Tensor:
    """BCE with the positive term raised to the power beta, which undoes the overconfidence that
    negative sampling causes.

    alpha = k / (num_items - 1) is the sampling rate and beta = alpha (t (1 - 1/alpha) + 1/alpha)
    with calibration t: t = 0 is plain BCE, t = 1 is calibrated. log(sigmoid(s)^beta) = -beta
    softplus(-s), so float32 suffices. Petrov and Macdonald 2023 (gSASRec), the definition of gBCE.
    """
    k = negative.shape[1]
    alpha = k / (num_items - 1)
    beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
    return ((beta * F.softplus(-positive) + F.softplus(negative).sum(dim=1)) / (k + 1)).mean()


LOSSES = ("ce", "sampled_ce", "bce", "gbce", "bpr")


def training_loss(
    name: str,
    model,
    states: Tensor,
    targets: Tensor,
    *,
    negatives: int = 1,
    shared: bool = False,
    generator: torch.Generator,
) -> Tensor:
    """One loss by name. model is a SequenceModel; states [N, d] and targets int64 [N] of the
    positions that have a target.

    shared = False draws `negatives` items for each position; True draws one set for the whole
    batch, which costs one matrix product instead of N * negatives gathered rows. A shared negative
    that is some position's target gets score -inf there: it then adds exactly 0 to every loss.
    """
    if name == "ce":
        return full_softmax(states, model.item_vectors(), targets)
    positive = model.score_items(states, targets[:, None])[:, 0]  # [N]
    if shared:
        drawn = torch.randint(1, model.num_items + 1, (negatives,), generator=generator)
        drawn = drawn.to(targets.device)  # [k]
        negative = states @ model.item_vectors(drawn).T  # [N, k]
        negative = negative.masked_fill(drawn == targets[:, None], -torch.inf)
    else:
        drawn = draw_negatives(targets, model.num_items, negatives, generator)
        negative = model.score_items(states, drawn)  # [N, k]
    if name == "gbce":
        return gbce(positive, negative, model.num_items)
    return {"bce": binary_cross_entropy, "bpr": bpr, "sampled_ce": sampled_softmax}[name](
        positive, negative
    )
