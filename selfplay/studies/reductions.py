"""From a curve to one number: the ways a measure can read a run's log.

Each takes steps [P] (env steps, rising), values [P] (finite) and the budget in env steps, and returns a `Value`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Value(NamedTuple):
    """A number known to lie in [low, high]; both are equal unless it was censored."""

    low: float
    high: float

    @property
    def censored(self) -> bool:
        """Whether all that is known is that it is at least `low`."""
        return self.low != self.high


@dataclass(frozen=True)
class Last:
    """The last value."""

    def __call__(self, steps: Sequence[float], values: Sequence[float], budget: float) -> Value:
        return Value(values[-1], values[-1])

    def __str__(self) -> str:
        return "last value"


@dataclass(frozen=True)
class LateMean:
    """The mean over the last `share` of the budget; the last value where none was logged there."""

    share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share: {self.share} is not in range (expected 0 < share <= 1)")

    def __call__(self, steps: Sequence[float], values: Sequence[float], budget: float) -> Value:
        late = [value for step, value in zip(steps, values, strict=True) if step >= (1 - self.share) * budget]
        mean = sum(late) / len(late) if late else values[-1]
        return Value(mean, mean)

    def __str__(self) -> str:
        return f"mean over the last {self.share:.0%} of the steps"


@dataclass(frozen=True)
class At:
    """The value after `share` of the budget, between two that were logged on the line that joins them."""

    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share: {self.share} is not in range (expected 0 <= share <= 1)")

    def __call__(self, steps: Sequence[float], values: Sequence[float], budget: float) -> Value:
        value = float(np.interp(self.share * budget, steps, values))
        return Value(value, value)

    def __str__(self) -> str:
        return f"value after {self.share:.0%} of the steps"


@dataclass(frozen=True)
class AreaUnderCurve:
    """The area under the curve (trapezoid rule) over the span of steps it was logged for: a mean over training."""

    def __call__(self, steps: Sequence[float], values: Sequence[float], budget: float) -> Value:
        span = steps[-1] - steps[0]
        if span == 0:
            return Value(values[-1], values[-1])
        area = sum((steps[k + 1] - steps[k]) * (values[k + 1] + values[k]) / 2 for k in range(len(steps) - 1))
        return Value(area / span, area / span)

    def __str__(self) -> str:
        return "area under the curve / steps"


@dataclass(frozen=True)
class Peak:
    """The largest value."""

    def __call__(self, steps: Sequence[float], values: Sequence[float], budget: float) -> Value:
        return Value(max(values), max(values))

    def __str__(self) -> str:
        return "largest value"


@dataclass(frozen=True)
class Drop:
    """How far the end is below the best: the largest value less the mean over the last `share` of the budget.

    Noise alone makes it positive, more with more values: compare runs that are measured as often.
    """

    share: float = 0.1

    def __post_init__(self) -> None:
        LateMean(self.share)

    def __call__(self, steps: Sequence[float], values: Sequence[float], budget: float) -> Value:
        drop = max(values) - LateMean(self.share)(steps, values, budget).low
        return Value(drop, drop)

    def __str__(self) -> str:
        return f"largest value − {LateMean(self.share)}"


@dataclass(frozen=True)
class FirstStep:
    """The first step logged with a value of at least `threshold`; right-censored at the end where there is none."""

    threshold: float

    def __call__(self, steps: Sequence[float], values: Sequence[float], budget: float) -> Value:
        for step, value in zip(steps, values, strict=True):
            if value >= self.threshold:
                return Value(step, step)
        return Value(max(budget, steps[-1]), math.inf)

    def __str__(self) -> str:
        return f"first step with {self.threshold:g} or more"


@dataclass(frozen=True)
class Above:
    """1 where the mean over the last `share` of the budget (`LateMean`) is at least `threshold`, else 0.

    For outcomes of two kinds, where a middle value stands for no run at all. Over seeds it is averaged by the plain
    mean, which is the share of seeds; an interquartile mean would cut off the rarer kind.
    """

    threshold: float
    share: float = 0.1

    def __post_init__(self) -> None:
        LateMean(self.share)
        if not math.isfinite(self.threshold):
            raise ValueError(f"threshold: {self.threshold} is not a finite number")

    def __call__(self, steps: Sequence[float], values: Sequence[float], budget: float) -> Value:
        reached = float(LateMean(self.share)(steps, values, budget).low >= self.threshold)
        return Value(reached, reached)

    def __str__(self) -> str:
        return f"1 where the {LateMean(self.share)} is {self.threshold:g} or more, else 0"


@dataclass(frozen=True)
class Fell:
    """1 where the last value is more than a share `by` below the largest (which is above 0), else 0.

    Its average over seeds is how often that happens, as with `Above`. For values without noise: a largest value of
    noisy ones is too large.
    """

    by: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.by < 1:
            raise ValueError(f"by: {self.by} is not in range (expected 0 <= by < 1)")

    def __call__(self, steps: Sequence[float], values: Sequence[float], budget: float) -> Value:
        fell = float(max(values) > 0 and values[-1] < (1 - self.by) * max(values))
        return Value(fell, fell)

    def __str__(self) -> str:
        return f"1 where the last value is more than {self.by:.0%} below the largest, else 0"


How = Last | At | LateMean | AreaUnderCurve | Peak | Drop | FirstStep | Above | Fell
