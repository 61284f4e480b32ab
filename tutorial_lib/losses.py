"""Training objectives, all over every position of every window at once.

Each loss takes the flattened states of the positions that have a target, `states` [N, d] and
`targets` int64 [N], and returns the mean over these N positions. Compared by Klenitskiy and Vasilev
(RecSys 2023) and by Petrov and Macdonald (RecSys 2023). Taught in lesson 07.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.errors import TutorialError

# entries of a [rows, num_items + 1] block in full_softmax: 4 MB, small enough for a CPU's cache
LOGITS_AT_ONCE = 1_000_000


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Cross-entropy against all items without ever holding the [N, num_items + 1] matrix of logits.

    The gradient of a softmax is known in closed form, (probability - one-hot), so each block of
    rows yields its share of both gradients during the forward pass and its logits are then
    forgotten.
    """

    @staticmethod
    def forward(ctx, states: Tensor, weight: Tensor, targets: Tensor, rows: int) -> Tensor:
        count = len(targets)
        total = states.new_zeros(())
        grad_states, grad_weight = torch.empty_like(states), torch.zeros_like(weight)
        # [R, d], [R]
        for x, y, grad_x in zip(
            states.split(rows), targets.split(rows), grad_states.split(rows), strict=True
        ):
            odds = x @ weight.T  # [R, V + 1]
            odds[:, 0] = -torch.inf  # PAD is never an answer
            top = odds.amax(dim=1, keepdim=True)
            right = odds.gather(1, y[:, None])  # [R, 1]
            odds.sub_(top).exp_()
            norm = odds.sum(dim=1, keepdim=True)  # probability = odds / norm
            total += (norm.log() + top - right).sum()
            scaled = x / norm  # dividing the [R, d] side spares a pass over [R, V + 1]
            torch.sub((odds @ weight).div_(norm), weight[y], out=grad_x)
            grad_weight.addmm_(odds.T, scaled).index_add_(0, y, x, alpha=-1)
        ctx.save_for_backward(grad_states.div_(count), grad_weight.div_(count))
        return total / count

    @staticmethod
    def backward(ctx, grad: Tensor):
        grad_states, grad_weight = ctx.saved_tensors
        return grad * grad_states, grad * grad_weight, None, None


def full_softmax(states: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy over the whole catalogue. weight [num_items + 1, d] is the item table, row 0
    (PAD) left out.
    """
    rows = max(32, LOGITS_AT_ONCE // len(weight))  # fewer than 32 rows make slow matrix products
    return _ChunkedCrossEntropy.apply(states, weight, targets, rows)


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
        raise TutorialError(f"negative sampling needs at least 2 items, got {num_items}")
    drawn = torch.randint(1, num_items, (len(targets), count), generator=generator)
    drawn = drawn.to(targets.device)
    return drawn + (drawn >= targets[:, None])


def binary_cross_entropy(positive: Tensor, negative: Tensor) -> Tensor:
    """-log sigmoid(s+) - sum over k of log(1 - sigmoid(s-)). positive [N], negative [N, k]. Kang
    and McAuley 2018, eq. 6.
    """
    return (F.softplus(-positive) + F.softplus(negative).sum(dim=1)).mean()


def bpr(positive: Tensor, negative: Tensor) -> Tensor:
    """Bayesian personalised ranking, -log sigmoid(s+ - s-), mean over the negatives. Rendle et al.
    2009.
    """
    return F.softplus(negative - positive[:, None]).mean()


def sampled_softmax(positive: Tensor, negative: Tensor) -> Tensor:
    """Cross-entropy of the target among itself and k uniform negatives. Klenitskiy and Vasilev
    2023, section 3.
    """
    scores = torch.cat([positive[:, None], negative], dim=1)  # [N, 1 + k]
    return (scores.logsumexp(dim=1) - positive).mean()


def gbce(positive: Tensor, negative: Tensor, num_items: int, calibration: float = 0.75) -> Tensor:
    """BCE with the positive term raised to the power beta, which undoes the overconfidence that
    negative sampling causes.

    alpha = k / (num_items - 1) is the sampling rate and beta = alpha (t (1 - 1/alpha) + 1/alpha)
    with calibration t: t = 0 is plain BCE, t = 1 is calibrated. log(sigmoid(s)^beta) = -beta
    softplus(-s), so float32 suffices. Petrov and Macdonald 2023 (gSASRec), eq. 13 to 15.
    """
    alpha = negative.shape[1] / (num_items - 1)
    beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
    return (
        (beta * F.softplus(-positive) + F.softplus(negative).sum(dim=1)) / (negative.shape[1] + 1)
    ).mean()


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
        return full_softmax(states, model.item_embedding.weight, targets)
    positive = model.score_items(states, targets[:, None])[:, 0]
    if shared:
        drawn = torch.randint(1, model.num_items + 1, (negatives,), generator=generator).to(
            targets.device
        )
        # [N, k]
        negative = (states @ model.item_embedding(drawn).T).masked_fill(
            drawn == targets[:, None], -torch.inf
        )
    else:
        # [N, k]
        negative = model.score_items(
            states, draw_negatives(targets, model.num_items, negatives, generator)
        )
    if name == "gbce":
        return gbce(positive, negative, model.num_items)
    return {"bce": binary_cross_entropy, "bpr": bpr, "sampled_ce": sampled_softmax}[name](
        positive, negative
    )
