"""numba's `njit` for the core's kernels, cached on disk under a digest of all of them (`envs.jit`)."""

from __future__ import annotations

from pathlib import Path

import numba as nb

from envs.jit import DigestCache, digest

_SOURCES = digest(Path(__file__).parent / name for name in ("adam.py", "advantages.py", "kernels.py", "gru_kernels.py"))


def kernel(**options):
    """Decorator for the entry points that Python calls: `numba.njit(nogil=True, error_model="numpy", …)`, cached."""

    def decorate(function):
        dispatcher = nb.njit(nogil=True, error_model="numpy", **options)(function)
        dispatcher._cache = DigestCache(function, _SOURCES)
        return dispatcher

    return decorate
