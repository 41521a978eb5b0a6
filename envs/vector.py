"""What the vectorised environments of every family have and check alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv


class FamilyVectorEnv(VectorEnv):
    """N environments that know whether they are open and have begun, and draw themselves one by one."""

    _ready = False
    """Whether every environment is in a state that a step can go on from."""

    def render(self) -> tuple[np.ndarray, ...] | None:
        """A picture of every environment, uint8 [H, W, 3] each; None without a `render_mode`."""
        self._require_open()
        if self.render_mode is None:
            return None
        self._require_ready("render()")
        return tuple(self._picture(n) for n in range(self.num_envs))

    def _picture(self, index: int) -> np.ndarray:
        """Of environment `index`."""
        raise NotImplementedError

    def _require_open(self) -> None:
        if self.closed:
            raise gym.error.ClosedEnvironmentError(f"this {type(self).__name__} is closed")

    def _require_ready(self, call: str) -> None:
        if not self._ready:
            raise gym.error.ResetNeeded(f"{call} was called before reset()")

    def _reset_mask(self, options: dict[str, Any] | None) -> np.ndarray | None:
        """`checked_reset_mask`, which names all environments where none has begun."""
        mask = checked_reset_mask(options, self.num_envs)
        if mask is not None and not self._ready and not mask.all():
            raise gym.error.ResetNeeded("the first reset must be of all environments, without reset_mask")
        return mask


def final_info(done: np.ndarray, observations: Iterable[Any]) -> dict[str, Any]:
    """Gymnasium's keys for the episodes that ended in a step: where `done` (bool [N]) holds, `observations` in turn."""
    final = np.full(len(done), None, dtype=object)
    for n, observation in zip(np.flatnonzero(done), observations, strict=True):
        final[n] = observation
    return {"final_obs": final, "_final_obs": done.copy(), "final_info": {}, "_final_info": done.copy()}


def checked_autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    """The mode that `mode` is or names; ValueError with the names there are."""
    modes = [known.value for known in AutoresetMode]
    if not isinstance(mode, AutoresetMode) and mode not in modes:
        raise ValueError(f"autoreset_mode is {mode!r}, expected {', '.join(modes)}")
    return AutoresetMode(mode)


def checked_count(name: str, value: Any) -> int:
    """`value` as an integer from 1 to 2**31 - 1; ValueError by the name `name`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value < 2**31:
        raise ValueError(f"{name} is {value!r}, expected an integer from 1 to 2147483647")
    return int(value)


def checked_seed(seed: Any) -> int:
    """`seed` as an integer that starts a random stream; ValueError for any other."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= int(seed) < 2**64:
        raise ValueError(f"seed is {seed!r}, expected an integer from 0 to 2**64 - 1")
    return int(seed)


def checked_reset_mask(options: dict[str, Any] | None, num_envs: int) -> np.ndarray | None:
    """`options["reset_mask"]` (bool [N], at least one True) of `reset`, None where there is none."""
    unknown = sorted(set(options or {}) - {"reset_mask"})
    if unknown:
        raise ValueError(f"reset option {unknown[0]!r} is unknown, expected 'reset_mask'")
    if not options:
        return None
    mask = options["reset_mask"]
    if not isinstance(mask, np.ndarray) or mask.shape != (num_envs,) or mask.dtype != np.bool_:
        raise ValueError(f"options['reset_mask'] must be a bool array [{num_envs}]")
    if not mask.any():
        raise ValueError("options['reset_mask'] names no environment")
    return mask


def check_arrays(what: str, state: Mapping[str, Any], own: Mapping[str, np.ndarray]) -> None:
    """ValueError, in the name of `what`, unless `state` has an array like each of `own`, which was saved before."""
    for name, array in own.items():
        if name not in state:
            raise ValueError(f"{what}: the state has no {name!r}, expected one that a {what} saved")
        given = np.asarray(state[name])
        if given.shape != array.shape or given.dtype != array.dtype:
            raise ValueError(f"{what}: {name!r} is {given.dtype} {list(given.shape)}, expected {array.dtype} "
                             f"{list(array.shape)}")  # fmt: skip
