"""MuJoCo worlds as a rollout sees them: stepped in place, new episodes begun where one ended."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from envs.mujoco.state import MujocoState
from envs.mujoco.vector_env import MujocoVectorEnv
from envs.mujoco.world import World


class MujocoWorld:
    """N environments of one world. What its methods take and give is written at `selfplay.core.collect.World`.

    Observations are float32 [N, D]; all else is `MujocoVectorEnv`'s. threads: of MuJoCo's pool, by default numba's.

    succeeds: False, for an episode that terminates is none that was solved.
    press_action: None, for there is no television.
    """

    succeeds = False
    press_action: int | None = None

    def __init__(self, world: str | World, num_envs: int, threads: int | None = None) -> None:
        self.env = MujocoVectorEnv(
            world, num_envs, autoreset_mode=AutoresetMode.DISABLED, dtype=np.float32, threads=threads
        )
        self.num_envs = self.env.num_envs
        self.observation_space = self.env.single_observation_space
        self.action_space = self.env.single_action_space
        self.row_width = int(self.env.observe().shape[1])
        self.columns = {"obs": slice(0, self.row_width)}
        self.channel_spaces: dict[str, spaces.Space] = {"obs": self.observation_space}
        self.pixels: dict[str, np.ndarray] = {}

    def reset(self, seed: int | None) -> np.ndarray:
        """Begin episodes everywhere; the first observations, float32 [N, D]. seed None: go on with the streams."""
        return self.env.reset(seed=seed)[0]

    def step(
        self,
        action: np.ndarray,
        next_obs_out: np.ndarray,
        obs_out: np.ndarray,
        reward_out: np.ndarray,
        terminated_out: np.ndarray,
        truncated_out: np.ndarray,
    ) -> None:
        """Step all worlds with action float32 [N, A]."""
        next_obs_out[:], reward_out[:], terminated_out[:], truncated_out[:], _ = self.env.step(action)
        ended = terminated_out | truncated_out
        obs_out[:] = self.env.reset(options={"reset_mask": ended})[0] if ended.any() else next_obs_out

    def state_dict(self) -> dict[str, np.ndarray]:
        """The arrays of the state, copied."""
        return {name: array.copy() for name, array in self.env.state.arrays().items()}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `state_dict`."""
        self.env.restore(MujocoState(*(np.asarray(state[field.name]) for field in fields(MujocoState))))
