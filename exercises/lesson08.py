"""Checkers of lesson 08, TiSASRec."""

import math

import torch

from exercises.checking import Wrong, compare_letters, exercise, want_tensor
from tutorial_lib.models.tisasrec import log_buckets

DAY = 86_400


@exercise(points=3, minutes=15)
def check_bucket_centre(answer) -> None:
    """8.1: the gap in seconds that stands for a logarithmic bucket."""
    horizon, last = 30 * DAY, 64
    scale = math.log1p(horizon / 60) / last
    got = float(answer(20, horizon, last))
    known = {
        math.expm1(20 * scale): "this is in minutes; seconds are wanted",
        60
        * math.exp(
            20 * scale
        ): "the 1 of ln(1 + gap / 1 min) is still in it: bucket 0 must give 0 s",
        20 / last * horizon: (
            "this cuts the horizon into equal parts; the buckets are equal in the logarithm"
        ),
        60 * (10 ** (20 * scale) - 1): "a natural logarithm is undone by a power of e, not of 10",
        60 * (2 ** (20 * scale) - 1): "a natural logarithm is undone by a power of e, not of 2",
    }
    for value, reason in known.items():
        if math.isclose(got, value, rel_tol=1e-6):
            raise Wrong(reason)
    for bucket in range(1, last + 1):
        for limit in (horizon, 3600):  # and the given horizon counts, not one that was written in
            got = float(answer(bucket, limit, last))
            if not math.isclose(
                60 * math.log1p(got / 60), 60 * bucket * math.log1p(limit / 60) / last, rel_tol=1e-6
            ):
                found = (
                    log_buckets(torch.tensor([[[round(got)]]]), torch.tensor(limit), last).item()
                    if 0 <= got < 1e12
                    else "none"
                )
                raise Wrong(
                    f"bucket {bucket} of {last} at a horizon of {limit} s: yours is {got:.6g} s,"
                    f" whose bucket is {found}"
                )


@exercise(points=3, minutes=12)
def check_dial_buckets(answer) -> None:
    """8.2: whole hours between two times on a 24-hour dial."""
    hours = [0, 0.4, 1, 6.9, 12, 12.5, 13, 23, 23.5, 24, 25, 47.5, 24 * 365 + 5]
    gaps = torch.tensor([[[round(hour * 3600) for hour in hours]]])
    since = gaps % DAY
    want = torch.minimum(since, DAY - since) // 3600
    got = answer(gaps.clone())
    want_tensor(got, tuple(gaps.shape), name="the buckets")
    if got.is_floating_point():
        raise Wrong(
            f"the buckets have dtype {got.dtype}; they pick rows of a table, so they must be whole"
            " numbers: use % and //"
        )
    whole = gaps // 3600 % 24
    known = {
        "this is the hour modulo 24: 23 hours must give 1, because the other way round the dial is shorter": (
            whole
        ),
        "hours are rounded down before the shorter way is taken: after 23.5 hours half an hour is missing, so it is bucket 0": torch.minimum(
            whole, 24 - whole
        ),
        "a gap beyond a day must wrap round: 25 hours are 1 hour": (gaps // 3600).clamp(max=12),
        "the dial has 24 hours, not 12: 13 hours are 11 hours apart": (
            torch.minimum(gaps % (DAY // 2), -gaps % (DAY // 2)) // 3600
        ),
        "these are seconds; divide by 3600": torch.minimum(since, DAY - since),
        "count whole hours, do not round: 6.9 hours are bucket 6": (
            (torch.minimum(since, DAY - since) / 3600).round().long()
        ),
    }
    for reason, value in known.items():
        if torch.equal(got, value):
            raise Wrong(reason)
    if not torch.equal(got, want):
        place = (got != want)[0, 0].nonzero()[0, 0].item()
        raise Wrong(
            f"a gap of {hours[place]} hours belongs to bucket {want[0, 0, place]}, yours is"
            f" {got[0, 0, place]}"
        )


@exercise(points=3, minutes=15)
def check_saturated(answer) -> None:
    """8.3: share of the pairs with an earlier event that lie in the last bucket; pads count for
    nothing.
    """
    generator = torch.Generator().manual_seed(0)
    lengths, last = torch.tensor([7, 4, 2, 1]), 3
    times = torch.randint(0, 9, (4, 7), generator=generator).cumsum(1)
    buckets = ((times[:, :, None] - times[:, None]).abs() // 4).clamp(max=last)
    place = torch.arange(7)
    real = place < lengths[:, None]  # [4, 7]
    both = real[:, :, None] & real[:, None]

    def share(pairs):
        return (buckets == last)[pairs].double().mean().item()

    earlier = both & (place < place[:, None])
    got = float(answer(buckets, lengths, last))
    if math.isclose(got, share(earlier), rel_tol=1e-6):
        return
    known = {
        share(
            (place < place[:, None]).expand(4, 7, 7)
        ): "it counts the pads: a pair needs two real events",
        share(
            (place <= place[:, None]) & both
        ): "it counts each event with itself; only earlier events are asked for",
        share(both): (
            "it counts every pair twice, and each event with itself: only keys before the query are"
            " asked for"
        ),
        share(torch.ones_like(both)): "it counts all cells: later events and pads must stay out",
        ((buckets == last) & earlier).sum().item()
        / both.numel(): "divide by the number of pairs that count, not of all cells",
        1 - share(earlier): "this is the share of the pairs that are not in the last bucket",
    }
    each = [(buckets == last)[user][earlier[user]].double().mean().item() for user in range(3)]
    known[sum(each) / 3] = (
        "it averages the shares of the histories; every pair of the batch counts alike"
    )
    for value, reason in known.items():
        if math.isclose(got, value, rel_tol=1e-6):
            raise Wrong(reason)
    raise Wrong(f"for the test batch the share is {share(earlier):.4f}, yours is {got:.4f}")


@exercise(points=2, minutes=8)
def check_unchanged(answer) -> None:
    """8.4: which changes leave the states of TiSASRec alone."""
    hints = {
        "A": "what happens to a difference of two times when both are moved?",
        "B": "the unit is a gap too: what happens to it, and to the number of units in a gap?",
        "C": "are 2 minutes and 6 minutes in the same logarithmic bucket?",
        "D": "write out the score: is what is added the same for every key of a row?",
        "E": "the weights of a row sum to 1: what is added to the output?",
        "F": "does the model as published read the query times?",
        "G": "the interval is 0 either way, but what about the positions of the two events?",
    }
    compare_letters(answer, {"A", "B", "D", "F"}, hints)


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def centre(bucket, horizon, last, unit=60, base=math.e, less=1):
    return unit * (base ** (bucket * math.log1p(horizon / 60) / last) - less)


def dial(gaps):
    since = gaps % DAY
    return torch.minimum(since, DAY - since) // 3600


def dial_of_hours(gaps):
    hours = gaps // 3600 % 24
    return torch.minimum(hours, 24 - hours)


def dial_rounded(gaps):
    since = gaps % DAY
    return (torch.minimum(since, DAY - since) / 3600).round().long()


def saturated(buckets, lengths, last, diagonal=-1, pads=False, both=False):
    length = buckets.shape[1]
    pairs = torch.ones(length, length, dtype=torch.bool)
    pairs = (pairs if both else pairs.tril(diagonal)).expand(len(lengths), -1, -1)
    real = torch.arange(length) < lengths[:, None]
    pairs = pairs if pads else pairs & real[:, :, None] & real[:, None]
    return (buckets[pairs] == last).double().mean().item()


def saturated_by_history(buckets, lengths, last):
    shares = [
        saturated(buckets[u : u + 1], lengths[u : u + 1], last)
        for u in range(len(lengths))
        if lengths[u] > 1
    ]
    return sum(shares) / len(shares)


def saturated_of_all_cells(buckets, lengths, last):
    real = torch.arange(buckets.shape[1]) < lengths[:, None]
    return ((buckets == last).tril(-1) & real[:, :, None]).double().mean().item()


RIGHT = [
    (check_bucket_centre, centre),
    (check_dial_buckets, dial),
    (check_saturated, saturated),
    (check_unchanged, {"A", "B", "D", "F"}),
]
WRONG = [
    (check_bucket_centre, lambda b, h, k: centre(b, h, k, unit=1), "in minutes"),
    (
        check_bucket_centre,
        lambda b, h, k: centre(b, h, k, less=0),
        "bucket 0 must give 0 s",
    ),
    (check_bucket_centre, lambda b, h, k: centre(b, h, k, base=10), "not of 10"),
    (check_bucket_centre, lambda b, h, k: centre(b, h, k, base=2), "not of 2"),
    (check_bucket_centre, lambda b, h, k: b / k * h, "equal parts"),
    (
        check_bucket_centre,
        lambda b, h, k: centre(b, 30 * DAY, k),
        "at a horizon of 3600 s",
    ),
    (check_bucket_centre, lambda b, h, k: centre(b, h, k + 1), "whose bucket is"),
    (check_dial_buckets, lambda g: g // 3600 % 24, "modulo 24"),
    (check_dial_buckets, dial_of_hours, "rounded down before"),
    (check_dial_buckets, lambda g: (g // 3600).clamp(max=12), "wrap round"),
    (
        check_dial_buckets,
        lambda g: torch.minimum(g % 43_200, -g % 43_200) // 3600,
        "24 hours, not 12",
    ),
    (check_dial_buckets, lambda g: dial(g) * 1.0, "dtype"),
    (check_dial_buckets, dial_rounded, "do not round"),
    (check_dial_buckets, lambda g: torch.minimum(g % DAY, DAY - g % DAY), "seconds"),
    (check_dial_buckets, lambda g: dial(g) + 1, "belongs to bucket 0, yours is 1"),
    (check_saturated, lambda b, n, k: saturated(b, n, k, pads=True), "counts the pads"),
    (check_saturated, lambda b, n, k: saturated(b, n, k, diagonal=0), "with itself"),
    (check_saturated, lambda b, n, k: saturated(b, n, k, both=True), "twice"),
    (
        check_saturated,
        lambda b, n, k: saturated(b, n, k, both=True, pads=True),
        "all cells",
    ),
    (check_saturated, saturated_of_all_cells, "not of all cells"),
    (check_saturated, saturated_by_history, "counts alike"),
    (check_saturated, lambda b, n, k: 1 - saturated(b, n, k), "not in the last bucket"),
    (check_saturated, lambda b, n, k: 0.123, "yours is 0.1230"),
    (check_unchanged, {"A", "B", "F"}, "look at D"),
    (check_unchanged, {"A", "B", "C", "D", "F"}, "look at C"),
    (check_unchanged, {"A", "B", "D", "E", "F"}, "look at E"),
    (check_unchanged, {"A", "B", "D", "F", "G"}, "look at G"),
    (check_unchanged, {"Z"}, "set of letters"),
]
