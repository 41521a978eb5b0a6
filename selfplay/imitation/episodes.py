"""Recorded episodes, and the one file they are kept in: safetensors, its header saying what they are. Never a pickle.

obs          [S, …]      what was seen before each of S steps, uint8 tokens or float32 vectors
last_obs     [E, …]      what the last step of each of E episodes led to
action       [S(, A)]    as the world was given it: int64, or float32 in the action space's own units
task_reward  [S]         float32
length       [E]         int64, steps; episodes lie one behind the other
terminated, truncated, success   [E]   bool, how each ended; success only where there is such a thing
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import safetensors
import safetensors.numpy
from gymnasium import spaces

from selfplay.errors import UserError
from selfplay.jsonfile import plain, write_bytes

FORMAT = "selfplay episodes 1"
_HEADER = "selfplay"
_STEPS, _ENDS = ("obs", "action", "task_reward"), ("last_obs", "length", "terminated", "truncated")
_KINDS = {"task_reward": "float32", "length": "int64", "terminated": "bool", "truncated": "bool", "success": "bool"}


@dataclass(frozen=True)
class Episodes:
    """E episodes of S steps in all; the arrays are those of the file. success: None where there is no such thing.

    about: env, player, sees and does (`space_facts`), world (the settings that say what is seen), lineage, and
    whatever else belongs into the header. sha256: of the file they were read from.
    """

    obs: np.ndarray
    last_obs: np.ndarray
    action: np.ndarray
    task_reward: np.ndarray
    length: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    success: np.ndarray | None = None
    about: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            array = getattr(self, name)
            if array is not None and (str(array.dtype) != kind or array.ndim != 1):
                raise ValueError(f"episodes: {name} must be {kind} in one row, got {array.dtype} {list(array.shape)}")
        count, steps = len(self.length), int(self.length.sum())
        for name, rows in [(name, steps) for name in _STEPS] + [(name, count) for name in (*_ENDS, "success")]:
            array = getattr(self, name)
            if array is not None and len(array) != rows:
                raise ValueError(f"episodes: {name} must have {rows} rows, got {len(array)}")
        if (self.length < 1).any():
            raise ValueError("episodes: every episode must have a step")
        if self.obs.shape[1:] != self.last_obs.shape[1:] or self.obs.dtype != self.last_obs.dtype:
            raise ValueError("episodes: obs and last_obs must be alike")
        if not all(np.isfinite(array).all() for array in (self.obs, self.action, self.task_reward)):
            raise ValueError("episodes: obs, action and task_reward must be finite numbers")

    def __len__(self) -> int:
        """E."""
        return len(self.length)

    @property
    def episode(self) -> np.ndarray:
        """int64 [S]: the episode that each step is of."""
        return np.repeat(np.arange(len(self)), self.length)

    def returns(self) -> np.ndarray:
        """float64 [E], Σ of the task's reward."""
        return np.bincount(self.episode, self.task_reward, len(self))

    def where(self, chosen: np.ndarray) -> Episodes:
        """Those that `chosen` (bool [E]) names."""
        arrays = _arrays(self)
        rows = {name: array[chosen[self.episode] if name in _STEPS else chosen] for name, array in arrays.items()}
        return Episodes(**rows, about=self.about, sha256=self.sha256)


def space_facts(space: gymnasium.Space) -> dict[str, Any]:
    """A space in JSON, by which two can be compared; null stands for no bound. ValueError for one of another kind."""
    if isinstance(space, spaces.MultiDiscrete):
        return {"kind": "tokens", "values": space.nvec.tolist()}
    if isinstance(space, spaces.Discrete):
        return {"kind": "choices", "values": int(space.n)}
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        bounds = np.stack([space.low, space.high], -1).astype(float)
        return {"kind": "numbers", "values": plain(bounds.tolist())}
    raise ValueError(f"episodes: no place in a file for {space}, expected MultiDiscrete, Discrete or a flat Box")


def save_episodes(path: Path, episodes: Episodes) -> None:
    """Write the file, durable and whole when this returns; it replaces what was there. OSError where it cannot be."""
    arrays = {name: np.ascontiguousarray(array) for name, array in _arrays(episodes).items()}
    about = json.dumps(plain(episodes.about), allow_nan=False)
    header = json.dumps({"format": FORMAT, "about": about, "sha256": _digest(arrays, about)})
    write_bytes(path, safetensors.numpy.save(arrays, {_HEADER: header}))  # one entry: safetensors shuffles several


def load_episodes(path: Path) -> Episodes:
    """What `save_episodes` wrote; ValueError, one line: missing, of another kind, damaged."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"'{path}' cannot be read: {error.strerror}") from None
    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][_HEADER])
        arrays = safetensors.numpy.load(content)
        kind, about, digest = header["format"], header["about"], header["sha256"]
    except (ValueError, KeyError, TypeError, safetensors.SafetensorError):
        raise ValueError(f"'{path}' holds no episodes (expected a file that `selfplay record` wrote)") from None
    if kind != FORMAT:
        raise ValueError(f"'{path}' is {kind!r}, expected {FORMAT!r}")
    if _digest(arrays, about) != digest:
        raise ValueError(f"'{path}' is damaged: its sha256 is another")
    if odd := sorted(({*_STEPS, *_ENDS, "success"} ^ set(arrays)) - {"success"}):
        raise ValueError(f"'{path}': {odd[0]} is {'of no use' if odd[0] in arrays else 'missing'}")
    arrays = {name: array.copy() for name, array in arrays.items()}  # what safetensors gives may not be written to
    return Episodes(**arrays, about=json.loads(about), sha256=hashlib.sha256(content).hexdigest())


def fitting(episodes: Episodes, sees: gymnasium.Space, does: gymnasium.Space, name: str) -> Episodes:
    """`episodes` as a player with these spaces would have had them; UserError where they do not fit.

    Of Alice's turns what comes behind the player's own observation, Bob's goal, is left out.
    """
    about = episodes.about
    for words, space, key in (("shows", sees, "sees"), ("takes", does, "does")):
        here, there = space_facts(space), about[key]
        if about["player"] == "alice" and key == "sees" and there["kind"] == here["kind"]:
            width = len(here["values"])
            if here["kind"] == "tokens" or len(there["values"]) == width + 1:  # of numbers the flag alone comes last
                there = {**there, "values": there["values"][:width]}
        if here != there:
            raise UserError(f"'{name}' does not fit: this world {words} {_facts(here)}, there it was {_facts(there)}")
    width = (sees.shape or (0,))[0]
    dtypes = (
        ("uint8" if about["sees"]["kind"] == "tokens" else "float32"),
        ("int64" if about["does"]["kind"] == "choices" else "float32"),
    )
    if (str(episodes.obs.dtype), str(episodes.action.dtype)) != dtypes or episodes.obs.ndim != 2:
        raise UserError(
            f"'{name}' holds {episodes.obs.dtype} and {episodes.action.dtype}, expected {', '.join(dtypes)}"
        )
    return replace(episodes, obs=episodes.obs[:, :width], last_obs=episodes.last_obs[:, :width])


def _facts(facts: dict[str, Any]) -> str:
    values = facts["values"]
    count = f"{len(values)} {facts['kind']}" if isinstance(values, list) else f"{values} {facts['kind']}"
    return count if facts["kind"] != "tokens" else f"{count} of {sum(values)} values"


def _arrays(episodes: Episodes) -> dict[str, np.ndarray]:
    found = {name: getattr(episodes, name) for name in (*_STEPS, *_ENDS, "success")}
    return {name: array for name, array in found.items() if array is not None}


def _digest(arrays: Mapping[str, np.ndarray], about: str) -> str:
    """Of everything: a flipped bit is found wherever it is."""
    sum_ = hashlib.sha256(about.encode())
    for name in sorted(arrays):
        sum_.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        sum_.update(np.ascontiguousarray(arrays[name]).tobytes())
    return sum_.hexdigest()
