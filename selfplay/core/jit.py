"""numba's `njit`, cached on disk under a key that covers all kernels of the core.

numba's cache looks at the file a function stands in, not at the functions it calls from other files: a changed
`kernels.py` would leave a stale kernel of `gru_kernels.py` behind. So the key also holds a digest of both.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numba as nb
from numba.core.caching import FunctionCache


def _digest() -> str:
    folder = Path(__file__).parent
    return hashlib.sha256(
        b"".join((folder / name).read_bytes() for name in ("kernels.py", "gru_kernels.py"))
    ).hexdigest()


class _DigestCache(FunctionCache):
    def _index_key(self, sig, codegen):
        return (*super()._index_key(sig, codegen), _DIGEST)


_DIGEST = _digest()


def kernel(**options):
    """Decorator for the entry points that Python calls: `numba.njit(nogil=True, error_model="numpy", …)`, cached."""

    def decorate(function):
        dispatcher = nb.njit(nogil=True, error_model="numpy", **options)(function)
        dispatcher._cache = _DigestCache(function)  # numba has no public hook for the key
        return dispatcher

    return decorate
