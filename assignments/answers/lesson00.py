"""Answers to the exercises of lesson 00: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import numpy as np

from tutorial_lib.exercises import lesson00


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
    (lesson00.check_top_list, top_list),
    (lesson00.check_shortest_list, shortest_list),
    (lesson00.check_needed_before, needed),
    (lesson00.check_follows, {"A", "D"}),
]
WRONG = [
    (lesson00.check_top_list, lambda s, seen, k: top_list(s, set(), k), "lists a seen item: Alien"),
    (lesson00.check_top_list, lambda s, seen, k: top_list(s, seen, k, worst=True), "worst items"),
    (lesson00.check_top_list, cut_before_leaving_out, "before you cut"),
    (lesson00.check_top_list, lambda s, seen, k: top_list(s, seen, k)[::-1], "wrong order"),
    (
        lesson00.check_top_list,
        lambda s, seen, k: [s[item] for item in top_list(s, seen, k)],
        "not their scores",
    ),
    (lesson00.check_top_list, lambda s, seen, k: set(top_list(s, seen, k)), "not a set"),
    (lesson00.check_top_list, spoils_its_input, "changes the scores"),
    (
        lesson00.check_top_list,
        lambda s, seen, k: [item for item in s if item not in seen][:k],
        "yours is",
    ),
    (lesson00.check_shortest_list, lambda p, share: shortest_list(p, share) - 1, "too short by 1"),
    (lesson00.check_shortest_list, above, "exactly the share"),
    (lesson00.check_shortest_list, lambda p, share: max(p), "long enough, but 3"),
    (
        lesson00.check_shortest_list,
        lambda p, share: float(np.quantile(p, share)) + 0.25,
        "whole number",
    ),
    (lesson00.check_shortest_list, lambda p, share: 1, "yours is 1"),
    (lesson00.check_needed_before, lambda n, b: sorted(b[n]), "only the direct ones"),
    (lesson00.check_needed_before, two_steps, "is missing"),
    (lesson00.check_needed_before, lambda n, b: needed(n, b, itself=True), "the lesson itself"),
    (lesson00.check_needed_before, with_repeats, "twice"),
    (lesson00.check_needed_before, lambda n, b: set(needed(n, b)), "ascending order"),
    (lesson00.check_needed_before, lambda n, b: needed(n, b)[::-1], "ascending order"),
    (lesson00.check_needed_before, lambda n, b: list(range(n)), "not every earlier lesson"),
    (lesson00.check_follows, {"A", "B", "D"}, "look at B"),
    (lesson00.check_follows, {"D"}, "look at A"),
    (lesson00.check_follows, {"A", "C", "D"}, "look at C"),
    (lesson00.check_follows, {"A", "D", "E"}, "look at E"),
    (lesson00.check_follows, {"A"}, "look at D"),
]
