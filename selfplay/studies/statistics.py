"""Robust statistics over seeds, as pure functions (Agarwal et al. 2021, arXiv 2108.13264).

Values come as [seeds] or [seeds, tasks]. A censored value (a threshold not reached within the budget) is a pair of
bounds: `low` holds the budget, `high` infinity. Everything is computed for both, so what comes out are bounds as well:
nothing is dropped or invented. The interquartile mean looks only at the middle half, so that up to a quarter of
censored seeds cost it nothing.

The bootstrap is our own: scipy's has no strata, and here two arms and two bounds must share the same draws.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

RESAMPLES = 10_000
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A found value and its interval. The found value itself is a pair of bounds, equal unless seeds were censored."""

    found_low: float
    found_high: float
    low: float
    high: float


class Bounds(NamedTuple):
    """Values [seeds] or [seeds, tasks] of one arm; `low` and `high` are equal where nothing is censored."""

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def exact(cls, values: np.ndarray) -> Bounds:
        """Values that are all known."""
        values = np.asarray(values, float)
        return cls(values, values)

    def __len__(self) -> int:
        return len(self.low)


def iqm(values: np.ndarray) -> np.ndarray:
    """Interquartile mean over the last axis: ⌊n/4⌋ values are cut from either end. [..., n] -> [...]."""
    ordered = np.sort(np.asarray(values, float), axis=-1)
    cut = ordered.shape[-1] // 4
    return ordered[..., cut : ordered.shape[-1] - cut].mean(-1)


def iqm_interval(arm: Bounds, seed: int = 0) -> Interval:
    """IQM over seeds (and tasks) with its percentile bootstrap interval, seeds drawn anew within each task."""
    lows, highs = _resampled_iqms(arm, _draws(arm.low.shape, np.random.default_rng(seed)))
    return Interval(float(iqm(arm.low.ravel())), float(iqm(arm.high.ravel())), *_percentiles(lows, highs))


def ratio_interval(left: Bounds, right: Bounds, *, paired: bool, seed: int = 0) -> Interval | None:
    """IQM(left) / IQM(right), both at least 0; None where one of them is negative in the data or in any resample.

    x / 0 is infinity, and 0 / 0 is anything between 0 and infinity. paired: see `difference_interval`.
    """
    found, resampled = _both(left, right, paired, seed)
    if any((values < 0).any() for side in (*found, *resampled) for values in side):
        return None
    low, high = _ratio(*found)
    return Interval(float(low[0]), float(high[0]), *_percentiles(*_ratio(*resampled)))


def difference_interval(left: Bounds, right: Bounds, *, paired: bool, seed: int = 0) -> Interval:
    """IQM(left) − IQM(right).

    paired: row k of both arms comes from the same seed, and both are resampled with the same draws. That keeps what
    the arms have in common (first weights, worlds), and where they have nothing in common it is as good as drawing
    apart. Otherwise each arm is resampled on its own.
    """
    found, resampled = _both(left, right, paired, seed)
    low, high = _difference(*found)
    return Interval(float(low[0]), float(high[0]), *_percentiles(*_difference(*resampled)))


def probability_of_improvement(left: Bounds, right: Bounds) -> float:
    """P(left > right) for a seed of each, mean over tasks; a tie counts half, also between two censored values."""
    a, b = (side.high.reshape(len(side), -1) for side in (left, right))
    above = (a[:, None] > b[None]).mean((0, 1)) + 0.5 * (a[:, None] == b[None]).mean((0, 1))
    return float(above.mean())


def _draws(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Seeds drawn with replacement, for each task apart: indices [resamples, seeds, tasks]."""
    seeds, tasks = shape[0], int(np.prod(shape[1:]))
    return rng.integers(0, seeds, (RESAMPLES, seeds, tasks))


def _resampled_iqms(arm: Bounds, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    tasks = np.arange(draws.shape[-1])
    low, high = (side.reshape(len(arm), -1)[draws, tasks].reshape(len(draws), -1) for side in arm)
    return iqm(low), iqm(high)


def _both(left: Bounds, right: Bounds, paired: bool, seed: int):
    """(IQMs of left, of right) as pairs of bounds: of the data [1], and of the resamples [resamples]."""
    if paired and left.low.shape != right.low.shape:
        raise ValueError(f"paired arms differ in shape: {left.low.shape} and {right.low.shape} (expected the same)")
    rng = np.random.default_rng(seed)
    draws = _draws(left.low.shape, rng)
    found = tuple((iqm(side.low.ravel())[None], iqm(side.high.ravel())[None]) for side in (left, right))
    others = draws if paired else _draws(right.low.shape, rng)
    return found, (_resampled_iqms(left, draws), _resampled_iqms(right, others))


def _ratio(left, right) -> tuple[np.ndarray, np.ndarray]:
    return _divide(left[0], right[1], 0.0), _divide(left[1], right[0], np.inf)


def _divide(a: np.ndarray, b: np.ndarray, nothing: float) -> np.ndarray:
    """a / b with x / 0 = inf and 0 / 0 = `nothing`; at most one of them is infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((a == 0) & (b == 0), nothing, a / b)


def _difference(left, right) -> tuple[np.ndarray, np.ndarray]:
    return left[0] - right[1], left[1] - right[0]


def _percentiles(lows: np.ndarray, highs: np.ndarray) -> tuple[float, float]:
    """The middle `CONFIDENCE` of the resamples; order statistics, for one may be infinite."""
    tail = (1 - CONFIDENCE) / 2
    low = np.quantile(lows, tail, method="lower")
    return float(low), float(np.quantile(highs, 1 - tail, method="higher"))
