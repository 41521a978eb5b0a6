"""Random numbers for many environments at once, each from a stream of its own (`envs.rng`)."""

from __future__ import annotations

import math
from pathlib import Path

import numba as nb
import numpy as np

from envs import rng
from envs.jit import DigestCache, digest
from envs.rng import uniform


@nb.njit(nogil=True)
def _uniforms(streams, ids, out):
    for m in range(len(ids)):
        for k in range(out.shape[1]):
            out[m, k] = uniform(streams[ids[m]])


@nb.njit(nogil=True)
def _normals(streams, ids, out):
    for m in range(len(ids)):
        for k in range(out.shape[1]):
            radius = math.sqrt(-2.0 * math.log(1.0 - uniform(streams[ids[m]])))
            out[m, k] = radius * math.cos(2.0 * math.pi * uniform(streams[ids[m]]))


for _kernel in (_uniforms, _normals):
    _kernel._cache = DigestCache(_kernel.py_func, digest([Path(__file__), Path(rng.__file__)]))


class Draws:
    """The streams of environments `ids` (int [M]) among `streams` (uint64 [N, 2], advanced in place)."""

    def __init__(self, streams: np.ndarray, ids: np.ndarray) -> None:
        self._streams, self._ids = streams, ids

    def __len__(self) -> int:
        """M."""
        return len(self._ids)

    def only(self, mask: np.ndarray) -> Draws:
        """Those of the M where `mask` (bool [M]) holds."""
        return Draws(self._streams, self._ids[mask])

    def uniform(self, low: float, high: float, count: int) -> np.ndarray:
        """float64 [M, count], each uniform in [low, high)."""
        out = np.empty((len(self), count))
        _uniforms(self._streams, self._ids, out)
        return low + (high - low) * out

    def normal(self, scale: float, count: int) -> np.ndarray:
        """float64 [M, count], each normal with mean 0 and standard deviation `scale` (Box and Muller, 1958)."""
        out = np.empty((len(self), count))
        _normals(self._streams, self._ids, out)
        return scale * out
