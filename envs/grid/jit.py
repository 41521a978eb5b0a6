"""numba's `njit`, cached on disk under a key that covers all of the grid engine.

numba's cache looks at the file a function stands in, not at the functions it calls: a changed level generator would
leave a stale kernel behind. Here the key also holds a digest of every source file of this folder.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numba as nb
from numba.core.caching import FunctionCache


def _digest() -> str:
    folder = Path(__file__).parent
    sources = sorted(folder.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


class _DigestCache(FunctionCache):
    def _index_key(self, sig, codegen):
        return (*super()._index_key(sig, codegen), SOURCE_DIGEST)


SOURCE_DIGEST = _digest()


def kernel(**options):
    """Decorator: `numba.njit(nogil=True, **options)`, cached. For the entry points that Python calls."""

    def decorate(function):
        dispatcher = nb.njit(nogil=True, **options)(function)
        dispatcher._cache = _DigestCache(function)  # noqa: SLF001 (numba has no public hook for the key)
        return dispatcher

    return decorate
