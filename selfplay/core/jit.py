"""numba's `njit` for the core's kernels, cached on disk under a digest of all of them (`envs.jit`)."""

from __future__ import annotations

from pathlib import Path

import numba as nb

from envs.jit import DigestCache, digest

_NAMES = "adam advantages dense_kernels gaussian_losses gru_kernels kernels losses products tiles"
_SOURCES = digest(Path(__file__).parent / f"{name}.py" for name in _NAMES.split())


def kernel(**options):
    """Decorator for the entry points that Python calls: `numba.njit(nogil=True, error_model="numpy", …)`, cached."""

    def decorate(function):
        dispatcher = nb.njit(nogil=True, error_model="numpy", **options)(function)
        dispatcher._cache = DigestCache(function, _SOURCES)
        return dispatcher

    return decorate
