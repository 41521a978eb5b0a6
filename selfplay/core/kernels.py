"""The numba kernels of the policy-gradient core, all in one file so that numba's disk cache sees every change.

The first layer reads a bag of table rows (`selfplay.core.encoders.BagEncoder`), so its cost is the number of tokens
that are not 0. The network is `bag → ReLU → linear → ReLU → heads`; samples are worked through in tiles of `TILE`.
Work is cut into `CHUNKS` pieces whatever the number of threads, and pieces are added up in their order: results do not
depend on how many threads there are.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

TILE = 32
"""Samples that pass through the network together; their activations stay in the first-level cache."""
CHUNKS = 24
"""Pieces a gradient is summed in: divisible by 2, 3, 4, 6 and 8 threads."""
SURROGATE, VALUE, ENTROPY, KL, CLIPPED, INVALID = range(6)
SUMS = 6
"""Columns of the sums that `loss_gradient` returns."""


class Network(NamedTuple):
    """The parameters the kernels read: R rows, widths H and J, A actions + K values padded to O outputs.

    The `_t` arrays are transposed copies, so that every product runs along rows.
    """

    offsets: np.ndarray  # int32 [P], first row of each token
    sizes: np.ndarray  # int32 [P], rows of each token
    table: np.ndarray  # float32 [R, H]
    bias: np.ndarray  # [H]
    hidden_t: np.ndarray  # [H, J]
    hidden: np.ndarray  # [J, H]
    hidden_bias: np.ndarray  # [J]
    heads_t: np.ndarray  # [J, O]
    heads: np.ndarray  # [O, J]
    heads_bias: np.ndarray  # [O]
    actions: int  # A


class Gradient(NamedTuple):
    """The gradient in CHUNKS pieces; `rows` holds what `touched` marks, the rest of it is undefined."""

    rows: np.ndarray  # float32 [CHUNKS, R, H]
    touched: np.ndarray  # uint8 [CHUNKS, R]
    bias: np.ndarray  # [CHUNKS, H]
    hidden: np.ndarray  # [CHUNKS, J, H]
    hidden_bias: np.ndarray  # [CHUNKS, J]
    heads: np.ndarray  # [CHUNKS, O, J]
    heads_bias: np.ndarray  # [CHUNKS, O]
    bonus: np.ndarray  # [CHUNKS, O, J], the entropy bonus's part of `heads`
    sums: np.ndarray  # float64 [CHUNKS, SUMS]


class Samples(NamedTuple):
    """What was played: S steps, one row each."""

    tokens: np.ndarray  # uint8 [S, P]
    action: np.ndarray  # int64 [S]
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


# No "nnan" and no "ninf": a NaN must stay one, the learner looks for it.
_FAST = {"contract", "reassoc", "nsz", "arcp"}
_INNER = {"nogil": True, "fastmath": _FAST, "error_model": "numpy"}
_OUTER = {"nogil": True, "error_model": "numpy", "parallel": True, "cache": True}
_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)


@nb.njit(**_INNER)
def _find_rows(tokens, offsets, sizes, rows):
    """Write the table rows that `tokens` [P] name into `rows`; return (how many, how many tokens were out of range)."""
    count = 0
    invalid = 0
    for p in range(tokens.shape[0]):  # without branches: which tokens are 0 cannot be predicted
        token = np.int32(tokens[p])
        rows[count] = offsets[p] + token
        known = token < sizes[p]
        count += np.int64((token != 0) & known)
        invalid += np.int64(not known)
    return count, invalid


@nb.njit(**_INNER)
def _sum_rows(table, rows, count, out):
    """out [H] += the sum of `count` rows of `table` [R, H], four at a time to spare loads and stores of `out`."""
    i = 0
    while i + 4 <= count:
        a, b, c, d = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
        for h in range(out.shape[0]):
            out[h] += (table[a, h] + table[b, h]) + (table[c, h] + table[d, h])
        i += 4
    while i < count:
        a = rows[i]
        for h in range(out.shape[0]):
            out[h] += table[a, h]
        i += 1


@nb.njit(**_INNER)
def _scatter_rows(partial, touched, rows, count, gradient):
    """partial [R, H] at `rows` += gradient [H]. A row is cleared when it is first touched, the others never."""
    for i in range(count):
        r = rows[i]
        if touched[r]:
            for h in range(gradient.shape[0]):
                partial[r, h] += gradient[h]
        else:
            touched[r] = 1
            for h in range(gradient.shape[0]):
                partial[r, h] = gradient[h]


@nb.njit(**_INNER)
def _add_product(c, a, b):
    """c [M, N] += a [M, K] @ b [K, N]; M and K are multiples of 4."""
    for m in range(0, a.shape[0], 4):
        for k in range(0, a.shape[1], 4):
            p0, p1, p2, p3 = a[m, k], a[m, k + 1], a[m, k + 2], a[m, k + 3]
            q0, q1, q2, q3 = a[m + 1, k], a[m + 1, k + 1], a[m + 1, k + 2], a[m + 1, k + 3]
            r0, r1, r2, r3 = a[m + 2, k], a[m + 2, k + 1], a[m + 2, k + 2], a[m + 2, k + 3]
            s0, s1, s2, s3 = a[m + 3, k], a[m + 3, k + 1], a[m + 3, k + 2], a[m + 3, k + 3]
            for n in range(c.shape[1]):
                b0, b1, b2, b3 = b[k, n], b[k + 1, n], b[k + 2, n], b[k + 3, n]
                c[m, n] += p0 * b0 + p1 * b1 + p2 * b2 + p3 * b3
                c[m + 1, n] += q0 * b0 + q1 * b1 + q2 * b2 + q3 * b3
                c[m + 2, n] += r0 * b0 + r1 * b1 + r2 * b2 + r3 * b3
                c[m + 3, n] += s0 * b0 + s1 * b1 + s2 * b2 + s3 * b3


@nb.njit(**_INNER)
def _add_product_of_transposed(c, a, b):
    """c [M, N] += a [K, M].T @ b [K, N]; M and K are multiples of 4."""
    for m in range(0, a.shape[1], 4):
        for k in range(0, a.shape[0], 4):
            p0, p1, p2, p3 = a[k, m], a[k + 1, m], a[k + 2, m], a[k + 3, m]
            q0, q1, q2, q3 = a[k, m + 1], a[k + 1, m + 1], a[k + 2, m + 1], a[k + 3, m + 1]
            r0, r1, r2, r3 = a[k, m + 2], a[k + 1, m + 2], a[k + 2, m + 2], a[k + 3, m + 2]
            s0, s1, s2, s3 = a[k, m + 3], a[k + 1, m + 3], a[k + 2, m + 3], a[k + 3, m + 3]
            for n in range(c.shape[1]):
                b0, b1, b2, b3 = b[k, n], b[k + 1, n], b[k + 2, n], b[k + 3, n]
                c[m, n] += p0 * b0 + p1 * b1 + p2 * b2 + p3 * b3
                c[m + 1, n] += q0 * b0 + q1 * b1 + q2 * b2 + q3 * b3
                c[m + 2, n] += r0 * b0 + r1 * b1 + r2 * b2 + r3 * b3
                c[m + 3, n] += s0 * b0 + s1 * b1 + s2 * b2 + s3 * b3


@nb.njit(**_INNER)
def _layer(x, weight_t, bias, out):
    """out [TILE, N] = x [TILE, K] @ weight_t [K, N] + bias [N]."""
    for b in range(out.shape[0]):
        for n in range(out.shape[1]):
            out[b, n] = bias[n]
    _add_product(out, x, weight_t)


@nb.njit(**_INNER)
def _zero(x):
    for b in range(x.shape[0]):
        for n in range(x.shape[1]):
            x[b, n] = _ZERO


@nb.njit(**_INNER)
def _copy(x, out):
    for n in range(out.shape[0]):
        out[n] = x[n]


@nb.njit(**_INNER)
def _relu(x):
    for b in range(x.shape[0]):
        for n in range(x.shape[1]):
            x[b, n] = max(x[b, n], _ZERO)


@nb.njit(**_INNER)
def _tile_forward(tokens, index, net, rows, counts, h1, h2, out):
    """The network on samples `index` (at most TILE); returns the number of tokens out of range."""
    invalid = 0
    for b in range(TILE):
        _copy(net.bias, h1[b])
        if b < index.shape[0]:
            counts[b], wrong = _find_rows(tokens[index[b]], net.offsets, net.sizes, rows[b])
            invalid += wrong
            _sum_rows(net.table, rows[b], counts[b], h1[b])
    _relu(h1)
    _layer(h1, net.hidden_t, net.hidden_bias, h2)
    _relu(h2)
    _layer(h2, net.heads_t, net.heads_bias, out)
    return invalid


@nb.njit(**_INNER)
def _tile_backward(net, h1, h2, d, d1, d2, gradient, chunk):
    """From d [TILE, O], the gradient of `out`: d1 [TILE, H], that of the bag's sums, and this chunk's dense parts."""
    _add_product_of_transposed(gradient.heads[chunk], d, h2)
    _add_columns(gradient.heads_bias[chunk], d)
    _zero(d2)
    _add_product(d2, d, net.heads)
    _relu_backward(d2, h2)
    _add_product_of_transposed(gradient.hidden[chunk], d2, h1)
    _add_columns(gradient.hidden_bias[chunk], d2)
    _zero(d1)
    _add_product(d1, d2, net.hidden)
    _relu_backward(d1, h1)
    _add_columns(gradient.bias[chunk], d1)


@nb.njit(**_INNER)
def _relu_backward(gradient, y):
    for b in range(y.shape[0]):
        for n in range(y.shape[1]):
            gradient[b, n] = gradient[b, n] if y[b, n] > _ZERO else _ZERO


@nb.njit(**_INNER)
def _add_columns(out, x):
    """out [N] += the sum of x [M, N] over M."""
    for b in range(x.shape[0]):
        for n in range(x.shape[1]):
            out[n] += x[b, n]


@nb.njit(**_INNER)
def _log_normaliser(logits):
    """log Σ exp(logits)."""
    top = logits[0]
    for j in range(1, logits.shape[0]):
        top = max(top, logits[j])
    total = _ZERO
    for j in range(logits.shape[0]):
        total += np.exp(logits[j] - top)
    return top + np.log(total)


@nb.njit(**_INNER)
def _choose(logits, uniform):
    """An action by inverse CDF from `uniform` in [0, 1), or the likeliest one if `uniform` is negative."""
    best = 0
    for j in range(1, logits.shape[0]):
        if logits[j] > logits[best]:
            best = j
    normaliser = _log_normaliser(logits)
    action = best
    if uniform >= _ZERO:
        action = logits.shape[0] - 1
        below = _ZERO
        for j in range(logits.shape[0]):
            below += np.exp(logits[j] - normaliser)
            if uniform < below:
                action = j
                break
    return action, logits[action] - normaliser


@nb.njit(**_OUTER)
def act(net, tokens, index, uniform, action, log_prob, value):
    """Forward pass of B observations and one action each.

    index: int64 [B], 0 … B - 1. uniform: float32 [B], in [0, 1) to sample or negative for the likeliest action. Writes
    action int64 [B], log_prob float32 [B] and value float32 [B, K]. Returns the number of tokens out of range.
    """
    batch, streams = value.shape
    actions = net.actions
    invalid = 0
    for tile in nb.prange((batch + TILE - 1) // TILE):
        here = index[tile * TILE : min(batch, tile * TILE + TILE)]
        rows, counts, h1, h2, out = _workspace(tokens, net)
        invalid += _tile_forward(tokens, here, net, rows, counts, h1, h2, out)
        for b in range(here.shape[0]):
            n = here[b]
            action[n], log_prob[n] = _choose(out[b, :actions], uniform[n])
            _copy(out[b, actions : actions + streams], value[n])
    return invalid


@nb.njit(**_INNER)
def _workspace(tokens, net):
    return (
        np.empty((TILE, tokens.shape[1]), np.int32),
        np.empty(TILE, np.int64),
        np.empty((TILE, net.bias.shape[0]), np.float32),
        np.empty((TILE, net.hidden_bias.shape[0]), np.float32),
        np.empty((TILE, net.heads_bias.shape[0]), np.float32),
    )


@nb.njit(**_INNER)
def _sample_gradient(out, actions, samples, n, by, scale, d, d_bonus, sums):
    """Gradient of sample n's loss to its `out` [O], times `scale`, into `d` [O]; its terms are added to `sums`.

    d_bonus [O] gets the entropy bonus's part of it.
    """
    streams = samples.returns.shape[1]
    action = samples.action[n]
    advantage = (samples.advantage[n] - by.centre) / by.spread
    top = out[0]
    for j in range(1, actions):
        top = max(top, out[j])
    total = _ZERO
    for j in range(actions):
        d[j] = np.exp(out[j] - top)
        total += d[j]
    normaliser = top + np.log(total)
    entropy = _ZERO
    for j in range(actions):
        d[j] /= total
        entropy -= d[j] * (out[j] - normaliser)
    log_ratio = out[action] - normaliser - samples.log_prob[n]
    ratio = np.exp(log_ratio)
    limited = min(max(ratio, _ONE - by.clip), _ONE + by.clip)
    # The surrogate is min(ratio·A, limited·A): flat in the policy where the limited term is the smaller one.
    slope = -advantage * ratio
    if limited * advantage < ratio * advantage:
        slope = _ZERO
    for j in range(actions):
        p = d[j]
        of_policy = -slope * p
        if j == action:
            of_policy += slope
        of_entropy = by.entropy * p * (out[j] - normaliser + entropy)
        d_bonus[j] = scale * of_entropy
        d[j] = scale * (of_policy + of_entropy)
    value_loss = _ZERO
    for k in range(streams):
        error = out[actions + k] - samples.returns[n, k]
        slope = error
        loss = error * error
        if by.clip_value > _ZERO:
            moved = out[actions + k] - samples.value[n, k]
            limited_error = samples.value[n, k] + min(max(moved, -by.clip_value), by.clip_value) - samples.returns[n, k]
            if limited_error * limited_error > loss:
                loss = limited_error * limited_error
                slope = limited_error if abs(moved) <= by.clip_value else _ZERO
        value_loss += _HALF * loss
        d[actions + k] = scale * by.value * slope
    sums[SURROGATE] -= min(ratio * advantage, limited * advantage)
    sums[VALUE] += value_loss
    sums[ENTROPY] += entropy
    sums[KL] += ratio - _ONE - log_ratio
    sums[CLIPPED] += np.float64(abs(ratio - _ONE) > by.clip)


@nb.njit(**_INNER)
def _clear(gradient, chunk):
    # A function of its own: written inside the prange, numba 0.68 drops assignments to slices of a tuple's arrays.
    gradient.bias[chunk, :] = _ZERO
    gradient.hidden_bias[chunk, :] = _ZERO
    gradient.heads_bias[chunk, :] = _ZERO
    gradient.sums[chunk, :] = 0.0
    _zero(gradient.hidden[chunk])
    _zero(gradient.heads[chunk])
    _zero(gradient.bonus[chunk])


@nb.njit(**_OUTER)
def loss_gradient(net, samples, index, by, gradient):
    """PPO's loss on samples `index` (int64 [B]) as `selfplay.core.ppo.ppo_loss` has it: writes `gradient`."""
    batch = index.shape[0]
    scale = np.float32(1.0 / batch)
    tiles = (batch + TILE - 1) // TILE
    for chunk in nb.prange(CHUNKS):
        rows, counts, h1, h2, out = _workspace(samples.tokens, net)
        d, d_bonus = np.empty_like(out), np.empty_like(out)
        d1, d2 = np.empty_like(h1), np.empty_like(h2)
        _clear(gradient, chunk)
        for tile in range(tiles * chunk // CHUNKS, tiles * (chunk + 1) // CHUNKS):
            here = index[tile * TILE : min(batch, tile * TILE + TILE)]
            invalid = _tile_forward(samples.tokens, here, net, rows, counts, h1, h2, out)
            gradient.sums[chunk, INVALID] += invalid
            _zero(d)  # the padding and the samples a last tile lacks have no gradient
            _zero(d_bonus)
            for b in range(here.shape[0]):
                _sample_gradient(
                    out[b], net.actions, samples, here[b], by, scale, d[b], d_bonus[b], gradient.sums[chunk]
                )
            _add_product_of_transposed(gradient.bonus[chunk], d_bonus, h2)
            _tile_backward(net, h1, h2, d, d1, d2, gradient, chunk)
            for b in range(here.shape[0]):
                _scatter_rows(gradient.rows[chunk], gradient.touched[chunk], rows[b], counts[b], d1[b])


@nb.njit(**_OUTER)
def reduce_rows(partial, touched, live, out):
    """out [R, H] = Σ over chunks of the touched rows of partial [CHUNKS, R, H]; `touched` is cleared.

    live: uint8 [R], rows that ever had a gradient; marked here. The other rows of `out` are left as they are.
    """
    total = out.shape[0]
    for part in nb.prange(CHUNKS):
        low, high = total * part // CHUNKS, total * (part + 1) // CHUNKS
        for r in range(low, high):
            if live[r]:
                for h in range(out.shape[1]):
                    out[r, h] = _ZERO
        for chunk in range(partial.shape[0]):
            for r in range(low, high):
                if touched[chunk, r]:
                    touched[chunk, r] = 0
                    if live[r]:
                        for h in range(out.shape[1]):
                            out[r, h] += partial[chunk, r, h]
                    else:
                        live[r] = 1
                        _copy(partial[chunk, r], out[r])


@nb.njit(**_OUTER)
def bag_forward(tokens, offsets, sizes, table, bias, out):
    """out [B, H] = bias + the sum of the rows that tokens [B, P] name. Returns the number of tokens out of range."""
    batch = tokens.shape[0]
    invalid = 0
    for tile in nb.prange((batch + TILE - 1) // TILE):
        rows = np.empty(tokens.shape[1], np.int32)
        for b in range(tile * TILE, min(batch, tile * TILE + TILE)):
            _copy(bias, out[b])
            count, wrong = _find_rows(tokens[b], offsets, sizes, rows)
            invalid += wrong
            _sum_rows(table, rows, count, out[b])
    return invalid


@nb.njit(**_OUTER)
def bag_backward(tokens, offsets, sizes, gradient, partial, touched):
    """Scatter gradient [B, H] to the rows that tokens [B, P] name, in CHUNKS pieces for `reduce_rows`."""
    batch = tokens.shape[0]
    for chunk in nb.prange(CHUNKS):
        rows = np.empty(tokens.shape[1], np.int32)
        for b in range(batch * chunk // CHUNKS, batch * (chunk + 1) // CHUNKS):
            count, _ = _find_rows(tokens[b], offsets, sizes, rows)
            _scatter_rows(partial[chunk], touched[chunk], rows, count, gradient[b])
