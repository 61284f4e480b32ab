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
