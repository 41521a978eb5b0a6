"""A random stream per environment, by counting.

A stream is two `uint64`: a key and a counter. Draw number `c` of key `k` is SplitMix64's output function applied to
`k + c·φ` (Steele, Lea and Flood, 2014), so a stream depends on nothing but its key and how often it was asked: not on
the thread that asked, not on the number of environments beside it.
"""

from __future__ import annotations

from pathlib import Path

import numba as nb
import numpy as np

from envs.jit import DigestCache, digest

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@nb.njit(inline="always")
def _mix(z):
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


@nb.njit(inline="always")
def next_u64(stream):
    """The next 64 random bits of `stream` (uint64 [2], advanced in place)."""
    stream[1] += np.uint64(1)
    return _mix(stream[0] + stream[1] * _GOLDEN)


@nb.njit(inline="always")
def randint(stream, low, high):
    """A uniform integer in [low, high), as `numpy.random.Generator.integers` counts. Needs `low < high`."""
    span = np.uint64(high - low)
    return low + np.int64(((next_u64(stream) >> np.uint64(32)) * span) >> np.uint64(32))


@nb.njit(inline="always")
def uniform(stream):
    """A uniform float64 in [0, 1) with 53 random bits."""
    return np.float64(next_u64(stream) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@nb.njit(nogil=True)
def seed_streams(streams, seed, first):
    """Start streams `first, first + 1, …` of `seed` in `streams` (uint64 [N, 2]): key n depends on (seed, n) only."""
    base = _mix(np.uint64(seed) * _GOLDEN + np.uint64(0x5851F42D4C957F2D))
    for n in range(streams.shape[0]):
        streams[n, 0] = _mix(base + np.uint64(first + n + 1) * _MIX_1)
        streams[n, 1] = 0


seed_streams._cache = DigestCache(seed_streams.py_func, digest([Path(__file__)]))
