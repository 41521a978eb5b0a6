"""What a learning curve says about transfer: a, after pretraining, held against b, from scratch.

A curve is steps [P] (env steps, rising) and values [..., P], one for each run of any leading shape. The names are those
of Taylor and Stone (2009, JMLR 10, §2.3); forward transfer and forgetting are those of Wołczyk et al. (2021, arXiv
2105.10919, §4). Differences keep their sign: transfer that harms is negative.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

LATE = 0.1
"""The share of the steps that counts as the end of a curve."""


def normalised(returns: ArrayLike, random: ArrayLike, reference: ArrayLike) -> np.ndarray:
    """(R − random) / (reference − random): 0 is chance, 1 the reference.

    returns: [..., tasks], random and reference: [tasks], or whatever broadcasts.

    Raises:
        ValueError: the reference is as good as chance somewhere.
    """
    returns, random, reference = (np.asarray(x, float) for x in (returns, random, reference))
    if (reference == random).any():
        raise ValueError("reference equals random (expected two different scores to measure between)")
    return (returns - random) / (reference - random)


def zero_shot(steps: ArrayLike, values: ArrayLike) -> np.ndarray:
    """a(0), before the first update. [..., P] -> [...]; ValueError for a curve that begins later."""
    steps, values = check_curve(steps, values)
    if steps[0] != 0:
        raise ValueError(f"the curve begins at step {steps[0]:g} (expected 0: a zero-shot score is taken before)")
    return values[..., 0]


def few_shot(steps: ArrayLike, values: ArrayLike, k: float) -> np.ndarray:
    """a(k), after k env steps; between two points of the curve on the line that joins them. [..., P] -> [...]."""
    steps, values = check_curve(steps, values)
    if not steps[0] <= k <= steps[-1]:
        raise ValueError(f"k = {k:g} is not on the curve (expected {steps[0]:g} to {steps[-1]:g} steps)")
    after = int(np.searchsorted(steps, k))
    if steps[after] == k:
        return values[..., after]
    share = (k - steps[after - 1]) / (steps[after] - steps[after - 1])
    return (1 - share) * values[..., after - 1] + share * values[..., after]


def jumpstart(first: ArrayLike, scratch: ArrayLike) -> np.ndarray:
    """a(0) − b(0), of zero-shot scores of any shape."""
    return np.asarray(first, float) - np.asarray(scratch, float)


def asymptote(steps: ArrayLike, values: ArrayLike, share: float = LATE) -> np.ndarray:
    """The mean of the points in the last `share` of the steps. [..., P] -> [...]."""
    steps, values = check_curve(steps, values)
    if not 0 < share <= 1:
        raise ValueError(f"share: {share} is not in range (expected 0 < share <= 1)")
    return values[..., steps >= steps[-1] - share * (steps[-1] - steps[0])].mean(-1)


def area(steps: ArrayLike, values: ArrayLike) -> np.ndarray:
    """The area under the curve (trapezoid rule) divided by its steps, so a mean over training. [..., P] -> [...]."""
    steps, values = check_curve(steps, values)
    if len(steps) == 1:
        return values[..., 0]
    return np.trapezoid(values, steps, axis=-1) / (steps[-1] - steps[0])


def transfer_ratio(area_a: ArrayLike, area_b: ArrayLike) -> np.ndarray:
    """(AUC_a − AUC_b) / AUC_b of areas of any shape; of averages rather than of single seeds, which may be near 0.

    Raises:
        ValueError: an AUC_b is not above 0, where a ratio means nothing (`forward_transfer` still does).
    """
    a, b = np.asarray(area_a, float), np.asarray(area_b, float)
    if (b <= 0).any():
        raise ValueError(f"an area from scratch is {b.min():g}: no ratio to it (expected > 0; see forward transfer)")
    return (a - b) / b


def forward_transfer(area_a: ArrayLike, area_b: ArrayLike) -> np.ndarray:
    """(AUC_a − AUC_b) / (1 − AUC_b) of areas under normalised curves: the share of what was left to gain.

    Raises:
        ValueError: an AUC_b is not below 1: from scratch there was nothing left to gain.
    """
    a, b = np.asarray(area_a, float), np.asarray(area_b, float)
    if (b >= 1).any():
        raise ValueError(f"an area from scratch is {b.max():g}: nothing is left to gain (expected < 1)")
    return (a - b) / (1 - b)


def forgetting(before: ArrayLike, after: ArrayLike) -> np.ndarray:
    """The skill of pretraining before − after what came then: 0 is perfect retention, below 0 it got better."""
    return np.asarray(before, float) - np.asarray(after, float)


def check_curve(steps: ArrayLike, values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Steps [P] and values [..., P] as arrays; ValueError where they are no curve."""
    steps, values = np.asarray(steps, float), np.asarray(values, float)
    if steps.ndim != 1 or not len(steps) or values.shape[-1:] != steps.shape:
        raise ValueError(f"steps {steps.shape} and values {values.shape} are no curve (expected [P] and [..., P])")
    if (np.diff(steps) <= 0).any():
        raise ValueError("steps do not rise (expected each larger than the one before)")
    if not np.isfinite(values).all():
        raise ValueError("a value of the curve is not a finite number")
    return steps, values
