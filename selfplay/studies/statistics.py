"""Robust statistics over seeds, as pure functions (Agarwal et al. 2021, arXiv 2108.13264).

Values come as [seeds] or [seeds, tasks]. Seeds are drawn anew within each task or, with `together`, once for all: then
a row is what has its luck in common, such as the runs that begin with one pretrained policy. A censored value (a
threshold not reached within the budget) is a pair of bounds: `low` holds the budget, `high` infinity. Everything is
computed for both, so what comes out are bounds as well: nothing is dropped or invented. The interquartile mean looks
only at the middle half, so that up to a quarter of censored seeds cost it nothing.

The bootstrap is our own: scipy's has no strata, and here two arms and two bounds must share the same draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 10_000
CONFIDENCE = 0.95


Average = Callable[[np.ndarray], np.ndarray]
"""Over the last axis: `iqm`, or `mean` for values of 0 and 1, where a share is what is meant."""


_Pair = tuple[np.ndarray, np.ndarray]  # low and high bounds, of one shape


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


def mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis, [..., n] -> [...]: of zeros and ones, their share."""
    return np.asarray(values, float).mean(-1)


def iqm_interval(arm: Bounds, seed: int = 0, average: Average = iqm, together: bool = False) -> Interval:
    """IQM over seeds (and tasks) with its percentile bootstrap interval."""
    (found,), (resampled,) = _resample((arm,), True, seed, average, together)
    return _interval(found, resampled)


def ratio_interval(
    left: Bounds, right: Bounds, *, paired: bool, seed: int = 0, average: Average = iqm, together: bool = False
) -> Interval | None:
    """IQM(left) / IQM(right), both at least 0; None where one of them is negative in the data or in any resample.

    x / 0 is infinity, and 0 / 0 is anything between 0 and infinity. paired: see `difference_interval`.
    """
    found, resampled = _resample((left, right), paired, seed, average, together)
    return None if _negative(found, resampled) else _interval(_ratio(*found), _ratio(*resampled))


def difference_interval(
    left: Bounds, right: Bounds, *, paired: bool, seed: int = 0, average: Average = iqm, together: bool = False
) -> Interval:
    """IQM(left) − IQM(right).

    paired: row k of every arm comes from the same seed, and all are resampled with the same draws. That keeps what
    the arms have in common (first weights, worlds), and where they have nothing in common it is as good as drawing
    apart. Otherwise each arm is resampled on its own.
    """
    found, resampled = _resample((left, right), paired, seed, average, together)
    return _interval(_difference(*found), _difference(*resampled))


def ratio_of_ratios_interval(
    left: Bounds, left_control: Bounds, right: Bounds, right_control: Bounds, *, paired: bool, seed: int = 0,
    average: Average = iqm, together: bool = False,
) -> Interval | None:  # fmt: skip
    """(IQM(left) / IQM(left_control)) / (IQM(right) / IQM(right_control)); None and zeros as in `ratio_interval`.

    ∞ / ∞, like 0 / 0, is anything between 0 and infinity.
    """
    found, resampled = _resample((left, left_control, right, right_control), paired, seed, average, together)
    if _negative(found, resampled):
        return None
    return _interval(*(_ratio(_ratio(a, b), _ratio(c, d)) for a, b, c, d in (found, resampled)))


def difference_of_differences_interval(
    left: Bounds, left_control: Bounds, right: Bounds, right_control: Bounds, *, paired: bool, seed: int = 0,
    average: Average = iqm, together: bool = False,
) -> Interval:  # fmt: skip
    """(IQM(left) − IQM(left_control)) − (IQM(right) − IQM(right_control))."""
    found, resampled = _resample((left, left_control, right, right_control), paired, seed, average, together)
    return _interval(*(_difference(_difference(a, b), _difference(c, d)) for a, b, c, d in (found, resampled)))


def probability_of_improvement(left: Bounds, right: Bounds) -> float:
    """P(left > right) for a seed of each, mean over tasks; a tie counts half, also between two censored values."""
    a, b = (side.high.reshape(len(side), -1) for side in (left, right))
    above = (a[:, None] > b[None]).mean((0, 1)) + 0.5 * (a[:, None] == b[None]).mean((0, 1))
    return float(above.mean())


def _draws(shape: tuple[int, ...], rng: np.random.Generator, together: bool) -> np.ndarray:
    """Seeds drawn with replacement, for each task apart or together: indices [resamples, seeds, tasks or 1]."""
    seeds, tasks = shape[0], int(np.prod(shape[1:]))
    return rng.integers(0, seeds, (RESAMPLES, seeds, 1 if together else tasks))


def _averages(arm: Bounds, draws: np.ndarray, average: Average) -> _Pair:
    tasks = np.arange(int(np.prod(arm.low.shape[1:])))
    low, high = (side.reshape(len(arm), -1)[draws, tasks].reshape(len(draws), -1) for side in arm)
    return average(low), average(high)


def _resample(
    arms: Sequence[Bounds], paired: bool, seed: int, average: Average, together: bool
) -> tuple[list[_Pair], list[_Pair]]:
    """The average of each arm as a pair of bounds: of the data [1], and of the resamples [resamples]."""
    if paired:
        for other in arms[1:]:
            if arms[0].low.shape[: 1 if together else None] != other.low.shape[: 1 if together else None]:
                shapes = f"{arms[0].low.shape} and {other.low.shape}"
                raise ValueError(f"paired arms differ in shape: {shapes} (expected the same)")
    rng = np.random.default_rng(seed)
    draws = _draws(arms[0].low.shape, rng, together)
    found = [(average(arm.low.ravel())[None], average(arm.high.ravel())[None]) for arm in arms]
    resampled = [
        _averages(arm, draws if paired or k == 0 else _draws(arm.low.shape, rng, together), average)
        for k, arm in enumerate(arms)
    ]
    return found, resampled


def _interval(found: _Pair, resampled: _Pair) -> Interval:
    return Interval(float(found[0][0]), float(found[1][0]), *percentiles(*resampled))


def _negative(found: Sequence[_Pair], resampled: Sequence[_Pair]) -> bool:
    return any(bool((values < 0).any()) for pair in (*found, *resampled) for values in pair)


def _ratio(left: _Pair, right: _Pair) -> _Pair:
    return _divide(left[0], right[1], 0.0), _divide(left[1], right[0], np.inf)


def _divide(a: np.ndarray, b: np.ndarray, nothing: float) -> np.ndarray:
    """a / b with x / 0 = inf, 0 / 0 = ∞ / ∞ = `nothing`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = np.asarray(a / b)
    return np.where(np.isnan(quotient), nothing, quotient)


def _difference(left: _Pair, right: _Pair) -> _Pair:
    """Low bounds are never +∞ and high bounds never −∞, so that no ∞ − ∞ comes up."""
    return left[0] - right[1], left[1] - right[0]


def percentiles(lows: np.ndarray, highs: np.ndarray) -> tuple[float, float]:
    """The middle `CONFIDENCE` of resamples [resamples] of either bound; order statistics, for one may be infinite."""
    tail = (1 - CONFIDENCE) / 2
    low = np.quantile(lows, tail, method="lower")
    return float(low), float(np.quantile(highs, 1 - tail, method="higher"))
