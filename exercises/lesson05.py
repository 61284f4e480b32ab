"""Checkers of lesson 05, causal masks."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from exercises.checking import (
    Wrong,
    compare_letters,
    exercise,
    want_equal,
    want_number,
    want_tensor,
)
from exercises.open_task import Report, open_task
from tutorial_lib.language import say
from tutorial_lib.models.attention import attention, causal_mask


@exercise(points=3, minutes=15)
def check_window_mask(answer) -> None:
    """5.1: look back at most width events, oneself included."""
    for length, width in ((6, 3), (6, 2), (5, 1), (4, 9), (3, 3), (9, 5)):
        about = say("with length {length} and width {width}", length=length, width=width)
        got = want_tensor(
            answer(length, width),
            (length, length),
            torch.bool,
            say("{about} the mask", about=about),
        )
        distance = torch.arange(length)[:, None] - torch.arange(length)  # query minus key
        want = (distance >= 0) & (distance < width)
        if torch.equal(got, want):
            continue
        known = {
            "True means may look: the mask is the wrong way round": ~want,
            "it looks ahead instead of back: rows are queries, columns are keys": want.T,
            "it reaches one event too far: width counts the event itself": (
                (distance >= 0) & (distance <= width)
            ),
            "position i may look at itself too": (distance > 0) & (distance < width),
            "it looks back without an end: an event `width` places back must be hidden": (
                distance >= 0
            ),
        }
        for reason, value in known.items():
            if torch.equal(got, value):
                raise Wrong("{about}: {reason}", about=about, reason=reason)
        if got.triu(1).any():
            raise Wrong(
                "{about}: some query may look at a later event: the upper triangle must be False",
                about=about,
            )
        row = int((got != want).any(1).nonzero()[-1])
        allowed, wanted = ((mask[row].nonzero()[:, 0] + 1).tolist() for mask in (got, want))
        raise Wrong(
            "{about}: position {row} may look at positions {wanted}; yours allows {allowed}",
            about=about,
            row=row + 1,
            wanted=wanted,
            allowed=allowed,
        )


@exercise(points=3, minutes=12)
def check_padded_mask(answer) -> None:
    """5.2: causal, pads hidden as keys, no empty row."""
    three = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]], dtype=torch.bool)
    for is_real in (three, torch.arange(7) >= torch.tensor([[3], [7]])):
        batch, length = is_real.shape
        got = want_tensor(answer(is_real), (batch, length, length), torch.bool, name="the mask")
        if not got.any(dim=2).all():
            raise Wrong(
                "some row allows no key at all, and its softmax is nan: let every pad look at"
                " itself"
            )
        if got.triu(1).any():
            raise Wrong("some query may look at a later event: keep causal_mask as well")
        pads = got & ~is_real[:, None, :] & ~torch.eye(length, dtype=torch.bool)
        if (pads & is_real[:, :, None]).any():
            raise Wrong(
                "a real event may look at a pad: the columns of the pads must be False, so is_real"
                " belongs on the last axis"
            )
        wanted = causal_mask(length) & is_real[:, None, :]
        if (wanted & ~got)[is_real].any():
            raise Wrong("a real event may not look at some real event before it")
        if pads.any():
            raise Wrong("a pad may look at another pad: a pad may look at itself alone")


def _embed(items: Tensor) -> Tensor:
    return torch.randn(1000, 8, generator=torch.Generator().manual_seed(4))[items]  # [B, L, 8]


def _masked_attention(mask: Tensor, items: Tensor) -> Tensor:
    x = _embed(items)
    return attention(x, x, x, mask)


def _convolution(items: Tensor, left: int, right: int) -> Tensor:
    kernel = torch.randn(8, 8, 3, generator=torch.Generator().manual_seed(5))
    return F.conv1d(F.pad(_embed(items).transpose(1, 2), (left, right)), kernel).transpose(1, 2)


def _far_ahead(items: Tensor) -> Tensor:
    length = items.shape[1]
    distance = torch.arange(length)[:, None] - torch.arange(length)
    return _masked_attention((distance >= 0) | (distance <= -8), items)


sealed = {  # for exercise 5.3: measure them, do not read them
    "A": lambda items: _masked_attention(causal_mask(items.shape[1]), items),
    "B": lambda items: _convolution(items, left=1, right=1),
    "C": lambda items: _embed(items).cumsum(dim=1),
    "D": _far_ahead,
    "E": lambda items: _convolution(items, left=2, right=0),
}


@exercise(points=3, minutes=12)
def check_leaking(answer) -> None:
    """5.3: which sealed models look ahead."""
    hints = {
        "A": "is anything above the diagonal?",
        "B": "is anything above the diagonal?",
        "C": "reaching far back is allowed; reaching ahead is not",
        "D": "is the history long enough? It leaks only over eight events or more",
        "E": "is anything above the diagonal?",
    }
    compare_letters(answer, {"B", "D"}, hints)


@exercise(points=2, minutes=8)
def check_parts(answer) -> None:
    """5.4: which parts let the future in."""
    hints = {
        "A": "does it mix positions, or only the numbers within one position?",
        "B": "which events does the mean over all positions contain?",
        "C": "which three positions does the output at position i see?",
        "D": "which three positions does the output at position i see?",
        "E": "in which order does its second direction read the history?",
        "F": "does it mix positions at all?",
    }
    compare_letters(answer, {"B", "C", "E"}, hints)


@exercise(points=3, minutes=12)
def check_loss(answer) -> None:
    """5.5: mean cross-entropy over the real targets."""
    generator = torch.Generator().manual_seed(6)
    for lengths, width in (((3, 7, 1), 7), ((4, 4), 4), ((1, 2, 9), 9)):
        logits = torch.randn(len(lengths), width, 12, generator=generator, dtype=torch.double) * 2
        targets = torch.randint(1, 12, (len(lengths), width), generator=generator)
        real = torch.arange(width) < torch.tensor(lengths)[:, None]
        targets = targets * real
        places = -logits.log_softmax(-1).gather(2, targets[..., None])[..., 0]  # [B, L]
        scrambled = logits.transpose(1, 2).reshape(logits.shape)
        mixed = -scrambled.log_softmax(-1).gather(2, targets[..., None])[..., 0]
        known = {
            "the pads count as targets: leave out the places with target 0": places.mean(),
            "the pads are left out of the sum, but the count still holds them": (
                places[real].sum() / real.numel()
            ),
            "this is a sum; divide it by the number of real targets": places[real].sum(),
            "every history has the same weight here; every real target should have": (
                ((places * real).sum(1) / real.sum(1)).mean()
            ),
            "it is divided by the number of histories, not of real targets": (
                places[real].sum() / len(lengths)
            ),
            "the numbers of one place meet the target of another: do not transpose before you"
            " flatten": mixed[real].mean(),
            "two faults: the places are scrambled, and the sum is divided by all places": (
                mixed[real].sum() / real.numel()
            ),
            "PAD is left out of the candidates here; the mean of the plain cross-entropy is wanted": (
                F.cross_entropy(logits[..., 1:][real], targets[real] - 1)
            ),
        }
        want_equal(
            answer(logits, targets),
            places[real].mean(),
            name=say("with {lengths} real targets the loss", lengths=lengths),
            known=known,
        )
    got = want_number(answer(logits, torch.zeros_like(targets)), "the loss of a batch of pads")
    if got != 0:
        raise Wrong(
            "a batch without a real target gives {got:g}; 0 is wanted, so divide by at least 1",
            got=got,
        )


@open_task
def open_report(report: Report) -> None:
    """The open task: a leak that the old probe does not see."""
    training, serving = report.number("training", 0, 1), report.number("serving", 0, 1)
    if training is not None and serving is not None:
        report.want(
            training > serving,
            "the model is no better in training than when serving: it does not use the future",
        )
    old, new = report.truth("old_probe"), report.truth("new_probe")
    report.want(old is not True, "`influence` finds this leak already: hide it better")
    report.want(new is not False, "the new probe does not find the leak")
    report.table("false_alarms", Report.truth, least=5)
    report.text("unseen")


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def item_loss(logits, targets, reduction="sum", least=1):
    loss = F.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=0, reduction=reduction
    )
    return loss / (targets > 0).sum().clamp(min=least) if reduction == "sum" else loss


def loss_by_places(logits, targets):
    """One place after the other, with the definition of the cross-entropy."""
    found = [
        float(logits[row, place].logsumexp(0) - logits[row, place, targets[row, place]])
        for row, place in (targets > 0).nonzero().tolist()
    ]
    return sum(found) / max(len(found), 1)


def loss_of_the_real(logits, targets):
    real = targets > 0
    if not real.any():
        return logits.sum() * 0
    return F.cross_entropy(logits[real], targets[real])


def loss_scrambled(logits, targets, mean=True):
    other = logits.transpose(1, 2).reshape(logits.shape)
    return item_loss(other, targets) * (1 if mean else (targets > 0).float().mean())


def loss_by_history(logits, targets):
    return sum(
        loss_of_the_real(a[None], b[None]) for a, b in zip(logits, targets, strict=True)
    ) / len(logits)


def loss_with_pads(logits, targets):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def window(length, width):
    allowed = torch.ones(length, length, dtype=torch.bool)
    return allowed.tril() & allowed.triu(1 - width)


def eye(is_real):
    return torch.eye(is_real.shape[1], dtype=torch.bool)


def window_in_numpy(length, width):
    back = np.subtract.outer(np.arange(length), np.arange(length))
    return (back >= 0) & (back < width)


def window_by_rows(length, width):
    return [[i - width < j <= i for j in range(length)] for i in range(length)]


def padded(is_real):
    return (causal_mask(is_real.shape[1]) & is_real[:, None, :]) | eye(is_real)


def padded_in_numpy(is_real):
    """The diagonal is set after the mask of the real events is made."""
    masks = np.tril(np.repeat(is_real.numpy()[:, None], is_real.shape[1], axis=1))
    for mask in masks:
        np.fill_diagonal(mask, True)
    return masks


def pads_see_pads(is_real):
    same_kind = is_real[:, :, None] == is_real[:, None, :]
    return causal_mask(is_real.shape[1]) & same_kind


RIGHT = [
    (check_window_mask, window),
    (check_window_mask, window_in_numpy),
    (check_window_mask, window_by_rows),
    (check_padded_mask, padded),
    (check_padded_mask, padded_in_numpy),
    (check_padded_mask, lambda r: torch.where(r[:, None], causal_mask(r.shape[1]), eye(r))),
    (check_loss, item_loss),
    (check_loss, loss_by_places),
    (check_loss, loss_of_the_real),
    (check_leaking, {"B", "D"}),
    (check_leaking, "BD"),
    (check_leaking, np.array(["D", "B"])),
    (check_parts, ["B", "C", "E"]),
    (check_parts, "b, c, e"),
    (check_parts, frozenset("BCE")),
]
WRONG = [
    (check_window_mask, lambda n, w: window(n, w + 1), "one event too far"),
    (check_window_mask, lambda n, w: ~window(n, w), "wrong way round"),
    (check_window_mask, lambda n, w: window(n, w).T, "ahead instead of back"),
    (check_window_mask, lambda n, w: window(n, w - 1), "yours allows [5, 6]"),
    (check_window_mask, lambda n, w: window(n, w) | window(n, w).T, "later event"),
    (check_window_mask, lambda n, w: window(n, 3), "with length 6 and width 2"),
    (check_window_mask, lambda n, w: window(6, w), "with length 5 and width 1 the mask has shape"),
    (check_window_mask, lambda n, w: window(n, w) | torch.ones(n, n).triu(n - 1).bool(), "later"),
    (check_window_mask, lambda n, w: window(n, max(w, 2)), "with length 5 and width 1"),
    (check_window_mask, lambda n, w: causal_mask(n), "without an end"),
    (check_window_mask, lambda n, w: window(n, w) & ~torch.eye(n).bool(), "look at itself too"),
    (check_window_mask, lambda n, w: window(n, w).float(), "truth values"),
    (
        check_padded_mask,
        lambda r: causal_mask(r.shape[1]) & r[:, None, :],
        "allows no key",
    ),
    (
        check_padded_mask,
        lambda r: (causal_mask(r.shape[1]) & r[:, :, None]) | eye(r),
        "look at a pad",
    ),
    (check_padded_mask, lambda r: r[:, None, :] | eye(r), "later event"),
    (
        check_padded_mask,
        lambda r: eye(r).repeat(len(r), 1, 1),
        "some real event before it",
    ),
    (check_padded_mask, lambda r: causal_mask(r.shape[1]), "shape"),
    (check_padded_mask, pads_see_pads, "a pad may look at another pad"),
    (
        check_padded_mask,
        lambda r: padded(r) | ((~r)[:, :, None] & causal_mask(r.shape[1])),
        "another pad",
    ),
    (check_padded_mask, lambda r: padded(r)[:1].expand(len(r), -1, -1), "look at"),
    (check_padded_mask, lambda r: padded(r)[:, None], "shape"),
    (check_padded_mask, lambda r: padded(r.logical_not_().logical_not()), "in place"),
    (check_loss, loss_with_pads, "the pads count as targets"),
    (check_loss, lambda x, t: item_loss(x, t) * (t > 0).double().mean(), "still holds them"),
    (check_loss, lambda x, t: item_loss(x, t) * (t > 0).sum(), "this is a sum"),
    (check_loss, lambda x, t: item_loss(x, t) * (t > 0).sum() / len(t), "number of histories"),
    (check_loss, loss_by_history, "every history has the same weight"),
    (check_loss, loss_scrambled, "do not transpose"),
    (check_loss, lambda x, t: loss_scrambled(x, t, mean=False), "two faults"),
    (check_loss, lambda x, t: item_loss(x, t, least=0), "gives nan"),
    (check_loss, lambda x, t: item_loss(x, t, "mean"), "gives nan"),
    (check_loss, lambda x, t: item_loss(x[..., 1:], (t - 1).clamp(min=0)), "PAD is left out"),
    (check_loss, lambda x, t: item_loss(-x, t), "the loss is"),
    (check_leaking, {"B"}, "eight events"),
    (check_leaking, {"B", "C", "D"}, "look at C"),
    (check_leaking, set(), "look at B"),
    (check_leaking, {"Z"}, "set of letters"),
    (check_leaking, "D", "look at B"),
    (check_leaking, "ABD", "look at A"),
    (check_leaking, ["B", "D", "E"], "look at E"),
    (check_parts, {"B", "E"}, "look at C"),
    (check_parts, {"A", "B", "C", "E"}, "look at A"),
    (check_parts, {"B", "C", "D", "E"}, "look at D"),
    (check_parts, "BC", "look at E"),
    (check_parts, "BCEF", "look at F"),
    (check_parts, {"C", "E"}, "look at B"),
]
ARGUED = [
    (check_loss, "0 -> -1", "the numbers of one place have a single axis, which is first and last"),
    (
        check_loss,
        "logits.sum() * 0 -> 0",
        "the value is 0 either way; what it keeps is the gradient, which the checker leaves alone",
    ),
    (check_loss, "logits.sum -> logits.mean", "it is multiplied by 0"),
    (check_loss, "1 -> 2", "used where nothing was found, and 0 divided by 2 is 0 as well"),
]

OPEN = {
    "training": 0.41,
    "serving": 0.07,
    "old_probe": False,
    "new_probe": True,
    "false_alarms": {
        "sasrec": False,
        "gru4rec": False,
        "lrurec": False,
        "caser": True,
        "hstu": False,
    },
    "unseen": "Items whose numbers were given in the order of their popularity next year.",
}
OPEN_RIGHT = [
    OPEN,
    {
        **OPEN,
        **{"unseen": "按明年的热门程度编号的物品，编号本身就泄漏了未来。", "old_probe": np.False_},
    },
]
OPEN_WRONG = [
    ({**OPEN, "serving": 0.5}, "does not use the future"),
    ({**OPEN, "old_probe": True}, "finds this leak already"),
    ({**OPEN, "new_probe": False}, "does not find the leak"),
    ({**OPEN, "false_alarms": {"sasrec": False}}, "1 of at least 5"),
    ({**OPEN, "false_alarms": dict.fromkeys("ABCDE", 0)}, "True or False"),
]
