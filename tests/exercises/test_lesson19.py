"""What the exercises of lesson 19 say of the library, and what their sealed boxes hold, is so."""

import numpy as np

from exercises.lesson19 import SETTLES, _settled, jittered
from tutorial_lib.data.corrupt import drop_events, jitter
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.splits import make_split


def test_exercise_1_is_what_the_library_does_to_each_user():
    split = make_split(load_dataset("sample", users=20), "temporal")
    times, starts = split.dataset.events["timestamp"].to_numpy(), split.dataset.offsets
    factors = np.exp(0.7 * np.random.default_rng(2).standard_normal(len(times)))
    alone = [
        jittered(times[a:b], factors[a + 1 : b])
        for a, b in zip(starts[:-1], starts[1:], strict=True)
    ]
    assert np.array_equal(
        np.concatenate(alone), jitter(split, 0.7, seed=2).dataset.events["timestamp"]
    )


def test_exercise_2_keeps_what_the_library_keeps():
    """One number for each event, kept from the share on; the library keeps the target, which is the
    last event.
    """
    split = make_split(load_dataset("sample", users=20), "leave_last_out")
    events, draws = split.dataset.events, np.random.default_rng(5).random(len(split.dataset.events))
    kept = drop_events(split, 0.3, seed=5).dataset.events
    wanted = events[(draws >= 0.3) | np.isin(np.arange(len(events)), split.test.row)].reset_index(
        drop=True
    )
    assert kept.equals(wanted)


def test_exercise_3_says_where_the_bound_of_the_lesson_goes():
    """Event by event the bound tends to the number wanted, or beyond every number."""
    for m, error, lipschitz, speed, kappa in SETTLES:
        e = 0.0
        for _ in range(3000):
            e = min(kappa * (np.exp(lipschitz * m) * e + speed * error), 1e12)
        want = _settled(m, error, lipschitz, speed, kappa)
        assert e > 100 if np.isinf(want) else np.isclose(e, want)


def test_the_answers_of_the_self_test_follow_from_their_numbers():
    assert round(1 - 0.8**4, 2) == 0.59
    assert np.isclose(0.5 * np.exp(0.5 * np.log(1 + 3)), 1)  # three hours: neither more nor less
