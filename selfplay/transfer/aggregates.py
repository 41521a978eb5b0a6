"""Aggregates over runs and tasks (Agarwal et al. 2021, arXiv 2108.13264, §4), as pure functions of arrays.

`selfplay.studies.statistics` has `iqm` and `mean`, which belong here as well. All work over the last axis, along which
the scores of all runs and tasks lie, so that thousands of resamples [resamples, runs · tasks] are one call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from selfplay.studies import statistics
from selfplay.studies.statistics import Bounds


def optimality_gap(scores: ArrayLike, target: float = 1.0) -> np.ndarray:
    """How much is missing to `target` on average, what is above it counting as none: mean of max(target − s, 0).

    scores: [..., n] -> [...]. Lower is better.
    """
    return np.maximum(target - np.asarray(scores, float), 0).mean(-1)


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> np.ndarray:
    """The share of runs and tasks that score above each threshold. [..., n], [thresholds] -> [..., thresholds]."""
    ordered = np.asarray(scores, float)[..., None, :]
    return (ordered > np.asarray(thresholds, float)[:, None]).mean(-1)


def probability_of_improvement(left: ArrayLike, right: ArrayLike) -> float:
    """P(left > right) of a run of each on the same task, a tie being ½, mean over tasks (§4.3).

    left, right: [runs, tasks] or [pretraining seeds, downstream seeds, tasks], as many runs each as there are.
    """
    a, b = (np.asarray(x, float) for x in (left, right))
    return statistics.probability_of_improvement(*(Bounds.exact(x.reshape(-1, x.shape[-1])) for x in (a, b)))
