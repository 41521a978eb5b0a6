"""numba's `njit`, cached under a digest of all of the grid engine and `envs.rng`, with threads that wait quietly.

GNU OpenMP's threads spin at the end of every parallel kernel until the last one arrives. Beside one other busy process
that costs most of the speed: the spinning threads keep the late one from its core. With a small spin count they soon
sleep instead (2000: on two cores, beside a busy process, twice the steps of 0). The library reads the count once, as it
is loaded, so it is loaded here; a setting of the user's own (GOMP_SPINCOUNT or OMP_WAIT_POLICY) is left alone, and the
environment is as before afterwards.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from importlib import import_module
from pathlib import Path

import numba as nb
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature

from envs.jit import DigestCache, digest


def _load_quiet_openmp() -> None:
    if "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ:
        return
    os.environ["GOMP_SPINCOUNT"] = "2000"
    try:
        import_module("numba.np.ufunc.omppool")
    except ImportError:
        return  # no OpenMP here: numba takes another of its threading layers
    finally:
        del os.environ["GOMP_SPINCOUNT"]


_HERE = Path(__file__).parent
SOURCE_DIGEST = digest([*_HERE.rglob("*.py"), _HERE.parent / "rng.py"])
_load_quiet_openmp()


borrowing = nb.njit(error_model="numpy", _nrt=False)
"""Decorator: njit for functions that only borrow arrays, without counting references to them.

The counting took nine tenths of a search and a tenth of a step. Such a function cannot make an array.
"""


def kernel(**options):
    """Decorator: `numba.njit(nogil=True, **options)`, cached. For the entry points that Python calls."""

    def decorate(function):
        dispatcher = nb.njit(nogil=True, **options)(function)
        dispatcher._cache = DigestCache(function, SOURCE_DIGEST)
        return dispatcher

    return decorate


_entries: dict[str, CFunc] = {}


def compiled_entry(generator, function, signature) -> int:
    """The address of `function`, which calls `generator`, compiled as a C function of `signature` and cached on disk.

    A generator from outside this folder is known by its own file's contents as well.
    """
    home = Path(inspect.getfile(generator))
    name = f".{generator.__module__}.{generator.__qualname__}"
    if home.is_relative_to(_HERE):
        sources = SOURCE_DIGEST
    else:
        sources = hashlib.sha256((SOURCE_DIGEST + digest([home])).encode()).hexdigest()[:16]
    if f"{name}.{sources}" not in _entries:
        entry = CFunc(function, normalize_signature(signature), {}, {"nopython": True, "nogil": True})
        setattr(entry, "_cache", DigestCache(function, sources, name))  # noqa: B010 (no public hook here either)
        entry.compile()
        _entries[f"{name}.{sources}"] = entry
    address = _entries[f"{name}.{sources}"].address
    assert address is not None
    return address
