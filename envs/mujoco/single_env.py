"""`MujocoEnv`: one MuJoCo world behind `gymnasium.Env`, over a batch of one."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from envs.mujoco.vector_env import MujocoVectorEnv
from envs.mujoco.world import World

_FIRST = "environment 0, "


class MujocoEnv(gym.Env):
    """One environment of a world: `MujocoVectorEnv` with N = 1, which see for spaces, rewards and episode end.

    `reset(seed=s)` starts as environment 0 of `MujocoVectorEnv.reset(seed=s)` does.

    worlds: that batch of one, with all that Gymnasium has no words for: `snapshot`, `restore`, `ask`, `achieved_goal`.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (as in gymnasium)

    def __init__(
        self,
        world: str | World,
        max_steps: int | None = None,
        dtype: Any = np.float64,
        render_mode: str | None = None,
        tolerance: float | None = None,
    ) -> None:
        self.worlds = MujocoVectorEnv(
            world, 1, max_steps, AutoresetMode.DISABLED, dtype, threads=1, render_mode=render_mode, tolerance=tolerance
        )
        self.render_mode = render_mode
        self.metadata = {**self.metadata, "render_fps": self.worlds.metadata["render_fps"]}
        self.action_space = self.worlds.single_action_space
        self.observation_space = self.worlds.single_observation_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """A fresh episode; see Gymnasium. There are no options."""
        super().reset(seed=seed)
        if options:
            raise ValueError(f"reset option {sorted(options)[0]!r} is unknown, there are none")
        if seed is None and not self.worlds.state.stream.any():
            self.worlds.engine.seed(int(self.np_random.integers(2**63)), ids=np.zeros(1, int))
        observation, info = self.worlds.reset(seed=seed)
        return observation[0], info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One action (floats [nu]); see Gymnasium."""
        if self.worlds.state.over[0]:
            raise gym.error.ResetNeeded("the episode is over, expected reset() before the next step")
        try:
            observation, reward, terminated, truncated, info = self.worlds.step([action])
        except ValueError as error:
            if not str(error).startswith(_FIRST):
                raise
            raise ValueError(str(error).removeprefix(_FIRST)) from None  # of one there is no number
        told = {"unstable": True} if "unstable" in info else {}
        return observation[0], float(reward[0]), bool(terminated[0]), bool(truncated[0]), told

    def render(self) -> np.ndarray | None:
        """A picture, uint8 [H, W, 3], see `MujocoVectorEnv.frame`; None without a `render_mode`."""
        pictures = self.worlds.render()
        return None if pictures is None else pictures[0]

    def close(self) -> None:
        """Close; a step afterwards is an error."""
        self.worlds.close()
