"""numba's `njit`, cached on disk under a key that covers all of the grid engine, and with threads that wait quietly.

numba's cache looks at the file a function stands in, not at the functions it calls: a changed level generator would
leave a stale kernel behind. Here the key also holds a digest of every source file of this folder.

GNU OpenMP's threads spin at the end of every parallel kernel until the last one arrives. Beside one other busy process
that costs most of the speed: the spinning threads keep the late one from its core. With a spin count of 0 they sleep
instead. The library reads the count once, as it is loaded, so it is loaded here; a setting of the user's own
(GOMP_SPINCOUNT or OMP_WAIT_POLICY) is left alone, and the environment is as before afterwards.
"""

from __future__ import annotations

import hashlib
import os
from importlib import import_module
from pathlib import Path

import numba as nb
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature


def _load_quiet_openmp() -> None:
    if "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ:
        return
    os.environ["GOMP_SPINCOUNT"] = "0"
    try:
        import_module("numba.np.ufunc.omppool")
    except ImportError:
        return  # no OpenMP here: numba takes another of its threading layers
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def _digest() -> str:
    folder = Path(__file__).parent
    sources = sorted(folder.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


class _DigestCache(FunctionCache):
    """Keyed by signature, processor, sources and a name; what a closure holds, as in numba's own key, never repeats."""

    def __init__(self, function, name: str = "") -> None:
        super().__init__(function)
        self._name = name

    def _index_key(self, sig, codegen):
        return sig, codegen.magic_tuple(), SOURCE_DIGEST, self._name


SOURCE_DIGEST = _digest()
_load_quiet_openmp()


borrowing = nb.njit(error_model="numpy", _nrt=False)
"""Decorator: njit for functions that only borrow arrays, without counting references to them.

The counting took nine tenths of a search and a tenth of a step. Such a function cannot make an array.
"""


def kernel(**options):
    """Decorator: `numba.njit(nogil=True, **options)`, cached. For the entry points that Python calls."""

    def decorate(function):
        dispatcher = nb.njit(nogil=True, **options)(function)
        dispatcher._cache = _DigestCache(function)  # numba has no public hook for the key
        return dispatcher

    return decorate


_entries: dict[str, CFunc] = {}


def compiled_entry(name: str, function, signature) -> int:
    """The address of `function` compiled as a C function of `signature`, cached on disk under `name`."""
    if name not in _entries:
        entry = CFunc(function, normalize_signature(signature), {}, {"nopython": True, "nogil": True})
        setattr(entry, "_cache", _DigestCache(function, name))  # noqa: B010 (no public hook here either)
        entry.compile()
        _entries[name] = entry
    address = _entries[name].address
    assert address is not None
    return address
