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
Petrov and Macdonald (RecSys 2023). Taught in lesson 07; `logq_ce`, for large catalogues, in
lesson 24.
"""

from dataclasses import dataclass

import numpy as np
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
    """-log sigmoid(s+) - sum over k of log(1 - sigmoid(s-)). Kang and McAuley 2018, III-E."""
    return (F.softplus(-positive) + F.softplus(negative).sum(dim=1)).mean()


def bpr(positive: Tensor, negative: Tensor) -> Tensor:
    """Bayesian personalised ranking, -log sigmoid(s+ - s-). Rendle et al. 2009."""
    return F.softplus(negative - positive[:, None]).mean()


def sampled_softmax(positive: Tensor, negative: Tensor) -> Tensor:
    """The target among itself and k negatives. Klenitskiy and Vasilev 2023, section 3."""
    scores = torch.cat([positive[:, None], negative], dim=1)  # [N, 1 + k]
    return (scores.logsumexp(dim=1) - positive).mean()


PROPOSALS = ("uniform", "popularity", "batch", "mixed")


@dataclass(frozen=True, eq=False)
class Proposal:
    """Draws the shared negatives of a batch, and knows how often each is expected among them.

        kind         where K negatives come from                  expected count of item j != y
        uniform      all V items                                  K / V
        popularity   all items, by q_j = (c_j + 1) / (sum c + V)  K q_j
        batch        K of the N targets of the batch              K p_j (N - 1) / N
        mixed        K uniform ones and K of the batch            the sum of both

    c_j: how often j is chosen in training; p_j = c_j / sum c; both shares float64 [V + 1]. One of
    the N positions is y's own, hence the last factor. `batch` alone never shows an item without a
    training event; `mixed` does (Yang et al. 2020). K of at least V uniform negatives are all items
    once. A draw costs K log V, not V. Taught in lesson 24.
    """

    kind: str
    num_items: int
    shares: Tensor | None = None  # p, or q
    cumulative: Tensor | None = None  # of q

    @classmethod
    def of(cls, kind: str, num_items: int, chosen: np.ndarray | None = None) -> "Proposal":
        """`chosen` int64 [M]: the items of all training events; not needed by "uniform"."""
        if kind == "uniform":
            return cls(kind, num_items)
        counts = torch.from_numpy(np.bincount(chosen, minlength=num_items + 1)).double()
        if kind != "popularity":
            return cls(kind, num_items, counts / counts.sum())
        q = counts + 1
        q[0] = 0
        q /= q.sum()
        return cls(kind, num_items, q, q.cumsum(0))

    def draw(self, targets: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Items int64 [C], with repetitions, and the log of their expected counts float64 [C].
        targets int64 [N]: of the whole batch.
        """
        if self.kind == "popularity":
            places = torch.rand(count, dtype=torch.double, generator=generator)
            items = torch.searchsorted(self.cumulative, places, right=True)
            items = items.clamp(max=self.num_items)  # sums of shares may end below 1
            return items.to(targets.device), (count * self.shares[items]).log().to(targets.device)
        items, expected = torch.zeros(0, dtype=torch.int64), 0.0
        if self.kind != "batch":
            few = count < self.num_items
            items = torch.arange(1, self.num_items + 1)
            if few:
                items = torch.randint(1, self.num_items + 1, (count,), generator=generator)
            expected = count / self.num_items if few else 1.0
        if self.kind != "uniform":
            order = torch.randperm(len(targets), generator=generator)[:count]
            items = torch.cat([items, targets.cpu()[order]])
            others = len(order) * (len(targets) - 1) / len(targets)
            expected = (expected + others * self.shares[items]).clamp(min=1e-300)  # N = 1
        log = torch.as_tensor(expected, dtype=torch.double).log().expand(len(items))
        return items.to(targets.device), log.to(targets.device)


def logq_softmax(positive: Tensor, negative: Tensor, log_expected: Tensor) -> Tensor:
    """Sampled softmax with logQ correction. negative [N, C], -inf where a candidate is the
    position's own target; log_expected [C], from `Proposal.draw`:

        loss = -s_y + log( exp(s_y) + sum over drawn j != y of exp(s_j) / expected count of j )

    The sum in the logarithm is an unbiased estimate of the softmax's whole sum over the catalogue
    (importance sampling, Bengio and Senecal 2008; in batches, Yi et al., RecSys 2019); its
    logarithm, the loss, is so up to terms of order 1 / C. The target stands in the sum with
    certainty, so that its own score takes no correction (Khrylchenko et al., RecSys 2025).
    """
    return sampled_softmax(positive, negative - log_expected)


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


LOSSES = ("ce", "sampled_ce", "bce", "gbce", "bpr", "logq_ce")


def training_loss(
    name: str,
    model,
    states: Tensor,
    targets: Tensor,
    *,
    negatives: int = 1,
    shared: bool = False,
    generator: torch.Generator,
    part: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """One loss by name. model is a SequenceModel; states [N, d] and targets int64 [N] of the
    positions that have a target. `part`, where several processes share a batch: the targets of
    the whole batch, and which of them these are; negatives are drawn as one process would.

    shared = False draws `negatives` items for each position; True draws one set for the whole
    batch, which costs one matrix product instead of N * negatives gathered rows. A shared negative
    that is some position's target gets score -inf there: it then adds exactly 0 to every loss.
    """
    if name == "ce":
        return full_softmax(states, model.item_vectors(), targets)
    positive = model.score_items(states, targets[:, None])[:, 0]  # [N]
    whole, mine = part or (targets, slice(None))
    if name == "logq_ce":
        proposal = model.proposal or Proposal("uniform", model.num_items)
        drawn, log_expected = proposal.draw(whole, negatives, generator)  # [C]
        negative = states @ model.item_vectors(drawn).T  # [N, C]
        negative = negative.masked_fill(drawn == targets[:, None], -torch.inf)
        return logq_softmax(positive, negative, log_expected.to(states.dtype))
    if shared:
        drawn = torch.randint(1, model.num_items + 1, (negatives,), generator=generator)
        drawn = drawn.to(targets.device)  # [k]
        negative = states @ model.item_vectors(drawn).T  # [N, k]
        negative = negative.masked_fill(drawn == targets[:, None], -torch.inf)
    else:
        drawn = draw_negatives(whole, model.num_items, negatives, generator)[mine]
        negative = model.score_items(states, drawn)  # [N, k]
    if name == "gbce":
        return gbce(positive, negative, model.num_items)
    return {"bce": binary_cross_entropy, "bpr": bpr, "sampled_ce": sampled_softmax}[name](
        positive, negative
    )
