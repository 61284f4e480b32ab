"""Checkers of lesson 00, start here."""

import numpy as np
import pandas as pd
import torch

from exercises.checking import Wrong, compare_letters, exercise, want_whole
from exercises.open_task import END, END_ZH, Report, open_task
from tutorial_lib.language import say


def _listed(got, what: str) -> list:
    """A list, tuple or one-dimensional array as list."""
    if isinstance(got, np.ndarray | torch.Tensor | pd.Series | pd.Index) and got.ndim == 1:
        return got.tolist()
    if not isinstance(got, list | tuple):
        raise Wrong("{what} is wanted, not a {name}", what=what, name=type(got).__name__)
    return list(got)


@exercise(points=2, minutes=8)
def check_top_list(answer) -> None:
    """0.1: the k best unseen items, best first."""
    films = {"Alien": 2.1, "Cake": 0.3, "Moon": 1.7, "Bread": -0.4, "Mars": 0.9, "Jam": 1.2}
    numbers = {7: -3.0, 2: 5.0, 30: 0.0, 11: -20.0, 4: 12.5}  # items may be numbers too
    for scores, seen, k in (
        (films, {"Alien", "Jam"}, 2),
        (films, set(), 3),
        (films, {"Moon"}, 5),
        (numbers, {2, 30}, 2),
        (numbers, set(), 5),
    ):
        best = sorted(scores, key=scores.get, reverse=True)
        got = _listed(answer(scores, seen, k), "a list of items")
        want = [item for item in best if item not in seen][:k]
        if got == want:
            continue
        about = say("with {seen} seen and k = {k}", seen=sorted(seen) or say("nothing"), k=k)
        if set(got) & seen:
            raise Wrong(
                "{about} it lists a seen item: {got}", about=about, got=sorted(set(got) & seen)[0]
            )
        if not set(got) <= set(scores):
            raise Wrong(
                "{about} it returns {got!r}; items are wanted, not their scores",
                about=about,
                got=got[0],
            )
        if len(got) != k:
            raise Wrong(
                "{about} the list has {count} items, wanted {k}: leave out the seen ones"
                " before you cut",
                about=about,
                count=len(got),
                k=k,
            )
        if got == [item for item in reversed(best) if item not in seen][:k]:
            raise Wrong("these are the worst items: sort by score, the highest first")
        if sorted(got) == sorted(want):
            raise Wrong("the right items in the wrong order: the best must come first")
        raise Wrong("{about} the list is {want}, yours is {got}", about=about, want=want, got=got)


@exercise(points=2, minutes=8)
def check_shortest_list(answer) -> None:
    """0.2: smallest list length that hits at least a share of the people."""
    for places, share in (
        ([7, 1, 3, 50], 0.5),
        ([7, 1, 3, 50], 1),
        ([2, 2, 9], 0.34),
        ([4, 1, 1, 6, 30], 0.6),
        ([5], 0.1),
        ([900, 20, 3416], 1.0),
        ([3, 8, 5, 9], 0.3),
        ([4, 1], 0.5),
    ):
        try:
            got = answer(places, share)
        except Wrong:  # the lesson has an array, for which other code works than for a list
            got = answer(np.array(places), share)
        got = want_whole(got, "the length")
        hit = [sum(place <= k for place in places) / len(places) for k in range(max(places) + 1)]
        want = next(k for k, reached in enumerate(hit) if reached >= share)
        if got == want:
            continue
        about = say("for the places {places} and the share {share}", places=places, share=share)
        if got == want - 1 and got >= 0:
            raise Wrong(
                "{about} it is too short by 1: a place equal to the length is still in the list",
                about=about,
            )
        if got == next((k for k, reached in enumerate(hit) if reached > share), None):
            raise Wrong("{about} exactly the share is enough: use >=, not >", about=about)
        if 0 <= got <= max(places) and hit[got] >= share:
            raise Wrong(
                "{about} a list of {got} is long enough, but {want} would be too",
                about=about,
                got=got,
                want=want,
            )
        raise Wrong("{about} the answer is {want}, yours is {got}", about=about, want=want, got=got)


@exercise(points=3, minutes=12)
def check_needed_before(answer) -> None:
    """0.3: all lessons needed, the indirect ones included."""
    lessons = {0: [], 1: [0], 2: [1], 3: [1], 4: [2, 3], 5: [0], 6: [4, 5], 7: [], 8: [7, 2]}
    other = {3: [12], 12: [20], 20: [1], 1: [], 100: [3, 20], 5: [100, 1]}
    for lesson, before, want in (
        (0, lessons, []),
        (5, lessons, [0]),
        (4, lessons, [0, 1, 2, 3]),
        (6, lessons, [0, 1, 2, 3, 4, 5]),
        (8, lessons, [0, 1, 2, 7]),
        (5, other, [1, 3, 12, 20, 100]),
        (20, other, [1]),
    ):
        got = answer(lesson, before)
        if isinstance(got, set):
            raise Wrong("a sorted list is wanted, not a set: return it in ascending order")
        got = _listed(got, "a sorted list")
        if got == want:
            continue
        about = say("lesson {lesson} of a small map", lesson=lesson)
        if lesson in got:
            raise Wrong(
                "{about}: the lesson itself does not belong to what is needed before it",
                about=about,
            )
        if len(got) != len(set(got)):
            raise Wrong(
                "{about}: some lesson stands in the list twice; two ways may lead to it",
                about=about,
            )
        if set(got) == set(want):
            raise Wrong(
                "{about}: the right lessons; return them as a list in ascending order", about=about
            )
        if want and set(got) == set(before[lesson]):
            raise Wrong(
                "{about}: these are only the direct ones; a needed lesson needs lessons too",
                about=about,
            )
        if set(got) < set(want):
            raise Wrong(
                "{about}: {want} is missing; go back until nothing new is found",
                about=about,
                want=min(set(want) - set(got)),
            )
        if set(got) == set(range(lesson)):
            raise Wrong("{about}: not every earlier lesson is needed, follow the map", about=about)
        raise Wrong("{about} needs {want}, yours is {got}", about=about, want=want, got=list(got))


@exercise(points=2, minutes=8)
def check_follows(answer) -> None:
    """0.4: what follows from what was seen."""
    hints = {
        "A": (
            "both lists were counted on the same people; what did the interval of the difference"
            " say?"
        ),
        "B": "who are the people of the sample?",
        "C": "how many people is that?",
        "D": "can somebody be among the first ten but not among the first twenty?",
        "E": "on whose histories was the loss measured?",
    }
    compare_letters(answer, {"A", "D"}, hints)


@open_task
def open_report(report: Report) -> None:
    """The open task: a rule for the list after a pause."""
    report.grid("limits", "chosen")
    report.interval("after_short", -1, 1)
    report.interval("after_long", -1, 1)
    report.closing()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def top_list(scores, seen, k, worst=False):
    return sorted((item for item in scores if item not in seen), key=scores.get, reverse=not worst)[
        :k
    ]


def cut_before_leaving_out(scores, seen, k):
    return [item for item in top_list(scores, set(), k) if item not in seen]


def spoils_its_input(scores, seen, k):
    for item in seen:
        del scores[item]
    return top_list(scores, set(), k)


def shortest_list(places, share):
    return sorted(places)[int(np.ceil(share * len(places) - 1e-9)) - 1]


def above(places, share):
    return next((k for k in range(100) if np.mean(np.array(places) <= k) > share), 99)


def needed(lesson, before):
    found, queue = set(), [lesson]
    while queue:
        new = set(before[queue.pop()]) - found
        found |= new
        queue += new
    return sorted(found)


def each_once(lesson, before):
    return sorted({one for need in before[lesson] for one in [need, *each_once(need, before)]})


def by_place(scores, seen, k):
    """With arrays, as the lesson has its scores later."""
    names, values = np.array(list(scores)), np.array(list(scores.values()), dtype=float)
    values[np.isin(names, list(seen))] = -np.inf
    return names[np.argsort(-values)[:k]]


def by_popping(scores, seen, k):
    left, best = {item: score for item, score in scores.items() if item not in seen}, []
    while len(best) < k:
        best.append(max(left, key=left.get))
        del left[best[-1]]
    return tuple(best)


def counted(places, share):
    k = 1
    while (places <= k).mean() < share:  # works for an array only
        k += 1
    return np.int32(k)


def spoils_the_map(lesson, before):
    found = before[lesson]
    for need in found:
        found += [one for one in before[need] if one not in found]
    return sorted(found)


def two_steps(lesson, before):
    return sorted({*before[lesson], *(n for need in before[lesson] for n in before[need])})


def with_repeats(lesson, before):
    return sorted([n for need in before[lesson] for n in [need, *with_repeats(need, before)]])


RIGHT = [
    (check_top_list, top_list),
    (check_top_list, by_place),
    (check_top_list, by_popping),
    (check_shortest_list, shortest_list),
    (check_shortest_list, counted),
    (check_shortest_list, lambda p, share: torch.tensor(float(shortest_list(p, share)))),
    (check_needed_before, needed),
    (check_needed_before, each_once),
    (check_needed_before, lambda n, b: np.array(needed(n, b), dtype=int)),
    (check_follows, {"A", "D"}),
    (check_follows, "A, D"),
    (check_follows, np.array(["d", "a"])),
]
WRONG = [
    (check_top_list, lambda s, seen, k: top_list(s, set(), k), "lists a seen item: Alien"),
    (check_top_list, lambda s, seen, k: top_list(s, seen, k, worst=True), "worst items"),
    (check_top_list, cut_before_leaving_out, "before you cut"),
    (check_top_list, lambda s, seen, k: top_list(s, seen, k)[::-1], "wrong order"),
    (
        check_top_list,
        lambda s, seen, k: [s[item] for item in top_list(s, seen, k)],
        "not their scores",
    ),
    (check_top_list, lambda s, seen, k: set(top_list(s, seen, k)), "not a set"),
    (check_top_list, spoils_its_input, "changes its argument `scores` in place"),
    (check_top_list, lambda s, seen, k: top_list(s, seen, 2), "wanted 3"),
    (check_top_list, lambda s, seen, k: top_list(s, {"Alien", "Jam"}, k), "the list is"),
    (
        check_top_list,
        lambda s, seen, k: sorted(set(s) - seen, key=lambda i: abs(s[i]), reverse=True)[:k],
        "wrong order",
    ),
    (check_top_list, lambda s, seen, k: ", ".join(top_list(s, seen, k)), "not a str"),
    (
        check_top_list,
        lambda s, seen, k: [item for item in s if item not in seen][:k],
        "yours is",
    ),
    (check_shortest_list, lambda p, share: shortest_list(p, share) - 1, "too short by 1"),
    (check_shortest_list, above, "exactly the share"),
    (check_shortest_list, lambda p, share: max(p), "long enough, but 3"),
    (
        check_shortest_list,
        lambda p, share: float(np.quantile(p, share)) + 0.25,
        "whole number",
    ),
    (check_shortest_list, lambda p, share: 1, "yours is 1"),
    (check_shortest_list, lambda p, share: shortest_list(p, 0.5), "yours is 3"),
    (check_shortest_list, lambda p, share: sorted(p)[round(share * len(p)) - 1], "yours is 3"),
    (
        check_shortest_list,
        lambda p, share: next(k for k in range(1, 100) if (p <= k).mean() >= share),
        "it raised",
    ),
    (check_needed_before, lambda n, b: sorted(b[n]), "only the direct ones"),
    (check_needed_before, two_steps, "is missing"),
    (check_needed_before, lambda n, b: sorted({n, *needed(n, b)}), "the lesson itself"),
    (check_needed_before, spoils_the_map, "changes its argument `before` in place"),
    (check_needed_before, lambda n, b: sorted(needed(n, b), key=str), "ascending order"),
    (
        check_needed_before,
        lambda n, b: sorted(one for one in needed(n, b) if one < n),
        "12 is missing",
    ),
    (check_needed_before, with_repeats, "twice"),
    (check_needed_before, lambda n, b: set(needed(n, b)), "ascending order"),
    (check_needed_before, lambda n, b: needed(n, b)[::-1], "ascending order"),
    (check_needed_before, lambda n, b: list(range(n)), "not every earlier lesson"),
    (check_follows, {"A", "B", "D"}, "look at B"),
    (check_follows, {"D"}, "look at A"),
    (check_follows, {"A", "C", "D"}, "look at C"),
    (check_follows, {"A", "D", "E"}, "look at E"),
    (check_follows, {"A"}, "look at D"),
    (check_follows, set("ABCDE"), "look at B"),
    (check_follows, "AX", "set of letters"),
    (check_follows, {"A": True, "D": True}, "set of letters"),
]
ARGUED = [
    (
        check_shortest_list,
        "1 -> 0",
        "an empty list hits nobody, so that counting from 0 is the same",
    ),
    (
        check_shortest_list,
        "share * len(places) - 1e-09 -> share * len(places)",
        "guards against rounding up a product like 0.1 * 30; with it both are the same",
    ),
    (
        check_shortest_list,
        "1e-09 -> 1.1000000000000001e-09",
        "any number far below 1 / len(places) does",
    ),
    (
        check_needed_before,
        "set(before[queue.pop()]) - found -> set(before[queue.pop()])",
        "it looks up some lessons twice and finds the same ones",
    ),
]

OPEN = {
    "limits": {3600: 0.16, 21600: 0.19, 86400: 0.18},
    "chosen": 21600,
    "after_short": (0.0, -0.004, 0.004),
    "after_long": {"mean": 0.021, "low": 0.006, "high": 0.037},
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "chosen": 3600}, "by `limits` the best is 21600"),
    ({**OPEN, "limits": {3600: 0.16, 21600: 0.19}}, "2 of at least 3"),
    ({**OPEN, "after_long": (0.006, 0.021, 0.037)}, "does not hold its own mean"),
]
