"""95 % intervals by a stratified bootstrap over seeds, nested where a pretraining seed has several downstream ones.

scores [seeds, tasks]: every run stands alone; seeds are drawn anew within each task, the stratum (Agarwal et al. 2021,
arXiv 2108.13264, §4.1).

scores [pretraining seeds, downstream seeds, tasks]: the runs that begin with one pretrained policy have its luck in
common, on all tasks. Pretraining seeds are drawn with replacement, once for all tasks, and each brings all of its
downstream runs along. (To draw these anew as well would count their spread twice: Davison and Hinkley 1997, §3.8.)

One pretraining seed says nothing about another: then there is no interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from selfplay.bench.report import cell
from selfplay.studies.statistics import RESAMPLES, Average, iqm, percentiles
from selfplay.transfer.aggregates import performance_profile, probability_of_improvement
from selfplay.transfer.times import median_time

_CHUNK = 2_000_000  # numbers of resamples that are in memory at once


class Estimate(NamedTuple):
    """A number and its 95 % interval; low and high are None where there was one seed."""

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        return self.told()

    def told(self, alone: str = "one seed") -> str:
        """In words; alone: what there was one of where there is no interval."""
        if self.low is None or self.high is None:
            return f"{cell(self.value)} ({alone}: no interval)"
        return f"{cell(self.value)} [{cell(self.low)}, {cell(self.high)}]"


def estimate(scores: ArrayLike, average: Average = iqm, *, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """`average` of all scores with its interval. scores: [seeds, tasks] or [pretraining seeds, downstream, tasks]."""
    runs = _Runs(scores)
    drawn = (average(part.reshape(len(part), -1)) for part in runs.drawn(resamples, np.random.default_rng(seed)))
    return _estimate(float(average(runs.flat.ravel())), drawn, runs.alone)


def difference(
    left: ArrayLike, right: ArrayLike, average: Average = iqm, *, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """average(left) − average(right), each resampled on its own; both on the same tasks, of either shape."""
    return contrast(left, right, np.subtract, average, resamples=resamples, seed=seed)


def contrast(
    left: ArrayLike,
    right: ArrayLike,
    combine: Callable[[np.ndarray, np.ndarray], np.ndarray],
    average: Average = iqm,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """combine(average(left), average(right)), such as `curves.transfer_ratio` of areas; see `difference`.

    Raises:
        ValueError: `combine` does, for the data or for one of the resamples: then there is no interval either.
    """
    a, b = _pair(left, right)
    rng = np.random.default_rng(seed)
    parts = zip(a.drawn(resamples, rng, b.flat.size), b.drawn(resamples, rng, a.flat.size), strict=True)
    drawn = (combine(average(x.reshape(len(x), -1)), average(y.reshape(len(y), -1))) for x, y in parts)
    return _estimate(float(combine(average(a.flat.ravel()), average(b.flat.ravel()))), drawn, a.alone or b.alone)


def improvement(left: ArrayLike, right: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """P(left > right), see `probability_of_improvement`, each side resampled on its own."""
    a, b = _pair(left, right)
    wins = [(x[:, None] > y) + 0.5 * (x[:, None] == y) for x, y in zip(a.flat.T, b.flat.T, strict=True)]
    rng = np.random.default_rng(seed)
    parts = zip(a.draws(resamples, rng, b.flat.size), b.draws(resamples, rng, a.flat.size), strict=True)
    drawn = (_mean_win(wins, _weights(x), _weights(y)) for x, y in parts)
    return _estimate(probability_of_improvement(left, right), drawn, a.alone or b.alone)


def median_time_estimate(times: ArrayLike, reached: ArrayLike, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """The Kaplan–Meier median of the time to a threshold; runs are drawn together with whether they got there.

    times, reached: [seeds] or [pretraining seeds, downstream seeds], of one task. Ends may be infinite.
    """
    runs, there = _Runs(np.asarray(times, float)[..., None]), np.asarray(reached, bool).ravel()
    found = median_time(runs.flat[:, 0], there)
    parts = runs.draws(resamples, np.random.default_rng(seed))
    drawn = (np.array([median_time(runs.flat[k, 0], there[k]) for k in part[:, :, 0]]) for part in parts)
    return _estimate(found, drawn, runs.alone)


def curve_band(
    values: ArrayLike, average: Average = iqm, *, resamples: int = 1000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray] | None:
    """The interval of the average curve at each of its points: low [P], high [P]; None with one seed.

    values: [seeds, P] or [pretraining seeds, downstream seeds, P]. A seed is drawn with its whole curve.
    """
    values = np.asarray(values, float)
    runs = _Runs(values[:, None] if values.ndim == 2 else values)
    if runs.alone:
        return None
    parts = runs.drawn(resamples, np.random.default_rng(seed))
    drawn = np.concatenate([average(part.swapaxes(1, 2)) for part in parts])
    low, high = np.array([percentiles(column, column) for column in drawn.T]).T
    return low, high


def profile_band(
    scores: ArrayLike, thresholds: ArrayLike, *, resamples: int = 2000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The performance profile with its interval at each threshold: three arrays [thresholds]; None with one seed."""
    runs = _Runs(scores)
    if runs.alone:
        return None
    thresholds = np.asarray(thresholds, float)
    rng = np.random.default_rng(seed)
    shares = np.concatenate([
        performance_profile(part.reshape(len(part), -1), thresholds)
        for part in runs.drawn(resamples, rng, runs.flat.size * len(thresholds))
    ])  # fmt: skip
    low, high = np.array([percentiles(column, column) for column in shares.T]).T
    return performance_profile(runs.flat.ravel(), thresholds), low, high


class _Runs:
    """Scores as [runs, tasks], and how they are drawn anew."""

    def __init__(self, scores: ArrayLike) -> None:
        scores = np.asarray(scores, float)
        if scores.ndim not in (2, 3) or not scores.size:
            raise ValueError(
                f"scores have shape {scores.shape} (expected [seeds, tasks], or [pretraining seeds, downstream, tasks])"
            )
        if not np.isfinite(scores).all():
            raise ValueError("a score is not a finite number (a run that failed has a score as well)")
        self.nested = scores.ndim == 3
        self.seeds = len(scores)
        self.alone = self.seeds == 1
        self.flat = scores.reshape(-1, scores.shape[-1])

    def draws(self, resamples: int, rng: np.random.Generator, size: int = 0) -> Iterator[np.ndarray]:
        """Which runs are taken: indices [some, runs, tasks], in parts of at most some millions, `size` a resample."""
        runs, tasks = self.flat.shape
        at_once = max(1, _CHUNK // max(self.flat.size, size))
        for begin in range(0, resamples, at_once):
            some = min(at_once, resamples - begin)
            if not self.nested:
                yield rng.integers(0, runs, (some, runs, tasks))
                continue
            downstream = runs // self.seeds
            chosen = rng.integers(0, self.seeds, (some, self.seeds, 1)) * downstream + np.arange(downstream)
            yield np.broadcast_to(chosen.reshape(some, runs, 1), (some, runs, tasks))

    def drawn(self, resamples: int, rng: np.random.Generator, size: int = 0) -> Iterator[np.ndarray]:
        """The scores that are taken, [some, runs, tasks]."""
        tasks = np.arange(self.flat.shape[1])
        for chosen in self.draws(resamples, rng, size):
            yield self.flat[chosen, tasks]


def _pair(left: ArrayLike, right: ArrayLike) -> tuple[_Runs, _Runs]:
    a, b = _Runs(left), _Runs(right)
    if a.flat.shape[1] != b.flat.shape[1]:
        raise ValueError(f"{a.flat.shape[1]} tasks and {b.flat.shape[1]} (expected the same tasks on both sides)")
    return a, b


def _weights(chosen: np.ndarray) -> np.ndarray:
    """How often each run was taken, as a share: [some, runs, tasks] of indices -> [some, tasks, runs]."""
    some, runs, tasks = chosen.shape
    place = (np.arange(some)[:, None, None] * tasks + np.arange(tasks)) * runs + chosen
    return np.bincount(place.ravel(), minlength=some * tasks * runs).reshape(some, tasks, runs) / runs


def _mean_win(wins: list[np.ndarray], left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Mean over tasks of leftᵀ · wins · right: [some]."""
    each = [np.einsum("ri,ri->r", left[:, t] @ win, right[:, t]) for t, win in enumerate(wins)]
    return np.mean(each, axis=0)


def _estimate(found: float, drawn: Iterator[np.ndarray], alone: bool) -> Estimate:
    if alone:
        return Estimate(found, None, None)
    values = np.concatenate(list(drawn))
    return Estimate(found, *percentiles(values, values))
