"""JSON as a run folder writes it: whole files at once, and lines that are only ever appended."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selfplay.errors import UserError


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: arrays and tensors to (lists of) numbers, numbers that are not finite to null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy's scalars and arrays, torch's tensors
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file so that a reader finds the old one or the new one, never a part, even after a power cut."""
    write_bytes(path, (json.dumps(plain(value), indent=2, allow_nan=False) + "\n").encode())


def write_bytes(path: Path, content: bytes) -> None:
    """As `write_json`, for any bytes."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class JsonLines:
    """A file of one JSON object a line. A line reaches the system when it is written, the disk with `sync`.

    Opening cuts the file to its first `offset` bytes: what came after the checkpoint is written once more by the rerun.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        size = path.stat().st_size if path.exists() else 0
        if size < offset:
            raise UserError(
                f"{path} has {size} bytes but its checkpoint was written at byte {offset}: "
                "something cut it; remove the run folder to start again"
            )
        self._file = path.open("ab")
        self._file.truncate(offset)

    def write(self, *records: Mapping[str, Any]) -> None:
        """Append one line for each record."""
        lines = (json.dumps(plain(record), allow_nan=False, separators=(", ", ": ")) for record in records)
        self._file.write("".join(line + "\n" for line in lines).encode())
        self._file.flush()

    def sync(self) -> int:
        """Make all lines durable and return their length in bytes: the `offset` to open with after a crash."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        self._file.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All records of a file of JSON lines; a last line that was cut off is left out. A missing file has none.

    Raises:
        UserError: it holds something else.
    """
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        records = [json.loads(line) for line in lines if line.endswith("\n")]
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    if not all(isinstance(record, dict) for record in records):
        raise UserError(f"{path} cannot be read: it holds a line that is no JSON object")
    return records
