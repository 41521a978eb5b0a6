"""A run's folder: its lock, and `config.json`, by which a rerun knows that it is the same run."""

from __future__ import annotations

import datetime
import json
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

from filelock import FileLock, Timeout

from selfplay import __version__
from selfplay.config import flatten
from selfplay.errors import UserError, nearest, warn
from selfplay.jsonfile import plain, write_json

CONFIG = "config.json"
_PACKAGES = ("gymnasium", "minigrid", "mujoco", "numba", "numpy", "safetensors", "torch")


def default_run_dir(method: str, env: str, seed: int) -> Path:
    """`runs/alice-bob-DoorKey-6x6-s0` for method alice-bob on grid/DoorKey-6x6-v0 with seed 0."""
    place, _, arguments = env.partition("?")
    short = re.sub(r"-v\d+$", "", place.rpartition(":")[2].rpartition("/")[2])
    short = re.sub(r"[^\w.-]+", "-", f"{short}-{arguments}" if arguments else short).strip("-")
    return Path("runs") / f"{method}-{short}-s{seed}"


def read_record(path: Path) -> dict[str, Any] | None:
    """What `config.json` of run folder `path` holds: config, threads, versions, commit, command; None without one.

    Raises:
        UserError: the file cannot be read as such.
    """
    try:
        record = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path / CONFIG} cannot be read: {error}") from None
    if not isinstance(record, dict) or not isinstance(record.get("config"), dict):
        raise UserError(f"{path / CONFIG} is not the record of a run (expected a JSON object with 'config')")
    if type(record.get("threads")) is not int or record["threads"] < 1:
        raise UserError(f"{path / CONFIG} is not the record of a run (expected a whole number as 'threads')")
    return record


def find_run(path: Path) -> Path:
    """`path`, if it is a run folder.

    Raises:
        UserError: it is not; names the nearest run beside it.
    """
    return find_folder(path, "run", (CONFIG,))


def find_folder(path: Path, what: str, files: Sequence[str]) -> Path:
    """`path`, if it holds one of `files`; else UserError with the nearest folder beside it that does, as `find_run`."""
    if any((path / file).is_file() for file in files):
        return path
    beside = {other.parent.name for file in files for other in path.parent.glob(f"*/{file}")} if path.name else set()
    match = nearest(path.name, sorted(beside))
    hint = f"; did you mean '{path.parent / match}'?" if match else f" (expected a folder with {' or '.join(files)})"
    raise UserError(f"no {what} in '{path}'{hint}")


class RunDir:
    """A run folder held under a lock, made if it is missing. Use as a context manager, or `close` it.

    Raises:
        UserError: another process holds it, or it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made = not path.exists()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"run folder '{path}' cannot be made: {error.strerror}") from None
        self._lock = FileLock(path / "lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise UserError(
                f"run folder '{path}' is in use by another process; wait for it or choose another --run-dir"
            ) from None
        except OSError as error:
            raise UserError(f"run folder '{path}' cannot be locked: {error.strerror}") from None

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    def record(self) -> dict[str, Any] | None:
        """What `config.json` holds, None before `start`."""
        return read_record(self.path)

    def start(
        self,
        config: Mapping[str, Any],
        *,
        threads: int,
        may_change: Collection[str] = ("steps",),
        defaults: Mapping[str, Any] = MappingProxyType({}),
    ) -> bool:
        """Write `config.json`, or hold `config` (nested, plain values) against the one that is there.

        Returns whether the run is taken up again. Dotted keys in `may_change` may differ from the record, which then
        takes the new value; other versions of the packages give a warning. defaults: what dotted keys mean where they
        are not there.

        Raises:
            UserError: another key differs; names it and both values.
        """
        config = plain(config)
        record = {
            "config": config,
            "threads": threads,
            "versions": versions(),
            "commit": commit(),
            "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        before = self.record()
        if before is not None:
            self._compare(before, record, may_change, defaults)
            record |= {key: before[key] for key in ("versions", "commit", "command", "started") if key in before}
        if before != record:
            write_json(self.path / CONFIG, record)
        return before is not None

    def _compare(
        self,
        before: Mapping[str, Any],
        now: Mapping[str, Any],
        may_change: Collection[str],
        defaults: Mapping[str, Any],
    ) -> None:
        old = {**flatten(before["config"]), "threads": before.get("threads")}
        new = {**flatten(now["config"]), "threads": now["threads"]}
        for key in [*new, *(key for key in old if key not in new)]:
            # what neither an older version wrote nor is a default is unset, which says what that version does
            values = [values.get(key, defaults.get(key)) for values in (old, new)]
            if values[0] != values[1] and key not in may_change:
                was, asked = (values.get(key, defaults.get(key, "not there")) for values in (old, new))
                raise UserError(
                    f"run folder '{self.path}' was started with {key} = {was}, not {asked}; "
                    "give the same value or another --run-dir"
                )
        versions = before.get("versions", {})
        for name, version in now["versions"].items():
            if versions.get(name) != version:
                warn(f"'{self.path}' was started with {name} {versions.get(name)}, this is {version}")

    def close(self) -> None:
        """Give the folder back; one that was made here and never used (the run was refused) is gone again."""
        unused = False
        with suppress(OSError):  # the folder may be gone, or another process may have come in between
            unused = self._made and {entry.name for entry in self.path.iterdir()} <= {"lock"}
        self._lock.release()
        with suppress(OSError):
            if unused:
                (self.path / "lock").unlink(missing_ok=True)
                self.path.rmdir()

    def __enter__(self) -> RunDir:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def versions() -> dict[str, str]:
    """Of this package, Python, and the packages that results depend on."""
    found = {"selfplay": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """The commit of the source this runs from, with `+` where files were changed; None outside a git checkout."""
    source = Path(__file__).resolve().parent.parent
    if not (source / ".git").exists():
        return None
    command = ["git", "-C", str(source), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
