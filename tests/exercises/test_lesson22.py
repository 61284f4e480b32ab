"""What the exercises of lesson 22 say of the library, and what their sealed boxes hold, is so."""

import numpy as np

from exercises import lesson22


def test_one_order_for_all_users_is_recognised(capsys):
    """Users of the same length would be shuffled alike if the numbers were drawn once; the checker
    must see it.
    """

    def alike(values, user, rng):
        order, out = rng.permutation(3), []
        for u in np.unique(user):
            own = values[user == u]
            even = len(own) // 2 * 2
            pairs = own[:even].reshape(-1, 2)
            out += [pairs[order[order < len(pairs)]].ravel(), own[even:]]
        return np.concatenate(out)

    assert "in the same way" in lesson22.check_shuffled_blocks(alike).reason


def test_the_answers_of_the_self_test_follow_from_their_numbers():
    gaps = np.array([3.0, 4.0])
    cv = gaps.std() / gaps.mean()
    assert round((cv - 1) / (cv + 1), 2) == -0.75
    assert round(np.log([2, 4]).mean(), 2) == 1.04 and round(np.log([0.5, 4]).mean(), 2) == 0.35
    assert round(np.log(100) / 0.05) == 92 and np.log(100) / 3 < 2
    assert round(np.log(193) / 8, 2) == 0.66 and round(8 * 0.64 / np.log(193), 2) == 0.97


def test_the_snippet_to_mend_calls_a_turn_chaotic():
    def fibre_growth(step, noise, starts, letter):
        words = set()
        for realisation in noise:
            x, letters = starts, []
            for now in realisation:
                x = step(x, now)
                letters.append(letter(x))
            words |= set(zip(*letters, strict=True))
        return np.log(len(words)) / noise.shape[1]

    angles, starts = np.random.default_rng(0).random((30, 6)), (np.arange(2000) + 0.5) / 2000

    def turn(x, angle):
        return (x + angle) % 1

    def letter(x):
        return (x * 6).astype(int)

    assert fibre_growth(turn, angles, starts, letter) > 1
    assert lesson22.check_fibre_growth(fibre_growth).status == "wrong"
