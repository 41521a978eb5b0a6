"""Grid worlds as a rollout sees them: stepped in place, fresh levels drawn where an episode ends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gymnasium import spaces

from envs.grid.engine import GridEngine
from envs.grid.levels.spec import LevelSpec
from envs.grid.tokens import DEFAULT_SEGMENTS, TokenLayout, token_space


class GridWorld:
    """N worlds of one level. What its methods take and give is written at `selfplay.core.collect.World`.

    segments, view_size: what a policy sees (`envs.grid.tokens`); observations are token rows uint8 [N, P].
    """

    def __init__(self, spec: LevelSpec, num_envs: int, segments: Sequence[str] = DEFAULT_SEGMENTS, view_size: int = 7):
        self.num_envs = num_envs
        layout = TokenLayout(spec, segments, view_size)
        self.engine = GridEngine(spec, num_envs, layout)
        self.observation_space = token_space(layout.nvec)
        self.columns = {"obs": slice(0, layout.width)}
        self.action_space = spaces.Discrete(self.engine.num_actions)

    def reset(self, seed: int | None) -> np.ndarray:
        """Fresh levels everywhere; the first observations, uint8 [N, P]. seed None: go on with the random streams."""
        if seed is not None:
            self.engine.seed(seed)
        self.engine.generate()
        obs = np.empty((self.num_envs, self.engine.layout.width), np.uint8)
        self.engine.write_tokens(obs)
        return obs

    def step(
        self,
        action: np.ndarray,
        next_obs_out: np.ndarray,
        obs_out: np.ndarray,
        reward_out: np.ndarray,
        terminated_out: np.ndarray,
        truncated_out: np.ndarray,
    ) -> None:
        """Step all worlds with action int64 [N]; one kernel launch writes everything."""
        self.engine.advance(action, reward_out, terminated_out, truncated_out, obs_out, next_obs_out)

    def state_dict(self) -> dict[str, np.ndarray]:
        """The arrays of the state and of a pool, copied."""
        return self.engine.arrays()

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `state_dict`."""
        self.engine.load(state)
