"""The numba kernels of a policy with a memory: bag → ReLU → gated recurrent unit → heads, and back through time.

`TILE` sequences run side by side, so that each step is a product of small matrices; what a tile remembers of its steps
stays in the second-level cache. Row t · TILE + b of a tile's arrays is step t of its sequence b, and the columns of
`gates` hold, H wide each, n (the candidate), r (reset), z (update) and q (what r multiplies in n):

    r = σ(x Wr + h Ur + br)   z = σ(x Wz + h Uz + bz)   q = h Uq + bq   n = tanh(x Wn + bn + r q)   h' = n + z (h - n)

So the products with x fill the first three, those with h the last three. Work is cut into `CHUNKS` pieces that are
added up in their order: results do not depend on how many threads there are.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

from selfplay.core.jit import kernel
from selfplay.core.kernels import (
    CHUNKS,
    INVALID,
    _add_columns,
    _choose,
    _copy,
    _find_rows,
    _relu_backward,
    _sample_gradient,
    _scatter_rows,
    _sum_rows,
    _zero,
)

TILE = 16
"""Sequences side by side."""
ACTING = 32
"""Observations that are acted on together."""


class Network(NamedTuple):
    """The parameters the kernels read: R rows, widths I and H, A actions + K values padded to O outputs.

    The `_t` arrays are transposed copies, so that every product runs along rows.
    """

    offsets: np.ndarray  # int32 [P], first row of each token
    sizes: np.ndarray  # int32 [P], rows of each token
    table: np.ndarray  # float32 [R, I]
    bias: np.ndarray  # [I]
    input_t: np.ndarray  # [I, 3H], columns n r z
    input: np.ndarray  # [3H, I]
    state_t: np.ndarray  # [H, 3H], columns r z q
    state: np.ndarray  # [3H, H]
    gates_bias: np.ndarray  # [4H], n r z q
    heads_t: np.ndarray  # [H, O]
    heads: np.ndarray  # [O, H]
    heads_bias: np.ndarray  # [O]
    actions: int  # A


class Gradient(NamedTuple):
    """The gradient in CHUNKS pieces; `rows` holds what `touched` marks, the rest of it is undefined."""

    rows: np.ndarray  # float32 [CHUNKS, R, I]
    touched: np.ndarray  # uint8 [CHUNKS, R]
    bias: np.ndarray  # [CHUNKS, I]
    input_t: np.ndarray  # [CHUNKS, I, 3H]
    state_t: np.ndarray  # [CHUNKS, H, 3H]
    gates_bias: np.ndarray  # [CHUNKS, 4H]
    heads: np.ndarray  # [CHUNKS, O, H]
    heads_bias: np.ndarray  # [CHUNKS, O]
    bonus: np.ndarray  # [CHUNKS, O, H], the entropy bonus's part of `heads`
    sums: np.ndarray  # float64 [CHUNKS, SUMS]


class Sequences(NamedTuple):
    """What `selfplay.core.sequences.Sequences` holds, as arrays."""

    first: np.ndarray  # int64 [S]
    stride: np.ndarray  # int64 [S]
    length: np.ndarray  # int64 [S]
    restart: np.ndarray  # bool [R]
    state: np.ndarray  # float32 [R, H]


# No "nnan" and no "ninf": a NaN must stay one, the learner looks for it.
_INNER = {"nogil": True, "fastmath": {"contract", "reassoc", "nsz", "arcp"}, "error_model": "numpy"}
_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
_STEEP = np.float32(-2 / np.log(2))  # tanh x = (1 - 2^y) / (1 + 2^y) with y = _STEEP · x, for x ≥ 0
_FLAT = np.float32(9.5)  # float32's tanh is 1 from here on
# 2^f = Σ (ln 2)^k / k! · f^k, for |f| ≤ ½ to a float32's precision
_E1, _E2, _E3, _E4, _E5, _E6 = (np.float32(np.log(2) ** k / np.prod(np.arange(1.0, k + 1))) for k in range(1, 7))


@nb.njit(**_INNER)
def _tanh(x):
    """tanh to an absolute error of 2e-7, without a call or a branch: the library's takes 25 times as long."""
    a = abs(x)
    a = _FLAT if a > _FLAT else a  # lets NaN through
    y = a * _STEEP
    whole = np.floor(y + _HALF)
    f = y - whole
    power = _ONE + f * (_E1 + f * (_E2 + f * (_E3 + f * (_E4 + f * (_E5 + f * _E6)))))
    power *= np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)  # 2^whole, by its bits
    t = (_ONE - power) / (_ONE + power)
    return -t if x < _ZERO else t


@nb.njit(**_INNER)
def _add_product(c, at, a, start, b):
    """c [M, at : at + N] += a [M, start : start + K] @ b [K, N]; M and K are multiples of 8 and 4."""
    for m in range(0, a.shape[0], 8):
        c0, c1, c2, c3 = c[m, at:], c[m + 1, at:], c[m + 2, at:], c[m + 3, at:]
        c4, c5, c6, c7 = c[m + 4, at:], c[m + 5, at:], c[m + 6, at:], c[m + 7, at:]
        for k in range(0, b.shape[0], 4):
            j = start + k
            o0, o1, o2, o3 = a[m, j], a[m, j + 1], a[m, j + 2], a[m, j + 3]
            p0, p1, p2, p3 = a[m + 1, j], a[m + 1, j + 1], a[m + 1, j + 2], a[m + 1, j + 3]
            q0, q1, q2, q3 = a[m + 2, j], a[m + 2, j + 1], a[m + 2, j + 2], a[m + 2, j + 3]
            r0, r1, r2, r3 = a[m + 3, j], a[m + 3, j + 1], a[m + 3, j + 2], a[m + 3, j + 3]
            s0, s1, s2, s3 = a[m + 4, j], a[m + 4, j + 1], a[m + 4, j + 2], a[m + 4, j + 3]
            t0, t1, t2, t3 = a[m + 5, j], a[m + 5, j + 1], a[m + 5, j + 2], a[m + 5, j + 3]
            u0, u1, u2, u3 = a[m + 6, j], a[m + 6, j + 1], a[m + 6, j + 2], a[m + 6, j + 3]
            v0, v1, v2, v3 = a[m + 7, j], a[m + 7, j + 1], a[m + 7, j + 2], a[m + 7, j + 3]
            for n in range(b.shape[1]):
                b0, b1, b2, b3 = b[k, n], b[k + 1, n], b[k + 2, n], b[k + 3, n]
                c0[n] += o0 * b0 + o1 * b1 + o2 * b2 + o3 * b3
                c1[n] += p0 * b0 + p1 * b1 + p2 * b2 + p3 * b3
                c2[n] += q0 * b0 + q1 * b1 + q2 * b2 + q3 * b3
                c3[n] += r0 * b0 + r1 * b1 + r2 * b2 + r3 * b3
                c4[n] += s0 * b0 + s1 * b1 + s2 * b2 + s3 * b3
                c5[n] += t0 * b0 + t1 * b1 + t2 * b2 + t3 * b3
                c6[n] += u0 * b0 + u1 * b1 + u2 * b2 + u3 * b3
                c7[n] += v0 * b0 + v1 * b1 + v2 * b2 + v3 * b3


@nb.njit(**_INNER)
def _add_product_of_transposed(c, a, b, at):
    """c [M, N] += a [K, M].T @ b [K, at : at + N]; M and K are multiples of 8 and 4."""
    for m in range(0, c.shape[0], 8):
        for k in range(0, a.shape[0], 4):
            o0, o1, o2, o3 = a[k, m], a[k + 1, m], a[k + 2, m], a[k + 3, m]
            p0, p1, p2, p3 = a[k, m + 1], a[k + 1, m + 1], a[k + 2, m + 1], a[k + 3, m + 1]
            q0, q1, q2, q3 = a[k, m + 2], a[k + 1, m + 2], a[k + 2, m + 2], a[k + 3, m + 2]
            r0, r1, r2, r3 = a[k, m + 3], a[k + 1, m + 3], a[k + 2, m + 3], a[k + 3, m + 3]
            s0, s1, s2, s3 = a[k, m + 4], a[k + 1, m + 4], a[k + 2, m + 4], a[k + 3, m + 4]
            t0, t1, t2, t3 = a[k, m + 5], a[k + 1, m + 5], a[k + 2, m + 5], a[k + 3, m + 5]
            u0, u1, u2, u3 = a[k, m + 6], a[k + 1, m + 6], a[k + 2, m + 6], a[k + 3, m + 6]
            v0, v1, v2, v3 = a[k, m + 7], a[k + 1, m + 7], a[k + 2, m + 7], a[k + 3, m + 7]
            b0, b1, b2, b3 = b[k, at:], b[k + 1, at:], b[k + 2, at:], b[k + 3, at:]
            for n in range(c.shape[1]):
                c[m, n] += o0 * b0[n] + o1 * b1[n] + o2 * b2[n] + o3 * b3[n]
                c[m + 1, n] += p0 * b0[n] + p1 * b1[n] + p2 * b2[n] + p3 * b3[n]
                c[m + 2, n] += q0 * b0[n] + q1 * b1[n] + q2 * b2[n] + q3 * b3[n]
                c[m + 3, n] += r0 * b0[n] + r1 * b1[n] + r2 * b2[n] + r3 * b3[n]
                c[m + 4, n] += s0 * b0[n] + s1 * b1[n] + s2 * b2[n] + s3 * b3[n]
                c[m + 5, n] += t0 * b0[n] + t1 * b1[n] + t2 * b2[n] + t3 * b3[n]
                c[m + 6, n] += u0 * b0[n] + u1 * b1[n] + u2 * b2[n] + u3 * b3[n]
                c[m + 7, n] += v0 * b0[n] + v1 * b1[n] + v2 * b2[n] + v3 * b3[n]


@nb.njit(**_INNER)
def _set_rows(x, row):
    for b in range(x.shape[0]):
        for n in range(x.shape[1]):
            x[b, n] = row[n]


@nb.njit(**_INNER)
def _encode(tokens, net, rows, x):
    """x [I] = ReLU(bag of `tokens` [P]); returns the number of tokens out of range."""
    _copy(net.bias, x)
    count, invalid = _find_rows(tokens, net.offsets, net.sizes, rows)
    _sum_rows(net.table, rows, count, x)
    for i in range(x.shape[0]):
        x[i] = max(x[i], _ZERO)
    return invalid


@nb.njit(**_INNER)
def _columns(row, width):
    """The four parts of a row [4H]. As slices: an index with an offset might be negative, and is not vectorised."""
    return row[:width], row[width : 2 * width], row[2 * width : 3 * width], row[3 * width :]


@nb.njit(**_INNER)
def _activate(gates, h, y):
    """From the sums in gates [B, 4H] and h [B, H]: the gates, in their place, and y [B, H], remembered next."""
    for b in range(h.shape[0]):
        n, r, z, q = _columns(gates[b], h.shape[1])
        for j in range(h.shape[1]):
            r[j] = _HALF + _HALF * _tanh(_HALF * r[j])
        for j in range(h.shape[1]):
            z[j] = _HALF + _HALF * _tanh(_HALF * z[j])
        for j in range(h.shape[1]):
            n[j] = _tanh(n[j] + r[j] * q[j])
        for j in range(h.shape[1]):
            y[b, j] = n[j] + z[j] * (h[b, j] - n[j])


@nb.njit(**_INNER)
def _activate_backward(gates, h, dy, dh):
    """From dh [B, H] + dy, the gradient of y: that of the gates' sums, in their place, and dh, h's part through z."""
    for b in range(h.shape[0]):
        n, r, z, q = _columns(gates[b], h.shape[1])
        for j in range(h.shape[1]):
            of_y = dh[b, j] + dy[b, j]
            of_n = of_y * (_ONE - z[j]) * (_ONE - n[j] * n[j])
            of_z = of_y * (h[b, j] - n[j]) * z[j] * (_ONE - z[j])
            dh[b, j] = of_y * z[j]
            of_r = of_n * q[j] * r[j] * (_ONE - r[j])
            n[j], z[j], q[j], r[j] = of_n, of_z, of_n * r[j], of_r


@kernel(parallel=True)
def act(net, tokens, state, uniform, action, log_prob, value, after):
    """Forward pass of B observations and one action each.

    tokens: uint8 [B, P]. state: float32 [B, H], remembered before. uniform: float32 [B], in [0, 1) to sample or
    negative for the likeliest action. Writes action int64 [B], log_prob float32 [B], value float32 [B, K] and after
    float32 [B, H], remembered next. Returns the number of tokens out of range.
    """
    batch, streams = value.shape
    width, actions = state.shape[1], net.actions
    invalid = 0
    for tile in nb.prange((batch + ACTING - 1) // ACTING):
        low, high = tile * ACTING, min(batch, tile * ACTING + ACTING)
        rows = np.empty(tokens.shape[1], np.int32)
        x, h = np.zeros((ACTING, net.bias.shape[0]), np.float32), np.zeros((ACTING, width), np.float32)
        gates, y = np.empty((ACTING, 4 * width), np.float32), np.empty((ACTING, width), np.float32)
        out = np.empty((ACTING, net.heads_bias.shape[0]), np.float32)
        for n in range(low, high):
            invalid += _encode(tokens[n], net, rows, x[n - low])
            _copy(state[n], h[n - low])
        _set_rows(gates, net.gates_bias)
        _add_product(gates, 0, x, 0, net.input_t)
        _add_product(gates, width, h, 0, net.state_t)
        _activate(gates, h, y)
        _set_rows(out, net.heads_bias)
        _add_product(out, 0, y, 0, net.heads_t)
        for n in range(low, high):
            action[n], log_prob[n] = _choose(out[n - low, :actions], uniform[n])
            _copy(out[n - low, actions : actions + streams], value[n])
            _copy(y[n - low], after[n])
    return invalid


@nb.njit(**_INNER)
def _tile_forward(tokens, net, sequences, here, steps, rows, x, h, gates, y, out):
    """The network over `steps` steps of sequences `here` (at most TILE); returns the number of tokens out of range."""
    width = h.shape[1]
    invalid = 0
    for t in range(steps):
        for b in range(TILE):
            s = t * TILE + b
            if b < here.shape[0] and t < sequences.length[here[b]]:
                n = sequences.first[here[b]] + t * sequences.stride[here[b]]
                invalid += _encode(tokens[n], net, rows, x[s])
            else:
                for i in range(x.shape[1]):
                    x[s, i] = _ZERO
    _set_rows(gates, net.gates_bias)
    _add_product(gates, 0, x, 0, net.input_t)
    for t in range(steps):
        low, high = t * TILE, t * TILE + TILE
        for b in range(TILE):
            s = t * TILE + b
            if b < here.shape[0] and t < sequences.length[here[b]]:
                n = sequences.first[here[b]] + t * sequences.stride[here[b]]
                _copy(sequences.state[n] if t == 0 or sequences.restart[n] else y[s - TILE], h[s])
            else:
                for j in range(width):
                    h[s, j] = _ZERO
        _add_product(gates[low:high], width, h[low:high], 0, net.state_t)
        _activate(gates[low:high], h[low:high], y[low:high])
    _set_rows(out, net.heads_bias)
    _add_product(out, 0, y, 0, net.heads_t)
    return invalid


@nb.njit(**_INNER)
def _tile_backward(net, sequences, here, steps, x, h, gates, y, d, dx, dy, dh, gradient, chunk):
    """From d, the gradient of the outputs: dx, that of the bag's sums, and this chunk's dense parts."""
    width = h.shape[1]
    _add_product_of_transposed(gradient.heads[chunk], d, y, 0)
    _add_columns(gradient.heads_bias[chunk], d)
    _zero(dy)
    _add_product(dy, 0, d, 0, net.heads)
    _zero(dh)
    for t in range(steps - 1, -1, -1):
        low, high = t * TILE, t * TILE + TILE
        _activate_backward(gates[low:high], h[low:high], dy[low:high], dh)
        if t > 0:
            _add_product(dh, 0, gates[low:high], width, net.state)
            for b in range(here.shape[0]):
                n = sequences.first[here[b]] + t * sequences.stride[here[b]]
                if t < sequences.length[here[b]] and sequences.restart[n]:
                    for j in range(width):
                        dh[b, j] = _ZERO
    _add_product_of_transposed(gradient.input_t[chunk], x, gates, 0)
    _add_product_of_transposed(gradient.state_t[chunk], h, gates, width)
    _add_columns(gradient.gates_bias[chunk], gates)
    _zero(dx)
    _add_product(dx, 0, gates, 0, net.input)
    _relu_backward(dx, x)
    _add_columns(gradient.bias[chunk], dx)


@nb.njit(**_INNER)
def _clear(gradient, chunk):
    gradient.bias[chunk, :] = _ZERO
    gradient.gates_bias[chunk, :] = _ZERO
    gradient.heads_bias[chunk, :] = _ZERO
    gradient.sums[chunk, :] = 0.0
    _zero(gradient.input_t[chunk])
    _zero(gradient.state_t[chunk])
    _zero(gradient.heads[chunk])
    _zero(gradient.bonus[chunk])


@nb.njit(**_INNER)
def _tile(net, samples, sequences, here, by, scale, gradient, chunk):
    """Loss and gradient of sequences `here` (at most TILE, the longest first), added to this chunk's pieces."""
    inputs, width, outputs = net.bias.shape[0], net.state.shape[1], net.heads_bias.shape[0]
    steps = sequences.length[here[0]]
    total = steps * TILE
    rows = np.empty(samples.tokens.shape[1], np.int32)
    x, dx = np.empty((total, inputs), np.float32), np.empty((total, inputs), np.float32)
    h, y = np.empty((total, width), np.float32), np.empty((total, width), np.float32)
    dy = np.empty((total, width), np.float32)
    gates, dh = np.empty((total, 4 * width), np.float32), np.empty((TILE, width), np.float32)
    out = np.empty((total, outputs), np.float32)
    d, d_bonus = np.zeros((total, outputs), np.float32), np.zeros((total, outputs), np.float32)
    invalid = _tile_forward(samples.tokens, net, sequences, here, steps, rows, x, h, gates, y, out)
    gradient.sums[chunk, INVALID] += invalid
    for b in range(here.shape[0]):
        first, stride = sequences.first[here[b]], sequences.stride[here[b]]
        for t in range(sequences.length[here[b]]):
            s, n = t * TILE + b, first + t * stride
            _sample_gradient(out[s], net.actions, samples, n, by, scale, d[s], d_bonus[s], gradient.sums[chunk])
    _add_product_of_transposed(gradient.bonus[chunk], d_bonus, y, 0)
    _tile_backward(net, sequences, here, steps, x, h, gates, y, d, dx, dy, dh, gradient, chunk)
    for b in range(here.shape[0]):
        first, stride = sequences.first[here[b]], sequences.stride[here[b]]
        for t in range(sequences.length[here[b]]):
            count, _ = _find_rows(samples.tokens[first + t * stride], net.offsets, net.sizes, rows)
            _scatter_rows(gradient.rows[chunk], gradient.touched[chunk], rows, count, dx[t * TILE + b])


@kernel(parallel=True)
def loss_gradient(net, samples, sequences, index, bounds, scale, by, gradient):
    """PPO's loss on sequences `index` as `selfplay.core.sequences.sequence_loss` has it: writes `gradient`.

    index: int64 [B], the longest first. bounds: int64 [CHUNKS + 1], which tiles of `index` each chunk works through.
    scale: 1 over the number of steps.
    """
    for chunk in nb.prange(CHUNKS):
        _clear(gradient, chunk)
        for tile in range(bounds[chunk], bounds[chunk + 1]):
            here = index[tile * TILE : min(index.shape[0], tile * TILE + TILE)]
            _tile(net, samples, sequences, here, by, scale, gradient, chunk)
