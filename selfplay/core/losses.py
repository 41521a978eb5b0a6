"""What one sample adds to PPO's loss, and its gradient, inside numba kernels."""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

from selfplay.core.jit import kernel
from selfplay.core.tiles import HALF, INNER, ONE, ZERO, exp_below

SURROGATE, VALUE, ENTROPY, KL, CLIPPED, INVALID = range(6)
SUMS = 6
"""Columns of the sums that a kernel returns."""


class Samples(NamedTuple):
    """What was played: S steps, one row each."""

    obs: np.ndarray  # uint8 [S, P], or float32 [S, D]
    action: np.ndarray  # int64 [S], or float32 [S, A]
    log_prob: np.ndarray  # float32 [S]
    advantage: np.ndarray  # float32 [S]
    returns: np.ndarray  # float32 [S, K]
    value: np.ndarray  # float32 [S, K]


class Coefficients(NamedTuple):
    """The numbers of the loss. The advantage is used as (advantage - centre) / spread; clip_value ≤ 0 means none."""

    centre: np.float32
    spread: np.float32
    clip: np.float32
    clip_value: np.float32
    value: np.float32
    entropy: np.float32


@kernel()
def moments(x):
    """Mean and deviation of x float32 [B], in float64."""
    total = 0.0
    for i in range(x.shape[0]):
        total += np.float64(x[i])
    mean = total / x.shape[0]
    square = 0.0
    for i in range(x.shape[0]):
        square += (np.float64(x[i]) - mean) ** 2
    return mean, np.sqrt(square / x.shape[0])


@nb.njit(**INNER)
def log_normaliser(logits):
    """log Σ exp(logits)."""
    top = logits[0]
    for j in range(1, logits.shape[0]):
        top = max(top, logits[j])
    total = ZERO
    for j in range(logits.shape[0]):
        total += exp_below(logits[j] - top)
    return top + np.log(total)


@nb.njit(**INNER)
def choose(logits, uniform):
    """An action by inverse CDF from `uniform` in [0, 1), or the likeliest one if `uniform` is negative."""
    best = 0
    for j in range(1, logits.shape[0]):
        if logits[j] > logits[best]:
            best = j
    normaliser = log_normaliser(logits)
    action = best
    if uniform >= ZERO:
        action = logits.shape[0] - 1
        below = ZERO
        for j in range(logits.shape[0]):
            below += exp_below(logits[j] - normaliser)
            if uniform < below:
                action = j
                break
    return action, logits[action] - normaliser


@nb.njit(**INNER)
def surrogate(log_ratio, advantage, by, sums):
    """The slope of a sample's surrogate loss in its log probability; what is counted of it is added to `sums`."""
    ratio = np.exp(log_ratio)
    advantage = (advantage - by.centre) / by.spread
    limited = min(max(ratio, ONE - by.clip), ONE + by.clip)
    sums[SURROGATE] -= min(ratio * advantage, limited * advantage)
    sums[KL] += ratio - ONE - log_ratio
    sums[CLIPPED] += np.float64(abs(ratio - ONE) > by.clip)
    # The surrogate is min(ratio·A, limited·A): flat in the policy where the limited term is the smaller one.
    return ZERO if limited * advantage < ratio * advantage else -advantage * ratio


@nb.njit(**INNER)
def value_gradient(value, samples, n, by, scale, d, sums):
    """Gradient of sample n's value loss to `value` [K], times `scale`, into `d` [K]; the loss is added to `sums`."""
    for k in range(samples.returns.shape[1]):
        error = value[k] - samples.returns[n, k]
        slope = error
        loss = error * error
        if by.clip_value > ZERO:
            moved = value[k] - samples.value[n, k]
            limited_error = samples.value[n, k] + min(max(moved, -by.clip_value), by.clip_value) - samples.returns[n, k]
            if limited_error * limited_error > loss:
                loss = limited_error * limited_error
                slope = limited_error if abs(moved) <= by.clip_value else ZERO
        sums[VALUE] += HALF * loss
        d[k] = scale * by.value * slope


@nb.njit(**INNER)
def sample_gradient(out, actions, samples, n, by, scale, d, d_bonus, sums):
    """Gradient of sample n's loss to its `out` [O], times `scale`, into `d` [O]; its terms are added to `sums`.

    The first of `out` are the logits of discrete actions. d_bonus [O] gets the entropy bonus's part of it.
    """
    action = samples.action[n]
    top = out[0]
    for j in range(1, actions):
        top = max(top, out[j])
    total = ZERO
    for j in range(actions):
        d[j] = exp_below(out[j] - top)
        total += d[j]
    normaliser = top + np.log(total)
    entropy = ZERO
    for j in range(actions):
        d[j] /= total
        entropy -= d[j] * (out[j] - normaliser)
    slope = surrogate(out[action] - normaliser - samples.log_prob[n], samples.advantage[n], by, sums)
    for j in range(actions):
        p = d[j]
        of_policy = -slope * p
        if j == action:
            of_policy += slope
        of_entropy = by.entropy * p * (out[j] - normaliser + entropy)
        d_bonus[j] = scale * of_entropy
        d[j] = scale * (of_policy + of_entropy)
    sums[ENTROPY] += entropy
    value_gradient(out[actions:], samples, n, by, scale, d[actions:], sums)
