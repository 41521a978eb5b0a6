"""The numba kernels of a policy that sees tokens and takes discrete actions, without a memory.

The first layer reads a bag of table rows (`selfplay.core.encoders.BagEncoder`), so its cost is the number of tokens
that are not 0. The network is `bag → ReLU → linear → ReLU → heads`; samples are worked through in tiles of `TILE`.
Work is cut into `CHUNKS` pieces whatever the number of threads, and pieces are added up in their order: results do not
depend on how many threads there are.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

from selfplay.core.jit import kernel
from selfplay.core.losses import INVALID, choose, sample_gradient
from selfplay.core.products import add_product, add_product_of_transposed
from selfplay.core.tiles import (
    CHUNKS,
    INNER,
    TILE,
    ZERO,
    add_columns,
    copy,
    layer,
    relu,
    relu_backward,
    zero,
)


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


@nb.njit(**INNER)
def find_rows(tokens, offsets, sizes, rows):
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


@nb.njit(**INNER)
def sum_rows(table, rows, count, out):
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


@nb.njit(**INNER)
def scatter_rows(partial, touched, rows, count, gradient):
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


@nb.njit(**INNER)
def _tile_forward(tokens, index, net, rows, counts, h1, h2, out):
    """The network on samples `index` (at most TILE); returns the number of tokens out of range."""
    invalid = 0
    for b in range(TILE):
        copy(net.bias, h1[b])
        if b < index.shape[0]:
            counts[b], wrong = find_rows(tokens[index[b]], net.offsets, net.sizes, rows[b])
            invalid += wrong
            sum_rows(net.table, rows[b], counts[b], h1[b])
    relu(h1)
    layer(h1, net.hidden_t, net.hidden_bias, h2)
    relu(h2)
    layer(h2, net.heads_t, net.heads_bias, out)
    return invalid


@nb.njit(**INNER)
def _tile_backward(net, h1, h2, d, d1, d2, gradient, chunk):
    """From d [TILE, O], the gradient of `out`: d1 [TILE, H], that of the bag's sums, and this chunk's dense parts."""
    add_product_of_transposed(gradient.heads[chunk], d, h2)
    add_columns(gradient.heads_bias[chunk], d)
    zero(d2)
    add_product(d2, d, net.heads)
    relu_backward(d2, h2)
    add_product_of_transposed(gradient.hidden[chunk], d2, h1)
    add_columns(gradient.hidden_bias[chunk], d2)
    zero(d1)
    add_product(d1, d2, net.hidden)
    relu_backward(d1, h1)
    add_columns(gradient.bias[chunk], d1)


@kernel(parallel=True)
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
            action[n], log_prob[n] = choose(out[b, :actions], uniform[n])
            copy(out[b, actions : actions + streams], value[n])
    return invalid


@nb.njit(**INNER)
def _workspace(tokens, net):
    return (
        np.empty((TILE, tokens.shape[1]), np.int32),
        np.empty(TILE, np.int64),
        np.empty((TILE, net.bias.shape[0]), np.float32),
        np.empty((TILE, net.hidden_bias.shape[0]), np.float32),
        np.empty((TILE, net.heads_bias.shape[0]), np.float32),
    )


@nb.njit(**INNER)
def _clear(gradient, chunk):
    # A function of its own: written inside the prange, numba 0.68 drops assignments to slices of a tuple's arrays.
    gradient.bias[chunk, :] = ZERO
    gradient.hidden_bias[chunk, :] = ZERO
    gradient.heads_bias[chunk, :] = ZERO
    gradient.sums[chunk, :] = 0.0
    zero(gradient.hidden[chunk])
    zero(gradient.heads[chunk])
    zero(gradient.bonus[chunk])


@kernel(parallel=True)
def loss_gradient(net, samples, index, by, gradient):
    """PPO's loss on samples `index` (int64 [B]) as `selfplay.core.ppo.ppo_loss` has it: writes `gradient`."""
    batch = index.shape[0]
    scale = np.float32(1.0 / batch)
    tiles = (batch + TILE - 1) // TILE
    for chunk in nb.prange(CHUNKS):
        rows, counts, h1, h2, out = _workspace(samples.obs, net)
        d, d_bonus = np.empty_like(out), np.empty_like(out)
        d1, d2 = np.empty_like(h1), np.empty_like(h2)
        _clear(gradient, chunk)
        for tile in range(tiles * chunk // CHUNKS, tiles * (chunk + 1) // CHUNKS):
            here = index[tile * TILE : min(batch, tile * TILE + TILE)]
            invalid = _tile_forward(samples.obs, here, net, rows, counts, h1, h2, out)
            gradient.sums[chunk, INVALID] += invalid
            zero(d)  # the padding and the samples a last tile lacks have no gradient
            zero(d_bonus)
            for b in range(here.shape[0]):
                sample_gradient(
                    out[b], net.actions, samples, here[b], by, scale, d[b], d_bonus[b], gradient.sums[chunk]
                )
            add_product_of_transposed(gradient.bonus[chunk], d_bonus, h2)
            _tile_backward(net, h1, h2, d, d1, d2, gradient, chunk)
            for b in range(here.shape[0]):
                scatter_rows(gradient.rows[chunk], gradient.touched[chunk], rows[b], counts[b], d1[b])


@kernel(parallel=True)
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
                    out[r, h] = ZERO
        for chunk in range(partial.shape[0]):
            for r in range(low, high):
                if touched[chunk, r]:
                    touched[chunk, r] = 0
                    if live[r]:
                        for h in range(out.shape[1]):
                            out[r, h] += partial[chunk, r, h]
                    else:
                        live[r] = 1
                        copy(partial[chunk, r], out[r])


@kernel(parallel=True)
def bag_forward(tokens, offsets, sizes, table, bias, out):
    """out [B, H] = bias + the sum of the rows that tokens [B, P] name. Returns the number of tokens out of range."""
    batch = tokens.shape[0]
    invalid = 0
    for tile in nb.prange((batch + TILE - 1) // TILE):
        rows = np.empty(tokens.shape[1], np.int32)
        for b in range(tile * TILE, min(batch, tile * TILE + TILE)):
            copy(bias, out[b])
            count, wrong = find_rows(tokens[b], offsets, sizes, rows)
            invalid += wrong
            sum_rows(table, rows, count, out[b])
    return invalid


@kernel(parallel=True)
def bag_backward(tokens, offsets, sizes, gradient, partial, touched):
    """Scatter gradient [B, H] to the rows that tokens [B, P] name, in CHUNKS pieces for `reduce_rows`."""
    batch = tokens.shape[0]
    for chunk in nb.prange(CHUNKS):
        rows = np.empty(tokens.shape[1], np.int32)
        for b in range(batch * chunk // CHUNKS, batch * (chunk + 1) // CHUNKS):
            count, _ = find_rows(tokens[b], offsets, sizes, rows)
            scatter_rows(partial[chunk], touched[chunk], rows, count, gradient[b])
