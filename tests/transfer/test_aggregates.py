"""Aggregates and intervals: by hand, against scipy, against published scores, and coverage by simulation."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, trim_mean

from selfplay.studies.statistics import iqm, mean
from selfplay.transfer.aggregates import optimality_gap, performance_profile, probability_of_improvement
from selfplay.transfer.bootstrap import curve_band, difference, estimate, improvement, profile_band
from selfplay.transfer.curves import normalised


def atari(method):
    """Human-normalised scores [5 seeds, 26 games] of Atari 100k: SimPLe's are those that rliable gives out
    (arXiv 2108.13264), IRIS's those of its authors (arXiv 2209.00588), with the random and human scores of both.
    """
    with (Path(__file__).parent / "atari_100k.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == method]
    columns = [np.array([float(row[key]) for row in rows]) for key in ("score", "random", "reference")]
    return normalised(*columns).reshape(26, 5).T


@pytest.mark.parametrize(
    ("method", "published"),
    # mean, IQM, optimality gap: Micheli et al. 2023, arXiv 2209.00588, table 1, which were made with rliable
    [("SimPLe", (0.332, 0.130, 0.729)), ("IRIS", (1.046, 0.501, 0.512))],
)
def test_published_aggregates_come_out(method, published):
    scores = atari(method)
    found = [estimate(scores, average, resamples=2000) for average in (mean, iqm, optimality_gap)]
    assert [round(each.value, 3) for each in found] == list(published)
    assert all(each.low < each.value < each.high for each in found)
    assert found[1].value == pytest.approx(trim_mean(scores, 0.25, axis=None))


def test_optimality_gap_by_hand():
    assert optimality_gap([0.5, 1.5, -1, 1]) == (0.5 + 0 + 2 + 0) / 4
    assert optimality_gap([[3, 1], [0, 4]], target=2).tolist() == [0.5, 1.0]


def test_performance_profile_by_hand():
    scores = [0.1, 0.5, 0.5, 2.0]
    assert performance_profile(scores, [0, 0.1, 0.5, 2]).tolist() == [1, 0.75, 0.25, 0]  # strictly above
    grid = np.linspace(-1, 3, 4001)
    above_zero = performance_profile(scores, grid)[grid >= 0].sum() * 0.001
    assert above_zero == pytest.approx(mean(scores), abs=1e-3)  # the area under it is the mean


def test_probability_of_improvement_is_mann_whitneys():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, (6, 3)).astype(float), rng.integers(0, 5, (4, 3)).astype(float)  # with ties
    u = [mannwhitneyu(a[:, t], b[:, t]).statistic / 24 for t in range(3)]
    assert probability_of_improvement(a, b) == pytest.approx(np.mean(u))
    assert probability_of_improvement(a.reshape(3, 2, 3), b) == pytest.approx(np.mean(u))
    found = improvement(a, b, resamples=500)
    assert found.value == pytest.approx(np.mean(u))
    assert found.low < found.value < found.high
    assert improvement([[1.0], [2]], [[3.0], [4]]) == (0, 0, 0)


def test_resamples_of_improvement_weigh_the_runs_that_were_drawn():
    # a: 0 or 2, b: always 1. A resample of two runs has 0, 1 or 2 wins with ¼, ½, ¼.
    assert improvement([[0.0], [2]], [[1.0], [1]]) == (0.5, 0, 1)
    a = np.array([0.0, 2] * 8)[:, None]
    shares = improvement(a, np.ones((2, 1)))
    sd = 0.5 / 4  # of a mean of 16
    assert (shares.low, shares.high) == pytest.approx((0.5 - 1.96 * sd, 0.5 + 1.96 * sd), abs=0.07)


def test_downstream_runs_come_along_with_their_pretraining_seed():
    """Two pretraining seeds, one good and one bad, with 50 downstream runs each: 100 runs, but two draws of luck."""
    scores = np.array([0.0, 1.0])[:, None, None] + np.zeros((2, 50, 3))
    assert estimate(scores, mean) == (0.5, 0, 1)
    apart = estimate(scores.reshape(100, 3), mean)
    assert apart.low > 0.4
    assert apart.high < 0.6
    single = estimate(scores[:, :1], iqm)
    assert single == (0.5, 0, 1)


def test_all_tasks_share_the_draw_of_a_pretrained_policy():
    """Good on one task where it is bad on the other: over both, every policy is the same, and so is every resample."""
    luck = np.array([0.0, 0.25, 1.0])
    scores = np.stack([luck, 1 - luck], -1)[:, None]
    assert estimate(scores, mean) == pytest.approx((0.5, 0.5, 0.5))
    apart = estimate(scores[:, 0], mean)
    assert apart.low < 0.3


def test_one_pretraining_seed_has_no_interval():
    found = estimate(np.arange(12.0).reshape(1, 4, 3), mean)
    assert found == (5.5, None, None)
    assert str(found) == "5.5 (one seed: no interval)"
    assert difference(np.ones((5, 2)), np.zeros((1, 4, 2)), mean) == (1, None, None)
    assert improvement(np.ones((1, 2)), np.zeros((3, 2))).low is None
    assert profile_band(np.ones((1, 2)), [0.5]) is None
    assert str(estimate(np.full((4, 1), 0.25))) == "0.25 [0.25, 0.25]"


def test_difference_and_profile_band():
    rng = np.random.default_rng(1)
    a, b = rng.normal(1, 0.1, (20, 3)), rng.normal(0, 0.1, (10, 2, 3))
    found = difference(a, b, mean)
    assert found.value == pytest.approx(a.mean() - b.mean())
    half = 1.96 * np.sqrt(a.var(0).sum() / 9 / 20 + b.mean((1, 2)).var() / 10)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.1)  # the normal approximation
    share, low, high = profile_band(a, [0.5, 1.0, 1.5])
    assert share.tolist() == performance_profile(a.ravel(), [0.5, 1.0, 1.5]).tolist()
    assert (low[0], high[0], low[2], high[2]) == (1, 1, 0, 0)
    assert low[1] < share[1] < high[1]


def test_curve_band_draws_a_seed_with_its_whole_curve():
    low, high = curve_band([[0.0, 1], [1, 0]], lambda x: x.mean(-1))
    assert (low.tolist(), high.tolist()) == ([0, 0], [1, 1])
    low, high = curve_band(np.random.default_rng(0).normal(size=(30, 4, 2)), lambda x: x.mean(-1))
    np.testing.assert_allclose(high - low, 2 * 1.96 / np.sqrt(120), rtol=0.25)
    assert curve_band([[0.0, 1]]) is None


def test_the_same_seed_gives_the_same_bits_and_parts_do_not_matter(monkeypatch):
    scores = np.random.default_rng(2).normal(size=(5, 2, 3))
    first = estimate(scores, resamples=500)
    assert estimate(scores, resamples=500) == first
    assert estimate(scores, resamples=500, seed=1) != first
    monkeypatch.setattr("selfplay.transfer.bootstrap._CHUNK", 100)
    assert estimate(scores, resamples=500) == first


def test_refusals():
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        estimate([1, 2, 3])
    with pytest.raises(ValueError, match="not a finite number"):
        estimate([[1, np.nan]])
    with pytest.raises(ValueError, match="3 tasks and 2"):
        difference(np.ones((2, 3)), np.ones((2, 2)))


def simulated(rng, pretrained, downstream, luck=0.1):
    """Scores [pretrained, downstream, 4]: the tasks' levels, a policy's luck, its luck on a task, and the run's own."""
    parts = [(pretrained, 1, 1, luck), (pretrained, 1, 4, 0.1), (pretrained, downstream, 4, 0.1)]
    return np.linspace(0.2, 0.8, 4) + sum(rng.normal(0, scale, shape) for *shape, scale in parts)


def coverage(pretrained, downstream, average, data_sets, nested=True, luck=0.1, resamples=1000):
    """The share of 95 % intervals that hold the average of infinitely many seeds."""
    truth = average(simulated(np.random.default_rng(99), 100_000, 1, luck).ravel())
    held = 0
    for k in range(data_sets):
        scores = simulated(np.random.default_rng([7, k]), pretrained, downstream, luck)
        found = estimate(scores if nested else scores.reshape(-1, 4), average, resamples=resamples, seed=k)
        held += found.low <= truth <= found.high
    return held / data_sets


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    assert 0.82 <= coverage(10, 3, mean, 100, resamples=300) <= 0.98
    assert coverage(10, 3, mean, 100, nested=False, resamples=300) < 0.75  # as if 30 runs had been 30 policies


@pytest.mark.slow
@pytest.mark.parametrize("average", [mean, iqm])
def test_coverage(average):
    """The figures of docs/transfer.md: 400 data sets each, so that one of .91 is known to ±.03."""
    assert coverage(3, 3, average, 400) == pytest.approx(0.76, abs=0.06)
    assert coverage(5, 3, average, 400) == pytest.approx(0.82, abs=0.05)
    assert coverage(10, 3, average, 400) == pytest.approx(0.91, abs=0.04)
    assert coverage(20, 3, average, 400) == pytest.approx(0.92, abs=0.04)
    assert coverage(10, 3, average, 400, nested=False) < 0.7
    assert coverage(10, 1, average, 400, nested=False, luck=0) == pytest.approx(0.93, abs=0.03)
