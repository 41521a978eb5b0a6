"""Time to threshold where some runs never get there: these are right-censored, not dropped.

Kaplan and Meier 1958 (JASA 53, 457–481): S(t) is the share that is not there yet after t steps,
S(t) = Π (1 − d_i / n_i) over the times t_i ≤ t at which d_i of the n_i runs still under way got there.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from selfplay.transfer.curves import check_curve


def time_to_threshold(steps: ArrayLike, values: ArrayLike, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The first step with a value of at least `threshold`: times [...] of curves [..., P], and whether it was reached.

    Where it was not, the time is the last step: all that is known is that it takes longer.
    """
    steps, values = check_curve(steps, values)
    above = values >= threshold
    reached = np.asarray(above.any(-1))
    return np.where(reached, steps[above.argmax(-1)], steps[-1]), reached


def kaplan_meier(times: ArrayLike, reached: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The times [E] at which runs got there, rising, and the share S [E] that is not there yet after each.

    times, reached: [runs]. A run that was cut off at the very time at which another got there counts as under way then.
    """
    times, reached = _runs(times, reached)
    events, there = np.unique(times[reached], return_counts=True)
    under_way = (times[None] >= events[:, None]).sum(1)
    return events, np.cumprod(1 - there / under_way)


def median_time(times: ArrayLike, reached: ArrayLike) -> float:
    """The first time at which half of the runs are there, S(t) ≤ ½; infinity where fewer ever are. [runs] -> number."""
    events, survival = kaplan_meier(times, reached)
    half = survival <= 0.5 + 1e-12  # products of fractions round
    return float(events[half.argmax()]) if half.any() else math.inf


def restricted_mean_time(times: ArrayLike, reached: ArrayLike, horizon: float) -> float:
    """The mean of min(time, horizon), which is the area under S up to `horizon` (Royston and Parmar 2013). [runs].

    Raises:
        ValueError: the run that was watched longest was cut off before the horizon: S is not known from there on.
    """
    times, reached = _runs(times, reached)
    last = times.max()
    if horizon <= 0 or (horizon > last and not reached[times == last].all()):
        raise ValueError(f"horizon = {horizon:g} (expected > 0, and <= {last:g}, up to which runs were watched)")
    events, survival = kaplan_meier(times, reached)
    inside = events < horizon
    edges = np.concatenate([[0.0], events[inside], [horizon]])
    return float(np.diff(edges) @ np.concatenate([[1.0], survival[inside]]))


def _runs(times: ArrayLike, reached: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    times, reached = np.asarray(times, float), np.asarray(reached, bool)
    if times.ndim != 1 or times.shape != reached.shape or not len(times):
        raise ValueError(f"times {times.shape} and reached {reached.shape} (expected [runs] and [runs], at least one)")
    if not np.isfinite(times).all() or (times < 0).any():
        raise ValueError("a time is not a number >= 0 (a run that never got there has the step at which it ended)")
    return times, reached
