"""Checkpoints that survive a power cut and notice a flipped bit.

    checkpoints/step_000012345/tensors.safetensors   all tensors and arrays by name
                               meta.json             what else is needed to go on (JSON)
                               manifest.json         kind of each tensor, size and sha256 of both files, its own sha256

A checkpoint is written into a temporary folder, made durable, and only then renamed: it is there as a whole or not at
all. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from selfplay.errors import UserError, warn
from selfplay.jsonfile import sync_folder

KEEP = 3
_NAME = re.compile(r"step_(\d{9,})")
_TENSORS, _META, _MANIFEST = "tensors.safetensors", "meta.json", "manifest.json"
_CARRIERS = {"bfloat16": "int16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}  # torch dtypes numpy lacks


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint read back. A tensor returns as it came: numpy's as numpy's, torch's as torch's (on the CPU)."""

    step: int
    tensors: dict[str, Any]
    meta: dict[str, Any]
    path: Path

    @property
    def sha256(self) -> str:
        """Of the file of its tensors."""
        return str(json.loads((self.path / _MANIFEST).read_bytes())["files"][_TENSORS]["sha256"])


class _DamagedError(Exception):
    """Why a checkpoint cannot be used."""


def save(folder: Path, step: int, tensors: Mapping[str, Any], meta: Mapping[str, Any]) -> Path:
    """Write checkpoint `step` (env steps) into `folder` (`…/checkpoints`), durable when this returns.

    The last three are kept. Checkpoints beyond `step` are removed: the run was taken up again before them.

    Raises:
        ValueError: a value that is neither tensor nor array, or `meta` is not JSON (or not finite).
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    arrays, kinds = _to_arrays(tensors)
    try:
        encoded_meta = json.dumps(dict(meta), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ValueError(f"checkpoint {step}: meta is not JSON: {error}") from None
    contents = {_TENSORS: safetensors.numpy.save(arrays), _META: encoded_meta}
    contents[_MANIFEST] = _manifest(step, contents, kinds)
    target = folder / f"step_{step:09d}"
    temporary = folder / f".new-{target.name}"
    temporary.mkdir()
    for name, content in contents.items():
        with (temporary / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    sync_folder(temporary)
    if target.exists():
        target.rename(folder / f".old-{target.name}")
    temporary.rename(target)
    sync_folder(folder)
    steps = sorted(list_steps(folder))
    kept = [other for other in steps if other <= step][-KEEP:]
    for other in set(steps) - set(kept):
        shutil.rmtree(folder / f"step_{other:09d}")
    _sweep(folder)
    return target


def packed(tensors: Mapping[str, Any]) -> bytes:
    """`tensors` as bytes, to be sent to another process; ValueError as for `save`."""
    arrays, kinds = _to_arrays(tensors)
    head = json.dumps(kinds).encode()
    return len(head).to_bytes(8, "little") + head + safetensors.numpy.save(arrays)


def unpacked(data: bytes) -> dict[str, Any]:
    """What `packed` was given, torch's tensors on the CPU."""
    end = 8 + int.from_bytes(data[:8], "little")
    return _from_arrays(safetensors.numpy.load(data[end:]), json.loads(data[8:end]))


def list_steps(folder: Path) -> list[int]:
    """Steps of the checkpoints in `folder`, the newest first. None of them is opened."""
    if not folder.is_dir():
        return []
    matches = (_NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted((int(match[1]) for match in matches if match), reverse=True)


def load_latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint in `folder` that is whole, or None where there is none at all.

    For each damaged one a warning names it and the one used in its place.

    Raises:
        UserError: there are checkpoints, and every one is damaged.
    """
    damaged: list[str] = []
    for step in list_steps(folder):
        path = folder / f"step_{step:09d}"
        try:
            checkpoint = _load(path, step)
        except _DamagedError as error:
            if not path.exists():  # the run that is writing here has dropped it: it has newer ones
                return load_latest(folder)
            damaged.append(f"{path} is damaged ({error})")
            continue
        for line in damaged:
            warn(f"checkpoint {line}; using {path.name} in its place")
        return checkpoint
    if damaged:
        raise UserError(f"no checkpoint can be used: {'; '.join(damaged)}")
    return None


def _load(path: Path, step: int) -> Checkpoint:
    try:
        contents = {name: (path / name).read_bytes() for name in (_MANIFEST, _TENSORS, _META)}
    except OSError as error:
        raise _DamagedError(f"{Path(error.filename or path).name}: {error.strerror}") from None
    try:
        kinds = json.loads(contents[_MANIFEST])["tensors"]
        files = json.loads(contents[_MANIFEST])["files"]
        whole = contents[_MANIFEST] == _manifest(step, contents, kinds, files)
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise _DamagedError(f"{_MANIFEST}: its sha256 is another")
    for name, facts in files.items():
        if len(contents[name]) != facts["bytes"]:
            raise _DamagedError(f"{name}: {len(contents[name])} bytes, {facts['bytes']} were written")
        if hashlib.sha256(contents[name]).hexdigest() != facts["sha256"]:
            raise _DamagedError(f"{name}: its sha256 is another")
    arrays = safetensors.numpy.load(contents[_TENSORS])
    return Checkpoint(step, _from_arrays(arrays, kinds), json.loads(contents[_META]), path)


def _manifest(step: int, contents: Mapping[str, bytes], kinds: Mapping[str, Any], files: Any = None) -> bytes:
    """The bytes of a manifest. A reader makes them once more from what he read: equal, or something was changed."""
    if files is None:
        files = {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in contents.items()
        }
    body = {"step": step, "files": files, "tensors": kinds}
    own = hashlib.sha256(json.dumps(body).encode()).hexdigest()
    return (json.dumps({**body, "sha256": own}, indent=1) + "\n").encode()


def _to_arrays(tensors: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, dict[str, str]]]:
    """Everything as contiguous numpy arrays, and by name what it was: {"kind": "torch", "dtype": "bfloat16"}."""
    arrays, kinds = {}, {}
    for name, value in tensors.items():
        if isinstance(value, np.ndarray | np.generic):
            array, kind, dtype = np.asarray(value), "numpy", str(np.asarray(value).dtype)
        elif hasattr(value, "detach"):
            array, kind, dtype = _tensor_to_array(value), "torch", str(value.dtype).removeprefix("torch.")
        else:
            raise ValueError(f"checkpoint: '{name}' is {type(value).__name__} (expected a tensor or an array)")
        if array.dtype.kind not in "biuf" or not array.dtype.isnative:
            raise ValueError(f"checkpoint: '{name}' has dtype {dtype} (expected bool, integer or float)")
        arrays[name] = np.asarray(array, order="C")
        kinds[name] = {"kind": kind, "dtype": dtype}
    return arrays, kinds


def _tensor_to_array(tensor: Any) -> np.ndarray:
    import torch

    tensor = tensor.detach().cpu().contiguous()
    carrier = _CARRIERS.get(str(tensor.dtype).removeprefix("torch."))
    return (tensor.view(getattr(torch, carrier)) if carrier else tensor).numpy()


def _from_arrays(arrays: Mapping[str, np.ndarray], kinds: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    tensors: dict[str, Any] = {}
    for name, array in arrays.items():
        kind, dtype = kinds[name]["kind"], kinds[name]["dtype"]
        if kind == "numpy":
            tensors[name] = array.copy()  # what safetensors gives may not be written to
            continue
        import torch

        tensor = torch.from_numpy(array.copy())
        tensors[name] = tensor.view(getattr(torch, dtype)) if dtype in _CARRIERS else tensor
    return tensors


def _sweep(folder: Path) -> None:
    """Remove what a killed writer left behind."""
    for pattern in (".new-step_*", ".old-step_*"):
        for path in folder.glob(pattern):
            shutil.rmtree(path)
