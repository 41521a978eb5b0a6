"""Layers and activations of a tile of samples, for numba kernels to call."""

from __future__ import annotations

import numba as nb
import numpy as np

from selfplay.core.products import add_product

TILE = 32
"""Samples that pass through the network together; their activations stay in the first-level cache."""
CHUNKS = 24
"""Pieces a gradient is summed in: divisible by 2, 3, 4, 6 and 8 threads."""
# No "nnan" and no "ninf": a NaN must stay one, the learner looks for it.
INNER = {"nogil": True, "fastmath": {"contract", "reassoc", "nsz", "arcp"}, "error_model": "numpy"}
ZERO, ONE, HALF = np.float32(0), np.float32(1), np.float32(0.5)
_LOG2_E, _LOWEST = np.float32(1 / np.log(2)), np.float32(-80)
_STEEP = np.float32(-2 / np.log(2))  # tanh x = (1 - 2^y) / (1 + 2^y) with y = _STEEP · x, for x ≥ 0
_FLAT = np.float32(9.5)  # float32's tanh is 1 from here on
# 2^f = Σ (ln 2)^k / k! · f^k, for |f| ≤ ½ to a float32's precision
_E1, _E2, _E3, _E4, _E5, _E6 = (np.float32(np.log(2) ** k / np.prod(np.arange(1.0, k + 1))) for k in range(1, 7))


@nb.njit(**INNER)
def layer(x, weight_t, bias, out):
    """out [TILE, N] = x [TILE, K] @ weight_t [K, N] + bias [N]."""
    for b in range(out.shape[0]):
        for n in range(out.shape[1]):
            out[b, n] = bias[n]
    add_product(out, x, weight_t)


@nb.njit(**INNER)
def zero(x):
    """x [M, N] = 0."""
    for b in range(x.shape[0]):
        for n in range(x.shape[1]):
            x[b, n] = ZERO


@nb.njit(**INNER)
def copy(x, out):
    """out [N] = the first N of x."""
    for n in range(out.shape[0]):
        out[n] = x[n]


@nb.njit(**INNER)
def relu(x):
    """x [M, N] = max(x, 0), in its place."""
    for b in range(x.shape[0]):
        for n in range(x.shape[1]):
            x[b, n] = max(x[b, n], ZERO)


@nb.njit(**INNER)
def relu_backward(gradient, y):
    """The gradient [M, N] of what `relu` was given, in its place, from that of y [M, N], which it made."""
    for b in range(y.shape[0]):
        for n in range(y.shape[1]):
            gradient[b, n] = gradient[b, n] if y[b, n] > ZERO else ZERO


@nb.njit(**INNER)
def add_columns(out, x):
    """out [N] += the sum of x [M, N] over M."""
    for b in range(x.shape[0]):
        for n in range(x.shape[1]):
            out[n] += x[b, n]


@nb.njit(**INNER)
def _power_of_two(y):
    """2^y to 1e-7 of it, for -126 ≤ y ≤ 0."""
    whole = np.floor(y + HALF)
    f = y - whole
    power = ONE + f * (_E1 + f * (_E2 + f * (_E3 + f * (_E4 + f * (_E5 + f * _E6)))))
    return power * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)  # 2^whole, by its bits


@nb.njit(**INNER)
def tanh(x):
    """tanh to an absolute error of 2e-7, without a call or a branch: the library's takes 25 times as long."""
    a = abs(x)
    a = _FLAT if a > _FLAT else a  # lets NaN through
    power = _power_of_two(a * _STEEP)
    t = (ONE - power) / (ONE + power)
    return -t if x < ZERO else t


@nb.njit(**INNER)
def exp_below(x):
    """exp x for x ≤ 0, to 1e-7 · (1 - x) of it, without a call; what is below exp(-80) is that."""
    return _power_of_two((_LOWEST if x < _LOWEST else x) * _LOG2_E)  # lets NaN through
