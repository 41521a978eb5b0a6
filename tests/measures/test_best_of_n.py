"""Best-of-n: by hand, and by trying all draws."""

import math
from itertools import combinations

import numpy as np
import pytest

from selfplay.measures.best_of_n import best_of, chances_of_best, kl_best_of


def test_chances_by_hand():
    """The best of 2 of 4 is the k-th with (k - 1) / 6: it is the better one in none, one, two, three of six pairs."""
    np.testing.assert_allclose(chances_of_best(4, 2), [0, 1 / 6, 2 / 6, 3 / 6], atol=1e-12)
    np.testing.assert_allclose(chances_of_best(3, 1), [1 / 3] * 3, atol=1e-12)
    np.testing.assert_allclose(chances_of_best(3, 3), [0, 0, 1], atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_the_mean_over_all_draws(n):
    rng = np.random.default_rng(n)
    proxy, values = rng.random(7), rng.random((2, 7))
    picked = [max(draw, key=lambda k: proxy[k]) for draw in combinations(range(7), n)]
    np.testing.assert_allclose(best_of(proxy, values, n), values[:, picked].mean(-1), atol=1e-12)


def test_many_samples_are_no_overflow():
    """Of uniform numbers the best of 1000 is expected at 1000 / 1001."""
    numbers = np.random.default_rng(0).random(20_000)
    assert chances_of_best(20_000, 1000).sum() == pytest.approx(1, abs=1e-6)
    assert best_of(numbers, numbers, 1000) == pytest.approx(1000 / 1001, abs=3e-4)


def test_its_distance():
    """ln 2 - ½ = .193147; of a proxy with 2 equally likely values the best of 2 is the higher with ¾: KL .130812."""
    assert kl_best_of(1) == 0
    assert kl_best_of(2) == pytest.approx(0.193147, abs=1e-6)
    assert 0.75 * math.log(1.5) + 0.25 * math.log(0.5) == pytest.approx(0.130812, abs=1e-6)
    assert kl_best_of(2) > 0.130812  # an upper bound where there are ties


@pytest.mark.parametrize("n", [0, 5])
def test_what_cannot_be_drawn_is_refused(n):
    with pytest.raises(ValueError, match="n must be from 1 to the 4 samples"):
        chances_of_best(4, n)
