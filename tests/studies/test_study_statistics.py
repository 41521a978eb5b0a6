"""Interquartile means, bootstrap intervals, ratios and censoring: by hand, and by simulated coverage."""

import math

import numpy as np
import pytest

from selfplay.studies import statistics
from selfplay.studies.statistics import (
    Bounds,
    difference_interval,
    difference_of_differences_interval,
    iqm,
    iqm_interval,
    probability_of_improvement,
    ratio_interval,
    ratio_of_ratios_interval,
)

exact = Bounds.exact


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([7], 7),
        ([1, 2, 6], 3),  # fewer than four: nothing is cut
        ([100, 1, 3, -50], 2),  # (1 + 3) / 2
        ([0, 0, 1, 2, 3, 4, 50, 90], 2.5),  # two cut from either end: (1 + 2 + 3 + 4) / 4
        (range(10), 4.5),  # two cut from either end: (2 + … + 7) / 6
    ],
)
def test_iqm_by_hand(values, expected):
    assert iqm(np.array(values)) == expected


def test_a_quarter_of_censored_seeds_costs_the_iqm_nothing():
    known, ends = [10.0, 20, 30, 40, 50, 60], [99.0, 99]
    arm = Bounds(np.array(known + ends), np.array([*known, math.inf, math.inf]))
    assert iqm(arm.low) == iqm(arm.high) == 45  # (30 + 40 + 50 + 60) / 4
    found = iqm_interval(arm)
    assert (found.found_low, found.found_high) == (45, 45)
    assert found.high == math.inf  # some resamples hold more of the censored ones
    assert 20 < found.low < 45


def test_more_censored_seeds_leave_bounds():
    arm = Bounds(np.array([10.0, 20, 99, 99]), np.array([10.0, 20, math.inf, math.inf]))
    found = iqm_interval(arm)
    assert (found.found_low, found.found_high) == (59.5, math.inf)  # (20 + 99) / 2 at least
    ratio = ratio_interval(exact(np.full(4, 119.0)), arm, paired=True)
    assert (ratio.found_low, ratio.found_high) == (0, 2)
    both = ratio_interval(arm, arm, paired=True)
    assert (both.low, both.high) == (0, math.inf)


def test_equal_seeds_have_an_interval_without_width():
    assert iqm_interval(exact(np.full(6, 3.0))) == (3, 3, 3, 3)
    assert ratio_interval(exact(np.full(6, 3.0)), exact(np.full(5, 2.0)), paired=False) == (1.5,) * 4
    assert difference_interval(exact(np.full(6, 3.0)), exact(np.full(6, 2.0)), paired=True) == (1,) * 4


def test_pairs_keep_what_arms_have_in_common():
    values = np.array([1.0, 5, 20, 100, 300, 1000])
    paired = difference_interval(exact(values + 2), exact(values), paired=True)
    apart = difference_interval(exact(values + 2), exact(values), paired=False)
    assert (paired.low, paired.high) == pytest.approx((2, 2))
    assert apart.low < -50 < 50 < apart.high
    with pytest.raises(ValueError, match="paired arms differ in shape"):
        difference_interval(exact(values), exact(values[:5]), paired=True)


def test_zero_and_negative_denominators():
    two, nothing, mixed = exact(np.full(5, 2.0)), exact(np.zeros(5)), exact(np.array([0, 0, 0, 4.0, 4]))
    assert ratio_interval(two, nothing, paired=True) == (math.inf,) * 4
    assert ratio_interval(nothing, two, paired=True) == (0,) * 4
    assert ratio_interval(nothing, nothing, paired=True) == (0, math.inf, 0, math.inf)
    found = ratio_interval(two, mixed, paired=True)  # the middle of 0 0 0 4 4: 4/3; of its resamples 0 to 4
    assert found.found_low == pytest.approx(1.5)
    assert (found.low, found.high) == (0.5, math.inf)
    assert ratio_interval(two, exact(np.array([1, 1, 1, 1, -9.0])), paired=True) is None
    assert ratio_interval(exact(np.full(5, -1.0)), two, paired=True) is None


def test_interactions_share_their_draws():
    """left = 3·noise, its control noise, right = 2·noise, its control noise: (3 / 1) / (2 / 1), whatever the noise."""
    noise = np.array([1.0, 5, 20, 100, 300, 1000])
    arms = [exact(factor * noise) for factor in (3, 1, 2, 1)]
    assert ratio_of_ratios_interval(*arms, paired=True) == pytest.approx((1.5,) * 4)
    apart = ratio_of_ratios_interval(*arms, paired=False)
    assert apart.found_low == pytest.approx(1.5)
    assert apart.low < 0.5 < 5 < apart.high
    shifted = [exact(noise + shift) for shift in (10, 4, 3, 1)]
    assert difference_of_differences_interval(*shifted, paired=True) == pytest.approx((4,) * 4)  # (10−4) − (3−1)


def test_interactions_of_what_is_not_known():
    two, never = exact(np.full(4, 2.0)), Bounds(np.full(4, 8.0), np.full(4, math.inf))
    nothing = exact(np.zeros(4))
    assert ratio_of_ratios_interval(never, two, two, two, paired=True) == (4, math.inf, 4, math.inf)
    assert ratio_of_ratios_interval(never, two, never, two, paired=True) == (0, math.inf, 0, math.inf)
    assert ratio_of_ratios_interval(two, nothing, two, nothing, paired=True) == (0, math.inf, 0, math.inf)
    assert ratio_of_ratios_interval(two, two, nothing, two, paired=True) == (math.inf,) * 4
    assert ratio_of_ratios_interval(two, two, two, exact(np.full(4, -1.0)), paired=True) is None
    found = difference_of_differences_interval(never, two, never, two, paired=True)
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert difference_of_differences_interval(never, two, two, two, paired=True) == (6, math.inf, 6, math.inf)


def test_tasks_are_strata():
    """Two tasks far apart, each without spread: drawing seeds within a task never mixes them."""
    values = np.stack([np.full(8, 0.0), np.full(8, 100.0)], 1)
    found = iqm_interval(exact(values))
    assert found == (50, 50, 50, 50)
    mixed = iqm_interval(exact(values.ravel()))
    assert mixed.high - mixed.low > 50


def test_probability_of_improvement_by_hand():
    # 3 beats 1, 2; 2 beats 1 and ties 2; 0 beats none: (2 + 1.5 + 0) / 6
    assert probability_of_improvement(exact([3, 2, 0]), exact([1, 2])) == pytest.approx(3.5 / 6)
    assert probability_of_improvement(exact([[3, 0], [3, 0]]), exact([[1, 1], [1, 1]])) == 0.5  # one task each way
    never = Bounds(np.array([9.0]), np.array([math.inf]))
    assert probability_of_improvement(never, never) == 0.5
    assert probability_of_improvement(never, exact([9])) == 1


def test_intervals_are_seeded():
    values = exact(np.random.default_rng(0).normal(size=10))
    assert iqm_interval(values, seed=1) == iqm_interval(values, seed=1) != iqm_interval(values, seed=2)


def test_coverage_of_ten_seeds(monkeypatch):
    """How often the 95 % interval holds the truth, symmetric noise: about 90 % at ten seeds, as percentiles do."""
    monkeypatch.setattr(statistics, "RESAMPLES", 1000)
    rng = np.random.default_rng(5)
    inside = difference = 0
    for _ in range(300):
        left, right = rng.normal(3, 1, 10), rng.normal(2, 1, 10)
        one, two = iqm_interval(exact(left)), difference_interval(exact(left), exact(right), paired=True)
        inside += one.low <= 3 <= one.high
        difference += two.low <= 1 <= two.high
    assert 0.85 < inside / 300 < 0.99
    assert 0.85 < difference / 300 < 0.99


def test_rows_are_drawn_together():
    """Four tasks that share a seed's luck: together they know no more than one task does, apart they seem to."""
    luck = np.random.default_rng(3).normal(size=10)
    tasks = exact(np.stack([luck] * 4, 1))
    one = iqm_interval(exact(luck), average=statistics.mean)
    together = iqm_interval(tasks, average=statistics.mean, together=True)
    assert (together.low, together.high) == pytest.approx((one.low, one.high))
    apart = iqm_interval(tasks, average=statistics.mean)
    assert apart.high - apart.low < 0.7 * (one.high - one.low)  # 1/√4 of it, but for the bootstrap's own noise


def test_arms_of_different_many_tasks_share_their_seeds():
    luck = np.array([1.0, 5, 20, 100, 300, 1000])
    left, right = exact(np.stack([luck + 3, luck + 5], 1)), exact(luck[:, None])
    found = difference_interval(left, right, paired=True, average=statistics.mean, together=True)
    assert found == pytest.approx((4,) * 4)
    with pytest.raises(ValueError, match="paired arms differ in shape"):
        difference_interval(left, right, paired=True)
