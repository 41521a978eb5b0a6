"""How speed grows with the number of worlds: the knee, and what a call costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

GAIN = 1.1


def knee(counts: Sequence[int], rates: Sequence[float], gain: float = GAIN) -> int | None:
    """The smallest count from which doubling brings less than `gain`, however far one goes.

    counts: rising numbers of worlds; rates: steps a second with them. From the knee N on every larger M has
    rate(M) < rate(N) · gain^log2(M / N), so that one slow or quick measurement does not move it far. None where speed
    still grows at the end (the last count alone says nothing).
    """
    if len(counts) != len(rates):
        raise ValueError(f"knee: {len(counts)} counts and {len(rates)} rates, expected as many")
    for k in range(len(counts) - 1):
        bound = [rates[k] * gain ** math.log2(counts[m] / counts[k]) for m in range(k + 1, len(counts))]
        if all(rate < most for rate, most in zip(rates[k + 1 :], bound, strict=True)):
            return counts[k]
    return None


def call_cost(counts: Sequence[int], rates: Sequence[float]) -> tuple[float, float]:
    """Seconds of a call whatever it steps, and seconds a world, by least squares of relative errors.

    A call that steps N worlds takes a + b·N. Needs two counts.
    """
    number = np.asarray(counts, float)
    seconds = number / np.asarray(rates, float)
    fitted, *_ = np.linalg.lstsq(np.stack([1 / seconds, number / seconds], 1), np.ones(len(number)), rcond=None)
    return float(fitted[0]), float(fitted[1])
