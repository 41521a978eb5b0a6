"""What `selfplay.core.losses` has for discrete actions, for continuous ones, which a STOP may stand beside.

net: a `selfplay.core.dense_kernels.Network`, with its A moves, their log deviations, and the offset of a STOP, if any.
out: float32 [O], what the policy's tower puts out for one sample.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from selfplay.core.losses import ENTROPY, SUMS, surrogate
from selfplay.core.tiles import HALF, INNER, ONE, ZERO

MOVES = SUMS
"""The column behind `losses.SUMS`: the chance that the action is a move, which is 1 without a STOP."""
_HALF_LOG_TAU = np.float32(0.5 * np.log(2 * np.pi))


@nb.njit(**INNER)
def _log_sigmoid(x):
    """log 1 / (1 + exp(-x)), without overflow."""
    return min(x, ZERO) - np.log1p(np.exp(-abs(x)))


@nb.njit(**INNER)
def _moves_log_prob(net, mean, action):
    """Log density of the normal part of `action`."""
    log_std = net.numbers[net.log_std : net.log_std + net.moves]
    total = ZERO
    for j in range(net.moves):
        z = (action[j] - mean[j]) * np.exp(-log_std[j])
        total += HALF * z * z + log_std[j] + _HALF_LOG_TAU
    return -total


@nb.njit(**INNER)
def log_prob_of(net, out, action):
    """Log density of `action` [A, or A + 1 with STOP] under `out`."""
    if not net.stops:
        return _moves_log_prob(net, out, action)
    logit = out[net.moves] + net.offset
    if action[net.moves] > HALF:
        return _log_sigmoid(logit)
    return _log_sigmoid(-logit) + _moves_log_prob(net, out, action)


@nb.njit(**INNER)
def choose(net, out, noise, uniform, action):
    """Write an action: the mean and `noise` [A] deviations. uniform: in [0, 1) to draw STOP, negative: if likelier."""
    for j in range(net.moves):
        action[j] = out[j] + np.exp(net.numbers[net.log_std + j]) * noise[j]
    if net.stops:
        chance = np.exp(_log_sigmoid(out[net.moves] + net.offset))
        stop = chance > HALF if uniform < ZERO else uniform < chance
        action[net.moves] = np.float32(stop)
        if stop:
            for j in range(net.moves):
                action[j] = ZERO


@nb.njit(**INNER)
def sample_gradient(net, out, samples, n, by, scale, d, numbers, sums):
    """Gradient of sample n's surrogate and bonus to `out`, times `scale`, into `d`; to the deviations: added."""
    action = samples.action[n]
    slope = surrogate(log_prob_of(net, out, action) - samples.log_prob[n], samples.advantage[n], by, sums)
    entropy = ZERO
    for j in range(net.moves):
        entropy += net.numbers[net.log_std + j] + _HALF_LOG_TAU + HALF
    going, stopped = ONE, False
    if net.stops:
        logit = out[net.moves] + net.offset
        going = np.exp(_log_sigmoid(-logit))
        stopped = action[net.moves] > HALF
        chance = ONE - going
        of_entropy = by.entropy * going * chance * (logit + entropy)
        d[net.moves] = scale * (slope * ((ONE if stopped else ZERO) - chance) + of_entropy)
        entropy = going * entropy - chance * logit - _log_sigmoid(-logit)
    for j in range(net.moves):
        inverse = np.exp(-net.numbers[net.log_std + j])
        z = (action[j] - out[j]) * inverse
        of_log_std = -by.entropy * going
        d[j] = ZERO
        if not stopped:
            d[j] = scale * slope * z * inverse
            of_log_std += slope * (z * z - ONE)
        numbers[net.log_std + j] += scale * of_log_std
    sums[ENTROPY] += entropy
    sums[MOVES] += going
