"""A disk cache for numba's compiled code that knows all the sources a function depends on.

numba's own looks at the file a function stands in, not at the functions it calls from other files, so a changed helper
would leave stale code behind; and its index file can mix up the code of two processes that compile at the same time.
Here every piece of code is a file of its own, named by what it is: function, name, signature, processor and a digest of
the sources.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from numba.core.caching import FunctionCache, IndexDataCacheFile


def digest(paths: Iterable[Path]) -> str:
    """Of the contents of files."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()[:16]


_SUM = 32  # bytes of the checksum that ends a file


class _Files(IndexDataCacheFile):
    """One file a key, without an index."""

    def __init__(self, cache_path: str, base: str, sources: str) -> None:
        super().__init__(cache_path, base, None)
        self._base, self._sources = base, sources

    def _name(self, key: object) -> str:
        known = hashlib.sha256(f"{key!r} {self._version}".encode()).hexdigest()[:24]
        return f"{self._base}.{self._sources}.{known}.nbc"

    def load(self, key: object) -> object:
        path = Path(self._data_path(self._name(key)))
        content = path.read_bytes() if path.exists() else b""
        if len(content) < _SUM or hashlib.sha256(content[:-_SUM]).digest() != content[-_SUM:]:
            return None  # nothing there, or spoilt
        stored, data = self._load_data(path.name)  # numba's own reader, which stops before the sum
        return data if stored == repr(key) else None

    def save(self, key: object, data: object) -> None:
        for path in Path(self._cache_path).glob(f"{self._base}.*.nbc"):
            if not path.name.startswith(f"{self._base}.{self._sources}."):
                path.unlink(missing_ok=True)  # of sources that are no more
        content = self._dump((repr(key), data))
        with self._open_for_write(self._data_path(self._name(key))) as file:
            file.write(content + hashlib.sha256(content).digest())

    def flush(self) -> None:
        for path in Path(self._cache_path).glob(f"{self._base}.*.nbc"):
            path.unlink(missing_ok=True)


class DigestCache(FunctionCache):
    """For `dispatcher._cache`: numba has no public hook.

    sources: a digest of all the sources that the code depends on.
    name: tells apart what is compiled from one function.
    """

    def __init__(self, function, sources: str, name: str = "") -> None:
        super().__init__(function)
        self._cache_file = _Files(self._cache_path, f"{self._impl.filename_base}{name}", sources)

    def _index_key(self, sig, codegen):
        return sig, codegen.magic_tuple()
