"""Grid worlds as a rollout sees them: stepped in place, fresh levels drawn where an episode ends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gymnasium import spaces

from envs.grid.channels import ChannelLayout
from envs.grid.engine import GridEngine
from envs.grid.fixed_levels import FixedLevels
from envs.grid.levels.spec import LevelSpec
from envs.grid.tokens import DEFAULT_SEGMENTS, TokenLayout


class GridWorld:
    """N worlds of one level. What its methods take and give is written at `selfplay.core.collect.World`.

    segments, view_size: what a policy sees (`envs.grid.tokens`); observations are token rows uint8 [N, P].
    channels: what else is written, from "position" and "state" (`envs.grid.channels`). Rows then are wider, uint8
    [N, W]: first the policy's P tokens, of which alone `observation_space` speaks, then each channel's.
    fixed: the levels that episodes begin with, instead of fresh ones.  max_steps: their limit, by default the level's.

    row_width: W.  columns: "obs" and the channels to their part of a row.  channel_spaces: the same to their spaces.
    pixels: the same to what their tokens look like, float32 [P, V, 3] (`envs.grid.channels.token_pixels`).
    succeeds: True, an episode that terminates with a reward was solved.
    layout: the policy's tokens.  press_action: None, for there is no television here (`envs.grid.tv`).
    """

    succeeds = True

    def __init__(
        self,
        spec: LevelSpec,
        num_envs: int,
        segments: Sequence[str] = DEFAULT_SEGMENTS,
        view_size: int = 7,
        channels: Sequence[str] = (),
        fixed: FixedLevels | None = None,
        max_steps: int | None = None,
    ):
        self.num_envs = num_envs
        self.press_action: int | None = None
        self.layout = TokenLayout(spec, segments, view_size)
        rows = ChannelLayout(spec, self.layout, channels)
        self.engine = GridEngine(spec, num_envs, rows, max_steps, fixed=fixed)
        self.row_width = rows.width
        self.columns = rows.columns
        self.channel_spaces = rows.spaces()
        self.pixels = rows.pixels()
        self.observation_space = self.channel_spaces["obs"]
        self.action_space = spaces.Discrete(self.engine.num_actions)

    def reset(self, seed: int | None) -> np.ndarray:
        """Fresh levels everywhere; the first rows, uint8 [N, W]. seed None: go on with the random streams."""
        if seed is not None:
            self.engine.seed(seed)
        self.engine.generate()
        obs = np.empty((self.num_envs, self.row_width), np.uint8)
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
        """Step all worlds with action int64 [N]; one kernel launch writes everything. Rows are uint8 [N, W]."""
        self.engine.advance(action, reward_out, terminated_out, truncated_out, obs_out, next_obs_out)

    def frame(self, index: int) -> np.ndarray:
        """MiniGrid's own picture of one world, uint8 [S * H, S * W, 3] with S pixels a cell: 32, in large worlds 16."""
        from envs.grid.interop import engine_frame  # brings in pygame

        return engine_frame(self.engine, index)

    def state_dict(self) -> dict[str, np.ndarray]:
        """The arrays of the state and of a pool, copied."""
        return self.engine.arrays()

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `state_dict`."""
        self.engine.load(state)
