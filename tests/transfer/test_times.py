"""Censored times: by hand, and against scipy's Kaplan–Meier."""

import math

import numpy as np
import pytest
from scipy.stats import CensoredData, ecdf

from selfplay.studies.reductions import FirstStep
from selfplay.transfer.bootstrap import median_time_estimate
from selfplay.transfer.times import kaplan_meier, median_time, restricted_mean_time, time_to_threshold


def test_time_to_threshold():
    steps, values = [0, 10, 20], [[0.1, 0.9, 0.2], [0.0, 0.1, 0.2], [0.8, 0.0, 0.0]]
    times, reached = time_to_threshold(steps, values, 0.8)
    assert times.tolist() == [10, 20, 0]
    assert reached.tolist() == [True, False, True]
    for row, time, there in zip(values, times, reached, strict=True):
        found = FirstStep(0.8)(steps, row, 20)
        assert (found.low, not found.censored) == (time, there)


def test_kaplan_meier_by_hand():
    # 10: 1 of 5 gets there, S = 4/5. 20: cut off. 30: 2 of 3, S = 4/5 · 1/3 = 4/15. 40: cut off.
    times, reached = [30, 10, 20, 40, 30], [True, True, False, False, True]
    events, survival = kaplan_meier(times, reached)
    assert events.tolist() == [10, 30]
    np.testing.assert_allclose(survival, [4 / 5, 4 / 15])
    assert median_time(times, reached) == 30
    # 10 · 1 + 20 · 4/5 + 10 · 4/15
    assert restricted_mean_time(times, reached, 40) == pytest.approx(10 + 16 + 8 / 3)
    assert restricted_mean_time(times, reached, 20) == pytest.approx(10 + 8)


def test_failures_are_not_dropped():
    times, reached = np.array([5.0, 7, 100, 100, 100]), np.array([True, True, False, False, False])
    assert median_time(times[:2], reached[:2]) == 5
    assert median_time(times, reached) == math.inf  # only two of five ever get there
    assert restricted_mean_time(times, reached, 100) == pytest.approx(312 / 5)  # the mean of min(time, 100)
    assert median_time(times[:4], reached[:4]) == 7  # exactly half
    assert kaplan_meier([3, 3], [False, False])[0].size == 0
    found = median_time_estimate(times, reached)
    assert (found.value, found.high) == (math.inf, math.inf)
    assert found.low == 5
    assert median_time_estimate([4.0], [True]) == (4, None, None)


def test_against_scipy():
    rng = np.random.default_rng(3)
    for _ in range(20):
        times, reached = rng.integers(1, 12, 15).astype(float), rng.random(15) < 0.6
        curve = ecdf(CensoredData(uncensored=times[reached], right=times[~reached])).sf
        events, survival = kaplan_meier(times, reached)
        np.testing.assert_allclose(survival, curve.evaluate(events))


def test_refusals():
    with pytest.raises(ValueError, match="at least one"):
        median_time([], [])
    with pytest.raises(ValueError, match="ended"):
        median_time([math.inf], [False])
    with pytest.raises(ValueError, match=r"horizon = 50 .*<= 40"):
        restricted_mean_time([10, 40], [True, False], 50)
    assert restricted_mean_time([10, 40], [True, True], 50) == 25  # everybody is there: S stays 0
