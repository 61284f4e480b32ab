"""Checkers of lesson 07, SASRec."""

import numpy as np
import torch
import torch.nn.functional as F

from exercises.checking import Wrong, exercise, want_array, want_equal, want_whole
from exercises.open_task import END, END_ZH, Report, open_task
from tutorial_lib.language import mark, say
from tutorial_lib.models import build_model
from tutorial_lib.statistics import Interval


@exercise(points=3, minutes=15)
def check_recommend(answer) -> None:
    """7.1: the k best items that were not seen, best first."""
    first, second = (
        build_model("sasrec", num_items=40, max_len=10, dim=8, seed=seed).eval() for seed in (3, 4)
    )
    long = [13, 2, 8, 21, 5, 34, 1, 3, 40, 7, 22, 11, 18, 30]  # four more than the model reads
    for model, history, k in (
        (first, [4, 17, 23], 7),
        (second, [9], 7),
        (first, [31, 2, 5, 40, 12, 7, 2], 3),
        (second, long, 9),
        (first, long, 26),
    ):
        with torch.no_grad():
            states = model(torch.tensor([history[-model.max_len :]]))[0]
        raw = model.score(states[-1])
        scores = raw.clone()
        scores[history] = -torch.inf
        want = scores.topk(k).indices.tolist()
        try:
            got = answer(model, history, k)
        except Wrong as error:
            if len(history) <= model.max_len:
                raise
            raise Wrong(
                "with a history of {count} events, of which the model reads the last"
                " {max_len}, {error}",
                count=len(history),
                max_len=model.max_len,
                error=error,
            ) from error
        got = want_array(got, "the list", kind="int")
        if got.shape != (k,):
            raise Wrong(
                "for k = {k} a list of {k} ids is wanted, got one of shape {shape}",
                k=k,
                shape=got.shape,
            )
        got = got.tolist()
        if got == want:
            continue
        if got == [item - 1 for item in want]:
            raise Wrong(
                "all ids are too small by 1: column 0 of the scores is the padding, so column i is"
                " item i"
            )
        if 0 in got:
            raise Wrong("it recommends item 0, the padding, which stands for no item")
        if set(got) & set(history):
            raise Wrong(
                "it recommends an item of the history: give seen items the score -inf first"
            )
        if sorted(got) == sorted(want):
            raise Wrong("the right items in the wrong order: the best must come first")
        if len(history) > 1:
            beginning = model.score(states[0])
            beginning[history] = -torch.inf
            if got == beginning.topk(k).indices.tolist():
                raise Wrong(
                    "it uses the state of the first event; the state of the last real event knows"
                    " the whole history"
                )
        raise Wrong(
            "these are not the best items: score the state of the last event against all items and"
            " take the k largest"
        )


@exercise(points=3, minutes=12)
def check_bce(answer) -> None:
    """7.2: binary cross-entropy with k negatives."""
    generator = torch.Generator().manual_seed(0)
    for rows, k, kind in ((6, 3, torch.float32), (4, 5, torch.float64), (1, 1, torch.float32)):
        positive = torch.randn(rows, generator=generator, dtype=kind)
        negative = torch.randn(rows, k, generator=generator, dtype=kind)
        want = (F.softplus(-positive) + F.softplus(negative).sum(1)).mean()
        known = {
            "the sign is flipped: a loss falls when the true item gains": -want,
            "the labels are swapped: the true item must gain, the negatives must lose": (
                (F.softplus(positive) + F.softplus(-negative).sum(1)).mean()
            ),
            "the negatives are averaged over k; the formula sums them": (
                (F.softplus(-positive) + F.softplus(negative).mean(1)).mean()
            ),
            "the sum over the N positions is not divided by N": want * rows,
            "this is BPR, the difference of the scores; BCE judges each score alone": (
                F.softplus(negative - positive[:, None]).mean()
            ),
            "the negatives are missing": F.softplus(-positive).mean(),
            "only the first negative of each position counts": (
                (F.softplus(-positive) + F.softplus(negative[:, 0])).mean()
            ),
        }
        want_equal(answer(positive, negative), want, None, "the loss of test scores", known)
    for true, false in ((-1000.0, 1000.0), (1000.0, -1000.0), (-60.0, 60.0), (60.0, 1000.0)):
        positive = torch.tensor([true, 0.5], requires_grad=True)
        negative = torch.tensor([[false, 0.2], [-0.3, 0.1]], requires_grad=True)
        want = (F.softplus(-positive) + F.softplus(negative).sum(1)).mean()
        about = say("scores of {true:g} and {false:g}", true=true, false=false)
        got = answer(positive, negative)
        safe = "ln(sigmoid) is lost there, and clamps give other numbers; use softplus"
        want_equal(got, want, None, say("the loss of {about}", about=about), otherwise=safe)
        if not (isinstance(got, torch.Tensor) and got.requires_grad):
            raise Wrong("no gradient flows back to the scores, so that nothing could be trained")
        slopes = torch.autograd.grad(got.sum(), (positive, negative), allow_unused=True)
        for name, slope, right in zip(
            ("positive", "negative"),
            slopes,
            torch.autograd.grad(want, (positive, negative)),
            strict=True,
        ):
            if slope is None:
                raise Wrong("no gradient flows back to the {name} scores", name=name)
            want_equal(
                slope,
                right,
                None,
                say("for {about} the gradient of {name}", about=about, name=name),
                otherwise=safe,
            )


@exercise(points=3, minutes=12)
def check_loss(answer) -> None:
    """7.3: the full softmax without the three faults of the snippet."""
    generator = torch.Generator().manual_seed(0)
    for batch, length, items, dim in ((3, 5, 12, 8), (2, 7, 6, 16), (1, 4, 30, 4)):
        states = torch.randn(batch, length, dim, generator=generator, dtype=torch.double)
        table = torch.randn(items + 1, dim, generator=generator, dtype=torch.double)
        table[0] = 0  # as in the library; in the second case PAD has a row of its own
        if length == 7:
            table[0] = 0.5
        targets = torch.randint(1, items + 1, (batch, length), generator=generator)
        targets[0, -2:] = 0
        states.requires_grad_()
        table.requires_grad_()
        want = _loss(states, table, targets)
        known = {
            _loss_reason(names): _loss(
                states, table, targets, **dict.fromkeys(names, True)
            ).detach()
            for names in (
                ("pads", "column", "scaled"),
                ("pads", "column"),
                ("pads", "scaled"),
                ("column", "scaled"),
                ("pads",),
                ("column",),
                ("scaled",),
            )
        }
        real = (targets > 0).sum()
        known |= {
            "the sum is divided by all positions, pads included; divide by those that have a target": (
                want.detach() * real / targets.numel()
            ),
            "the losses are summed; their mean is wanted": want.detach() * real,
            "the sign is flipped: a loss falls when the true item gains": -want.detach(),
            "the targets are off by one: after PAD has left the scores, item i stands in column i - 1": (
                _loss(states, table, (targets + 1).clamp(max=items) * (targets > 0)).detach()
            ),
        }
        got = answer(states, table, targets)
        want_equal(got, want.detach(), None, "the loss", known)
        if not (isinstance(got, torch.Tensor) and got.requires_grad):
            raise Wrong("no gradient flows back from the loss, so that nothing could be trained")
        slopes = torch.autograd.grad(got.sum(), (states, table), allow_unused=True)
        rights = torch.autograd.grad(want, (states, table))
        for name, slope, right in zip(("states", "table"), slopes, rights, strict=True):
            if slope is None:
                raise Wrong("no gradient flows back to `{name}`", name=name)
            want_equal(slope, right, 1e-5, say("the gradient of `{name}`", name=name))


FAULTS = {
    "pads": mark("positions without a target count"),
    "column": mark("PAD, in column 0, competes with the items"),
    "scaled": mark("the table is multiplied by the root of d on the way out"),
}


def _loss_reason(faults: tuple[str, ...]) -> str:
    listed = "; ".join(say(FAULTS[fault]) for fault in faults)
    return say("{count} of the three faults left: {faults}", count=len(faults), faults=listed)


def _loss(
    states: torch.Tensor,
    table: torch.Tensor,
    targets: torch.Tensor,
    pads: bool = False,
    column: bool = False,
    scaled: bool = False,
) -> torch.Tensor:
    """The mean cross-entropy, with the faults that are named."""
    scores = states @ table.T * (table.shape[1] ** 0.5 if scaled else 1)
    if not column:  # with pads among the targets, PAD scores 0 there, and no item more
        hidden = torch.full_like(scores[..., :1], 0.0 if pads else -torch.inf)
        scores = torch.cat([hidden, scores[..., 1:]], dim=-1)
    logs = scores.log_softmax(dim=-1).gather(-1, targets[..., None])[..., 0]
    real = torch.ones_like(targets, dtype=torch.bool) if pads else targets > 0
    return -logs[real].mean()


@exercise(points=2, minutes=8)
def check_count(answer) -> None:
    """7.4: the number of parameters of SASRec."""
    for items, length, dim, hidden, blocks in (
        (3416, 200, 64, 256, 2),
        (30, 7, 8, 8, 1),
        (100, 20, 16, 64, 3),
    ):
        model = build_model(
            "sasrec", num_items=items, max_len=length, dim=dim, hidden=hidden, blocks=blocks
        )
        want, got = (
            sum(p.numel() for p in model.parameters()),
            want_whole(answer(items, length, dim, hidden, blocks), "the number of parameters"),
        )
        if got == want:
            continue
        missing = {
            dim: "the padding row of the item table, or one bias of width d",
            2 * dim: "the norm at the end",
            blocks * 4 * dim: "the two norms of each block, or the biases of the attention",
            length * dim: "the position table",
            blocks * (dim + hidden): "the biases of the feed-forward network",
            blocks * dim * dim: "one of the four d x d matrices of the attention",
        }
        reason = missing.get(want - got)
        about = say("; the difference is that of {reason}", reason=reason) if reason else ""
        raise Wrong(
            "for V={items}, L={length}, d={dim}, h={hidden}, {blocks} blocks it is {want},"
            " yours is {got}{about}",
            items=items,
            length=length,
            dim=dim,
            hidden=hidden,
            blocks=blocks,
            want=want,
            got=got,
            about=about,
        )


@open_task
def open_report(report: Report) -> None:
    """The open task: one item table or two."""
    report.interval("difference", -1, 1)
    report.table("rates", Report.grid)
    report.text("control")
    report.closing()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


@torch.no_grad()
def recommend(model, history, k, position=-1, read=10, hide=0):
    scores = model.score(model(torch.tensor([history[-read:]]))[0, position])
    scores[history[hide:]] = -torch.inf
    return scores.topk(k).indices.tolist()


def recommend_by_sorting(model, history, k):
    """With gradients, and in numpy from the scores on."""
    scores = model.score(model(torch.tensor(history[-model.max_len :])[None])[:, -1])
    best = np.argsort(-scores.detach().numpy(), kind="stable")
    return best[~np.isin(best, history)][:k]


def recommend_one_by_one(model, history, k):
    with torch.no_grad():
        scores = model.score(model(torch.tensor([history[-model.max_len :]])))[0, -1].double()
    found = []
    while len(found) < k:
        scores[history + found] = -np.inf
        found.append(int(scores.argmax()))
    return found


def without_looking_back(model, history, k):
    best = model.score(model(torch.tensor([history[-10:]]))[0, -1]).argsort(descending=True)
    return [item for item in best.tolist() if item not in history[-10:]][:k]


def bce(positive, negative):
    return (F.softplus(-positive) + F.softplus(negative).sum(1)).mean()


def naive_bce(positive, negative):
    return (-positive.sigmoid().log() - (1 - negative.sigmoid()).log().sum(1)).mean()


def loss_by_slicing(states, table, targets):
    real = targets > 0
    return F.cross_entropy(states[real] @ table[1:].T, targets[real] - 1)


def loss_by_ignoring(states, table, targets):
    scores = states @ table.T
    scores[..., 0] = -torch.inf
    return F.cross_entropy(scores.flatten(0, 1), targets.flatten(), ignore_index=0)


def loss_in_single(states, table, targets):
    scores = (states @ table[1:].T).float()  # [B, L, V]
    true = scores.gather(2, (targets - 1).clamp(min=0)[..., None])[..., 0]
    mask = (targets != 0).float()
    return ((scores.logsumexp(dim=2) - true) * mask).sum() / mask.sum()


def faulty_loss(states, table, targets):
    scores = states @ (table * table.shape[1] ** 0.5).T
    return F.cross_entropy(scores.flatten(0, 1), targets.flatten())


def count(items, length, dim, hidden, blocks):
    block = 4 * dim * dim + 4 * dim + 2 * dim * hidden + dim + hidden + 4 * dim
    return (items + 1 + length) * dim + blocks * block + 2 * dim


def bce_by_logsigmoid(positive, negative):
    return -F.logsigmoid(positive).mean() - F.logsigmoid(-negative).sum(1).mean()


def bce_of_torch(positive, negative):
    scores = torch.cat([positive[:, None], negative], dim=1).double()
    labels = torch.zeros_like(scores)
    labels[:, 0] = 1
    return F.binary_cross_entropy_with_logits(scores, labels, reduction="sum") / len(positive)


def clamped_bce(positive, negative):
    return bce(positive.clamp(-100, 100), negative.clamp(-100, 100))


def count_by_shapes(items, length, dim, hidden, blocks):
    block = [(3 * dim, dim), 3 * dim, (dim, dim), dim, (hidden, dim), hidden, (dim, hidden), dim]
    shapes = [(items + 1, dim), (length, dim), *blocks * (block + 4 * [dim]), dim, dim]
    return np.sum([np.prod(shape) for shape in shapes])


RIGHT = [
    (check_recommend, recommend),
    (check_recommend, recommend_by_sorting),
    (check_recommend, recommend_one_by_one),
    (check_bce, bce),
    (check_bce, bce_by_logsigmoid),
    (check_bce, bce_of_torch),
    (check_loss, loss_by_slicing),
    (check_loss, loss_by_ignoring),
    (check_loss, loss_in_single),
    (check_count, count),
    (check_count, count_by_shapes),
    (check_count, lambda *sizes: torch.tensor(float(count(*sizes)), dtype=torch.double)),
]
WRONG = [
    (
        check_recommend,
        lambda m, h, k: recommend(m, h, k, hide=len(h)),
        "item of the history",
    ),
    (check_recommend, lambda m, h, k: recommend(m, h, k, position=0), "first event"),
    (check_recommend, lambda m, h, k: [i - 1 for i in recommend(m, h, k)], "too small by 1"),
    (check_recommend, lambda m, h, k: recommend(m, h, k)[::-1], "wrong order"),
    (check_recommend, lambda m, h, k: [0, *recommend(m, h, k - 1)], "padding"),
    (check_recommend, lambda m, h, k: recommend(m, h, 7), "for k = 3 a list of 3 ids"),
    (check_recommend, lambda m, h, k: recommend(m, h, k, read=99), "of which the model reads"),
    (check_recommend, lambda m, h, k: recommend(m, h, k, hide=-10), "item of the history"),
    (check_recommend, without_looking_back, "item of the history"),
    (check_recommend, lambda m, h, k: recommend(m, h[:10], k), "item of the history"),
    (check_recommend, lambda m, h, k: recommend(m, [h.pop(), *h][::-1], k), "in place"),
    (check_recommend, lambda m, h, k: recommend(m, sorted(h), k), "not the best items"),
    (check_recommend, lambda m, h, k: recommend(m, h, k + 1), "list of 7 ids"),
    (check_bce, lambda p, n: -bce(p, n), "sign is flipped"),
    (check_bce, lambda p, n: bce(-p, -n), "swapped"),
    (
        check_bce,
        lambda p, n: (F.softplus(-p) + F.softplus(n).mean(1)).mean(),
        "averaged over k",
    ),
    (check_bce, lambda p, n: bce(p, n) * len(p), "not divided by N"),
    (check_bce, lambda p, n: F.softplus(n - p[:, None]).mean(), "BPR"),
    (check_bce, naive_bce, "use softplus"),
    (
        check_bce,
        lambda p, n: (-(p.sigmoid() + 1e-24).log() - (1 - n.sigmoid() + 1e-24).log().sum(1)).mean(),
        "use softplus",
    ),
    (check_bce, clamped_bce, "the loss of scores of -1000 and 1000"),
    (check_bce, lambda p, n: torch.nan_to_num(naive_bce(p, n)), "use softplus"),
    (check_bce, lambda p, n: bce(p, n).detach(), "no gradient flows back"),
    (check_bce, lambda p, n: bce(p, n.detach()), "no gradient flows back to the negative"),
    (check_bce, lambda p, n: bce(p.detach(), n), "no gradient flows back to the positive"),
    (
        check_bce,
        lambda p, n: bce(p, n).detach() + 0 * (p.sum() + n.sum()),
        "the gradient of positive",
    ),
    (check_bce, lambda p, n: bce(p, n[:, :3]), "the loss of test scores"),
    (check_bce, lambda p, n: F.softplus(-p) + F.softplus(n).sum(1), "shape"),
    (check_bce, lambda p, n: F.softplus(-p).mean(), "negatives are missing"),
    (check_loss, faulty_loss, "3 of the three faults"),
    (check_loss, lambda s, e, t: faulty_loss(s, e / e.shape[1] ** 0.5, t), "2 of the three faults"),
    (
        check_loss,
        lambda s, e, t: F.cross_entropy((s @ e.T).flatten(0, 1), t.flatten(), ignore_index=0),
        "1 of the three faults left: PAD, in column 0",
    ),
    (check_loss, lambda s, e, t: loss_by_slicing(s * e.shape[1] ** 0.5, e, t), "root of d"),
    (check_loss, lambda s, e, t: _loss(s, e, t, pads=True), "without a target count"),
    (
        check_loss,
        lambda s, e, t: loss_by_slicing(s, e, t) * (t > 0).sum() / t.numel(),
        "divided by all positions",
    ),
    (check_loss, lambda s, e, t: loss_by_slicing(s, e, t) * (t > 0).sum(), "summed"),
    (check_loss, lambda s, e, t: -loss_by_slicing(s, e, t), "sign is flipped"),
    (
        check_loss,
        lambda s, e, t: F.cross_entropy(s[t > 0] @ e[1:].T, t[t > 0].clamp(max=len(e) - 2)),
        "off by one",
    ),
    (check_loss, lambda s, e, t: loss_by_slicing(s, e, t).detach(), "no gradient flows back"),
    (check_loss, lambda s, e, t: loss_by_slicing(s, e.detach(), t), "flows back to `table`"),
    (check_loss, lambda s, e, t: loss_by_slicing(s[:, :3], e, t[:, :3]), "the loss"),
    (check_count, lambda v, n, d, h, b: count(v - 1, n, d, h, b), "padding row"),
    (check_count, lambda v, n, d, h, b: count(v, n, d, h, b) - 2 * d, "norm at the end"),
    (check_count, lambda v, n, d, h, b: count(v, 0, d, h, b), "position table"),
    (
        check_count,
        lambda v, n, d, h, b: count(v, n, d, h, b) - b * (d + h),
        "biases of the feed-forward",
    ),
    (check_count, lambda v, n, d, h, b: count(v, n, d, 4 * d, b), "yours is"),
    (check_count, lambda v, n, d, h, b: count(v, n, d, h, 2), "yours is"),
    (check_count, lambda v, n, d, h, b: count(v, n, d, h, b) + 0.5, "whole number is wanted"),
    (check_count, lambda v, n, d, h, b: count(v, n, d, h, b) - b * 4 * d, "two norms of each"),
]
ARGUED = [
    (check_recommend, "0 -> -1", "the batch holds one history: its first row is its last"),
]

OPEN = {
    "difference": (0.012, 0.007, 0.017),
    "rates": {name: {0.001: 0.05, 0.003: 0.061, 0.01: 0.058} for name in ("one", "two")},
    "control": "Two tables of half the width each, with a projection between them.",
    **END,
}
OPEN_RIGHT = [
    OPEN,
    {
        **OPEN,
        **{
            **END_ZH,
            "difference": Interval(0.012, 0.007, 0.017),
            "control": "两张表的宽度各减一半，中间加一个投影。",
        },
    },
]
OPEN_WRONG = [
    ({**OPEN, "difference": (0.012, 0.017, 0.007)}, "not below its upper end"),
    (
        {**OPEN, "rates": {"one": {0.001: 0.07, 0.003: 0.06, 0.01: 0.05}, "two": {}}},
        "edge of what was tried",
    ),
    ({**OPEN, "control": 3}, "is a sentence"),
    ({**OPEN, "doubt": None}, "`doubt` is missing"),
]
