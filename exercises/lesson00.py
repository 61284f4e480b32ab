"""Checkers of lesson 00, start here."""

import numpy as np

from exercises.checking import Wrong, compare_letters, exercise


@exercise(points=2, minutes=8)
def check_top_list(answer) -> None:
    """0.1: the k best unseen items, best first."""
    scores = {"Alien": 2.1, "Cake": 0.3, "Moon": 1.7, "Bread": -0.4, "Mars": 0.9, "Jam": 1.2}
    best = ["Alien", "Moon", "Jam", "Mars", "Cake", "Bread"]
    for seen, k in (({"Alien", "Jam"}, 2), (set(), 3), ({"Moon"}, 5)):
        given = dict(scores), set(seen)
        got = answer(*given, k)
        if given != (scores, seen):
            raise Wrong(
                "it changes the scores or the seen items that it was given: leave them as they are"
            )
        if not isinstance(got, list | tuple):
            raise Wrong(f"a list of items is wanted, not a {type(got).__name__}")
        got, want = list(got), [item for item in best if item not in seen][:k]
        if got == want:
            continue
        about = f"with {sorted(seen) or 'nothing'} seen and k = {k}"
        if set(got) & seen:
            raise Wrong(f"{about} it lists a seen item: {sorted(set(got) & seen)[0]}")
        if not set(got) <= set(scores):
            raise Wrong(f"{about} it returns {got[0]!r}; items are wanted, not their scores")
        if len(got) != k:
            raise Wrong(
                f"{about} the list has {len(got)} items, wanted {k}: leave out the seen ones before"
                " you cut"
            )
        if got == [item for item in reversed(best) if item not in seen][:k]:
            raise Wrong("these are the worst items: sort by score, the highest first")
        if sorted(got) == sorted(want):
            raise Wrong("the right items in the wrong order: the best must come first")
        raise Wrong(f"{about} the list is {want}, yours is {got}")


@exercise(points=2, minutes=8)
def check_shortest_list(answer) -> None:
    """0.2: smallest list length that hits at least a share of the people."""
    for places, share in (
        ([7, 1, 3, 50], 0.5),
        ([7, 1, 3, 50], 1),
        ([2, 2, 9], 0.34),
        ([4, 1, 1, 6, 30], 0.6),
        ([5], 0.1),
    ):
        got = answer(list(places), share)
        if isinstance(got, bool) or not hasattr(got, "__int__") or int(got) != got:
            raise Wrong(f"a whole number is wanted, got {got!r}")
        hit = [sum(place <= k for place in places) / len(places) for k in range(max(places) + 1)]
        want = next(k for k, reached in enumerate(hit) if reached >= share)
        if got == want:
            continue
        about = f"for the places {places} and the share {share}"
        if got == want - 1 and got >= 0:
            raise Wrong(
                f"{about} it is too short by 1: a place equal to the length is still in the list"
            )
        if got == next((k for k, reached in enumerate(hit) if reached > share), None):
            raise Wrong(f"{about} exactly the share is enough: use >=, not >")
        if 0 <= got <= max(places) and hit[int(got)] >= share:
            raise Wrong(f"{about} a list of {got} is long enough, but {want} would be too")
        raise Wrong(f"{about} the answer is {want}, yours is {got}")


@exercise(points=3, minutes=12)
def check_needed_before(answer) -> None:
    """0.3: all lessons needed, the indirect ones included."""
    before = {0: [], 1: [0], 2: [1], 3: [1], 4: [2, 3], 5: [0], 6: [4, 5], 7: [], 8: [7, 2]}
    wanted = {0: [], 5: [0], 4: [0, 1, 2, 3], 6: [0, 1, 2, 3, 4, 5], 8: [0, 1, 2, 7]}
    for lesson, want in wanted.items():
        got = answer(lesson, {number: list(needs) for number, needs in before.items()})
        if not isinstance(got, list | tuple | set):
            raise Wrong(f"a sorted list is wanted, not a {type(got).__name__}")
        if list(got) == want and not isinstance(got, set):
            continue
        about = f"lesson {lesson} of a small map"
        if lesson in got:
            raise Wrong(f"{about}: the lesson itself does not belong to what is needed before it")
        if len(got) != len(set(got)):
            raise Wrong(f"{about}: some lesson stands in the list twice; two ways may lead to it")
        if set(got) == set(want):
            raise Wrong(f"{about}: the right lessons; return them as a list in ascending order")
        if want and set(got) == set(before[lesson]):
            raise Wrong(
                f"{about}: these are only the direct ones; a needed lesson needs lessons too"
            )
        if set(got) < set(want):
            raise Wrong(
                f"{about}: {min(set(want) - set(got))} is missing; go back until nothing new is"
                " found"
            )
        if set(got) == set(range(lesson)):
            raise Wrong(f"{about}: not every earlier lesson is needed, follow the map")
        raise Wrong(f"{about} needs {want}, yours is {list(got)}")


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


def needed(lesson, before, itself=False):
    found, queue = set(), [lesson]
    while queue:
        new = set(before[queue.pop()]) - found
        found |= new
        queue += new
    return sorted(found | ({lesson} if itself else set()))


def two_steps(lesson, before):
    return sorted({*before[lesson], *(n for need in before[lesson] for n in before[need])})


def with_repeats(lesson, before):
    return sorted([n for need in before[lesson] for n in [need, *with_repeats(need, before)]])


RIGHT = [
    (check_top_list, top_list),
    (check_shortest_list, shortest_list),
    (check_needed_before, needed),
    (check_follows, {"A", "D"}),
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
    (check_top_list, spoils_its_input, "changes the scores"),
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
    (check_needed_before, lambda n, b: sorted(b[n]), "only the direct ones"),
    (check_needed_before, two_steps, "is missing"),
    (check_needed_before, lambda n, b: needed(n, b, itself=True), "the lesson itself"),
    (check_needed_before, with_repeats, "twice"),
    (check_needed_before, lambda n, b: set(needed(n, b)), "ascending order"),
    (check_needed_before, lambda n, b: needed(n, b)[::-1], "ascending order"),
    (check_needed_before, lambda n, b: list(range(n)), "not every earlier lesson"),
    (check_follows, {"A", "B", "D"}, "look at B"),
    (check_follows, {"D"}, "look at A"),
    (check_follows, {"A", "C", "D"}, "look at C"),
    (check_follows, {"A", "D", "E"}, "look at E"),
    (check_follows, {"A"}, "look at D"),
]
