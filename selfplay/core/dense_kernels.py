"""The numba kernels of a policy that sees vectors and takes continuous actions: towers of layers, by hand.

A tower is `depth` layers, the last of them linear; there is one for the policy and the values, or one for each. All
numbers of all layers lie in one vector, so that widths, depth and towers are data and one compiled kernel serves all.
Every width is padded with zeros (inputs and layers to multiples of 4, what a tower puts out to one of 8), samples are
worked through in tiles of `TILE`, and the tiles in `CHUNKS` pieces at most, which are added up in their order: results
do not depend on how many threads there are.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

from selfplay.core.gaussian_losses import choose, log_prob_of, sample_gradient
from selfplay.core.jit import kernel
from selfplay.core.losses import value_gradient
from selfplay.core.products import add_product, add_product_of_transposed
from selfplay.core.tiles import (
    CHUNKS,
    INNER,
    ONE,
    TILE,
    ZERO,
    add_columns,
    copy,
    layer,
    relu,
    relu_backward,
    tanh,
    zero,
)


class Network(NamedTuple):
    """The parameters the kernels read, P numbers for L layers, and what the policy's outputs mean.

    Layer l's weight [outputs, inputs] begins at `at[l]` of `numbers`, its bias behind it. The policy's tower puts out A
    means and, with `stops`, the logit of STOP less `offset`; `log_std` is where the A log deviations begin. The values
    are behind `values` other outputs of the last tower.
    """

    numbers: np.ndarray  # float32 [P]
    turned: np.ndarray  # float32 [P], every weight transposed in its place
    inputs: np.ndarray  # int64 [L]
    outputs: np.ndarray  # int64 [L]
    at: np.ndarray  # int64 [L]
    before: np.ndarray  # int64 [L + 1], Σ outputs of the layers before
    depth: int
    moves: int  # A
    values: int
    log_std: int
    stops: bool
    offset: np.float32
    bends: bool  # tanh between the layers, else ReLU


class Gradient(NamedTuple):
    """The gradient in pieces."""

    numbers: np.ndarray  # float32 [CHUNKS, P]
    sums: np.ndarray  # float64 [CHUNKS, SUMS + 1]


@kernel()
def refresh(net, place, parameter):
    """Copy `parameter` [n] to where `place` (int64 [n]) has it in `net.numbers`, and turn the weights."""
    for i in range(place.shape[0]):
        net.numbers[place[i]] = parameter[i]
    for k in range(net.at.shape[0]):
        weight = _weight(net.numbers, net, k)
        begin = net.at[k]
        for o in range(weight.shape[0]):
            for i in range(weight.shape[1]):
                net.turned[begin + i * weight.shape[0] + o] = weight[o, i]


@nb.njit(**INNER)
def _weight(numbers, net, k):
    """Layer k's weight [outputs, inputs] within `numbers` [P]."""
    inputs, outputs, begin = net.inputs[k], net.outputs[k], net.at[k]
    return numbers[begin : begin + inputs * outputs].reshape(outputs, inputs)


@nb.njit(**INNER)
def _turned(net, k):
    inputs, outputs, begin = net.inputs[k], net.outputs[k], net.at[k]
    return net.turned[begin : begin + inputs * outputs].reshape(inputs, outputs)


@nb.njit(**INNER)
def _bias(numbers, net, k):
    begin = net.at[k] + net.inputs[k] * net.outputs[k]
    return numbers[begin : begin + net.outputs[k]]


@nb.njit(**INNER)
def _out(net, k, rows, work):
    """What layer k puts out for a tile, [rows, outputs] within `work`."""
    begin = TILE * net.before[k]
    return work[begin : begin + rows * net.outputs[k]].reshape(rows, net.outputs[k])


@nb.njit(**INNER)
def _forward(net, x, work):
    """All towers on x [rows, D]; rows is a multiple of 4."""
    rows = x.shape[0]
    for k in range(net.at.shape[0]):
        source = x if k % net.depth == 0 else _out(net, k - 1, rows, work)
        out = _out(net, k, rows, work)
        layer(source, _turned(net, k), _bias(net.numbers, net, k), out)
        if (k + 1) % net.depth:
            if net.bends:
                _bend(out)
            else:
                relu(out)


@nb.njit(**INNER)
def _bend(x):
    for b in range(x.shape[0]):
        for n in range(x.shape[1]):
            x[b, n] = tanh(x[b, n])


@nb.njit(**INNER)
def _bend_backward(gradient, y):
    for b in range(y.shape[0]):
        for n in range(y.shape[1]):
            gradient[b, n] *= ONE - y[b, n] * y[b, n]


@nb.njit(**INNER)
def _backward(net, tower, x, work, of_out, spare, numbers):
    """From of_out, the gradient of what `tower` puts out, a piece's gradient; spare: [2, TILE · the greatest width]."""
    rows = x.shape[0]
    first = tower * net.depth
    d = of_out
    for k in range(first + net.depth - 1, first - 1, -1):
        source = x if k == first else _out(net, k - 1, rows, work)
        add_product_of_transposed(_weight(numbers, net, k), d, source)
        add_columns(_bias(numbers, net, k), d)
        if k > first:
            of_source = spare[k % 2, : rows * net.inputs[k]].reshape(rows, net.inputs[k])
            zero(of_source)
            add_product(of_source, d, _weight(net.numbers, net, k))
            if net.bends:
                _bend_backward(of_source, source)
            else:
                relu_backward(of_source, source)
            d = of_source


@kernel(parallel=True)
def act(net, obs, shift, factor, bound, noise, uniform, action, log_prob, value):
    """Forward pass of B observations and one action each.

    obs: float32 [B, D], seen as (obs - shift) · factor within ±bound; shift, factor: [D]. noise: float32 [B, A],
    standard normal or 0 for the likeliest action; uniform: float32 [B], for STOP. Writes action float32 [B, A (+ 1)],
    log_prob float32 [B] and value float32 [B, K].
    """
    batch = obs.shape[0]
    last = net.at.shape[0] - 1
    for tile in nb.prange((batch + TILE - 1) // TILE):
        low, high = tile * TILE, min(batch, tile * TILE + TILE)
        rows = (high - low + 3) // 4 * 4
        x = np.zeros((rows, net.inputs[0]), np.float32)
        for n in range(low, high):
            for i in range(obs.shape[1]):
                seen = (obs[n, i] - shift[i]) * factor[i]
                x[n - low, i] = bound if seen > bound else (-bound if seen < -bound else seen)  # lets NaN through
        work = np.empty(TILE * net.before[last + 1], np.float32)
        _forward(net, x, work)
        policy, values = _out(net, net.depth - 1, rows, work), _out(net, last, rows, work)
        for n in range(low, high):
            choose(net, policy[n - low], noise[n], uniform[n], action[n])
            log_prob[n] = log_prob_of(net, policy[n - low], action[n])
            copy(values[n - low, net.values :], value[n])


@nb.njit(**INNER)
def _chunk(net, samples, index, by, tiles, chunk, pieces, numbers, sums):
    """Loss and gradient of the tiles of a piece, written to `numbers` and `sums`."""
    last = net.at.shape[0] - 1
    batch, dimensions = index.shape[0], samples.obs.shape[1]
    scale = np.float32(1.0 / batch)
    numbers[:] = ZERO
    sums[:] = 0.0
    space = np.zeros((TILE, net.inputs[0]), np.float32)
    work = np.empty(TILE * net.before[last + 1], np.float32)
    widest = max(net.inputs.max(), net.outputs.max())
    spare = np.empty((2, TILE * widest), np.float32)
    heads = np.empty((2, TILE * widest), np.float32)
    for tile in range(tiles * chunk // pieces, tiles * (chunk + 1) // pieces):
        here = index[tile * TILE : min(batch, tile * TILE + TILE)]
        rows = (here.shape[0] + 3) // 4 * 4
        x = space[:rows]
        for b in range(here.shape[0]):
            for i in range(dimensions):
                x[b, i] = samples.obs[here[b], i]
        _forward(net, x, work)
        policy, values = _out(net, net.depth - 1, rows, work), _out(net, last, rows, work)
        of_policy = heads[0, : rows * policy.shape[1]].reshape(rows, policy.shape[1])
        own = last >= net.depth
        of_values = heads[1, : rows * values.shape[1]].reshape(rows, values.shape[1]) if own else of_policy
        zero(of_policy)  # the padding and the samples a last tile lacks have no gradient
        zero(of_values)
        for b in range(here.shape[0]):
            sample_gradient(net, policy[b], samples, here[b], by, scale, of_policy[b], numbers, sums)
            value_gradient(values[b, net.values :], samples, here[b], by, scale, of_values[b, net.values :], sums)
        _backward(net, 0, x, work, of_policy, spare, numbers)
        if own:
            _backward(net, 1, x, work, of_values, spare, numbers)


@kernel(parallel=True)
def loss_gradient(net, samples, index, by, gradient):
    """PPO's loss on samples `index` (int64 [B]) as `selfplay.core.ppo.ppo_loss` has it: writes `gradient`.

    The samples' observations are as the policy sees them. Returns how many pieces were written.
    """
    tiles = (index.shape[0] + TILE - 1) // TILE
    pieces = min(CHUNKS, tiles)
    for chunk in nb.prange(pieces):
        _chunk(net, samples, index, by, tiles, chunk, pieces, gradient.numbers[chunk], gradient.sums[chunk])
    return pieces


@kernel()
def reduce(pieces, place, out):
    """out [n] = the sum of pieces [C, P] at `place` (int64 [n])."""
    for i in range(place.shape[0]):
        total = ZERO
        for chunk in range(pieces.shape[0]):
            total += pieces[chunk, place[i]]
        out[i] = total
