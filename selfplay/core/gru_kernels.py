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
from selfplay.core.kernels import find_rows, scatter_rows, sum_rows
from selfplay.core.losses import INVALID, choose, sample_gradient
from selfplay.core.products import add_product, add_product_of_transposed
from selfplay.core.tiles import CHUNKS, HALF, INNER, ONE, ZERO, add_columns, copy, relu_backward, tanh, zero

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


@nb.njit(**INNER)
def _set_rows(x, row):
    for b in range(x.shape[0]):
        for n in range(x.shape[1]):
            x[b, n] = row[n]


@nb.njit(**INNER)
def _encode(tokens, net, rows, x):
    """x [I] = ReLU(bag of `tokens` [P]); returns the number of tokens out of range."""
    copy(net.bias, x)
    count, invalid = find_rows(tokens, net.offsets, net.sizes, rows)
    sum_rows(net.table, rows, count, x)
    for i in range(x.shape[0]):
        x[i] = max(x[i], ZERO)
    return invalid


@nb.njit(**INNER)
def _columns(row, width):
    """The four parts of a row [4H]. As slices: an index with an offset might be negative, and is not vectorised."""
    return row[:width], row[width : 2 * width], row[2 * width : 3 * width], row[3 * width :]


@nb.njit(**INNER)
def _activate(gates, h, y):
    """From the sums in gates [B, 4H] and h [B, H]: the gates, in their place, and y [B, H], remembered next."""
    for b in range(h.shape[0]):
        n, r, z, q = _columns(gates[b], h.shape[1])
        for j in range(h.shape[1]):
            r[j] = HALF + HALF * tanh(HALF * r[j])
        for j in range(h.shape[1]):
            z[j] = HALF + HALF * tanh(HALF * z[j])
        for j in range(h.shape[1]):
            n[j] = tanh(n[j] + r[j] * q[j])
        for j in range(h.shape[1]):
            y[b, j] = n[j] + z[j] * (h[b, j] - n[j])


@nb.njit(**INNER)
def _activate_backward(gates, h, dy, dh):
    """From dh [B, H] + dy, the gradient of y: that of the gates' sums, in their place, and dh, h's part through z."""
    for b in range(h.shape[0]):
        n, r, z, q = _columns(gates[b], h.shape[1])
        for j in range(h.shape[1]):
            of_y = dh[b, j] + dy[b, j]
            of_n = of_y * (ONE - z[j]) * (ONE - n[j] * n[j])
            of_z = of_y * (h[b, j] - n[j]) * z[j] * (ONE - z[j])
            dh[b, j] = of_y * z[j]
            of_r = of_n * q[j] * r[j] * (ONE - r[j])
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
            copy(state[n], h[n - low])
        _set_rows(gates, net.gates_bias)
        add_product(gates, x, net.input_t)
        add_product(gates, h, net.state_t, c_at=width)
        _activate(gates, h, y)
        _set_rows(out, net.heads_bias)
        add_product(out, y, net.heads_t)
        for n in range(low, high):
            action[n], log_prob[n] = choose(out[n - low, :actions], uniform[n])
            copy(out[n - low, actions : actions + streams], value[n])
            copy(y[n - low], after[n])
    return invalid


@nb.njit(**INNER)
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
                    x[s, i] = ZERO
    _set_rows(gates, net.gates_bias)
    add_product(gates, x, net.input_t)
    for t in range(steps):
        low, high = t * TILE, t * TILE + TILE
        for b in range(TILE):
            s = t * TILE + b
            if b < here.shape[0] and t < sequences.length[here[b]]:
                n = sequences.first[here[b]] + t * sequences.stride[here[b]]
                copy(sequences.state[n] if t == 0 or sequences.restart[n] else y[s - TILE], h[s])
            else:
                for j in range(width):
                    h[s, j] = ZERO
        add_product(gates[low:high], h[low:high], net.state_t, c_at=width)
        _activate(gates[low:high], h[low:high], y[low:high])
    _set_rows(out, net.heads_bias)
    add_product(out, y, net.heads_t)
    return invalid


@nb.njit(**INNER)
def _tile_backward(net, sequences, here, steps, x, h, gates, y, d, dx, dy, dh, gradient, chunk):
    """From d, the gradient of the outputs: dx, that of the bag's sums, and this chunk's dense parts."""
    width = h.shape[1]
    add_product_of_transposed(gradient.heads[chunk], d, y)
    add_columns(gradient.heads_bias[chunk], d)
    zero(dy)
    add_product(dy, d, net.heads)
    zero(dh)
    for t in range(steps - 1, -1, -1):
        low, high = t * TILE, t * TILE + TILE
        _activate_backward(gates[low:high], h[low:high], dy[low:high], dh)
        if t > 0:
            add_product(dh, gates[low:high], net.state, a_at=width)
            for b in range(here.shape[0]):
                n = sequences.first[here[b]] + t * sequences.stride[here[b]]
                if t < sequences.length[here[b]] and sequences.restart[n]:
                    for j in range(width):
                        dh[b, j] = ZERO
    add_product_of_transposed(gradient.input_t[chunk], x, gates)
    add_product_of_transposed(gradient.state_t[chunk], h, gates, b_at=width)
    add_columns(gradient.gates_bias[chunk], gates)
    zero(dx)
    add_product(dx, gates, net.input)
    relu_backward(dx, x)
    add_columns(gradient.bias[chunk], dx)


@nb.njit(**INNER)
def _clear(gradient, chunk):
    gradient.bias[chunk, :] = ZERO
    gradient.gates_bias[chunk, :] = ZERO
    gradient.heads_bias[chunk, :] = ZERO
    gradient.sums[chunk, :] = 0.0
    zero(gradient.input_t[chunk])
    zero(gradient.state_t[chunk])
    zero(gradient.heads[chunk])
    zero(gradient.bonus[chunk])


@nb.njit(**INNER)
def _tile(net, samples, sequences, here, by, scale, gradient, chunk):
    """Loss and gradient of sequences `here` (at most TILE, the longest first), added to this chunk's pieces."""
    inputs, width, outputs = net.bias.shape[0], net.state.shape[1], net.heads_bias.shape[0]
    steps = sequences.length[here[0]]
    total = steps * TILE
    rows = np.empty(samples.obs.shape[1], np.int32)
    x, dx = np.empty((total, inputs), np.float32), np.empty((total, inputs), np.float32)
    h, y = np.empty((total, width), np.float32), np.empty((total, width), np.float32)
    dy = np.empty((total, width), np.float32)
    gates, dh = np.empty((total, 4 * width), np.float32), np.empty((TILE, width), np.float32)
    out = np.empty((total, outputs), np.float32)
    d, d_bonus = np.zeros((total, outputs), np.float32), np.zeros((total, outputs), np.float32)
    invalid = _tile_forward(samples.obs, net, sequences, here, steps, rows, x, h, gates, y, out)
    gradient.sums[chunk, INVALID] += invalid
    for b in range(here.shape[0]):
        first, stride = sequences.first[here[b]], sequences.stride[here[b]]
        for t in range(sequences.length[here[b]]):
            s, n = t * TILE + b, first + t * stride
            sample_gradient(out[s], net.actions, samples, n, by, scale, d[s], d_bonus[s], gradient.sums[chunk])
    add_product_of_transposed(gradient.bonus[chunk], d_bonus, y)
    _tile_backward(net, sequences, here, steps, x, h, gates, y, d, dx, dy, dh, gradient, chunk)
    for b in range(here.shape[0]):
        first, stride = sequences.first[here[b]], sequences.stride[here[b]]
        for t in range(sequences.length[here[b]]):
            count, _ = find_rows(samples.obs[first + t * stride], net.offsets, net.sizes, rows)
            scatter_rows(gradient.rows[chunk], gradient.touched[chunk], rows, count, dx[t * TILE + b])


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
