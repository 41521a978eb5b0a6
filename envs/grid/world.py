"""Grid worlds as a rollout sees them: stepped in place, fresh levels drawn where an episode ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from gymnasium import spaces

from envs.grid.channels import ChannelLayout
from envs.grid.engine import GridEngine
from envs.grid.features import FEATURES
from envs.grid.fixed_levels import FixedLevels
from envs.grid.levels.spec import LevelSpec
from envs.grid.state import GridState
from envs.grid.tokens import DEFAULT_SEGMENTS, TokenLayout, token_space


class GridWorld:
    """N worlds of one level. What its methods take and give is written at `selfplay.core.collect.World`.

    segments, view_size: what a policy sees (`envs.grid.tokens`); observations are token rows uint8 [N, P].
    channels: what else is written, from "position" and "state" (`envs.grid.channels`), and from the features
    (`envs.grid.features`), one token each. Rows then are wider, uint8 [N, W]: first the policy's P tokens, of which
    alone `observation_space` speaks, then each channel's; with a feature, the state is among them.
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
        self._features = [name for name in FEATURES if name in channels] if not isinstance(channels, str) else []
        written = [name for name in channels if name not in FEATURES] + ["state"] * bool(self._features)
        rows = ChannelLayout(spec, self.layout, channels if isinstance(channels, str) else written)
        self._state_layout = rows.layouts.get("state")
        self.engine = GridEngine(spec, num_envs, rows, max_steps, fixed=fixed)
        self.columns = rows.columns
        self.channel_spaces = rows.spaces()
        self.pixels = rows.pixels()
        for place, name in enumerate(self._features, rows.width):
            self.columns[name] = slice(place, place + 1)
            self.channel_spaces[name] = token_space(np.array([FEATURES[name].most(spec) + 1]))
        self.row_width = rows.width + len(self._features)
        self.observation_space = self.channel_spaces["obs"]
        self.action_space = spaces.Discrete(self.engine.num_actions)

    def reset(self, seed: int | None) -> np.ndarray:
        """Fresh levels everywhere; the first rows, uint8 [N, W]. seed None: go on with the random streams."""
        if seed is not None:
            self.engine.seed(seed)
        self.engine.generate()
        return self._rows()

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
        if not self._features:
            self.engine.advance(action, reward_out, terminated_out, truncated_out, obs_out, next_obs_out)
            return
        shape = self.num_envs, self.engine.layout.width
        obs, next_obs = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
        self.engine.advance(action, reward_out, terminated_out, truncated_out, obs, next_obs)
        self._measure(obs, obs_out)
        self._measure(next_obs, next_obs_out)

    def success_rows(self, seed: int) -> np.ndarray:
        """Rows uint8 [M, W] of the worlds, M of N, that `envs.grid.examples` solves from fresh levels of `seed`."""
        from envs.grid.examples import play_to_success

        self.reset(seed)
        solved = play_to_success(self.engine, np.random.default_rng(seed))
        return self._rows()[solved]

    def rows_of(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """Rows uint8 [N, W] of N worlds as `GridState.arrays` has them; the worlds are put into these states."""
        self.engine.state.put(slice(None), GridState(*(state[name] for name in ("cells", "agent", "stream"))))
        return self._rows()

    def _rows(self) -> np.ndarray:
        """What is now, uint8 [N, W]."""
        rows = np.empty((self.num_envs, self.engine.layout.width), np.uint8)
        self.engine.write_tokens(rows)
        if not self._features:
            return rows
        out = np.empty((self.num_envs, self.row_width), np.uint8)
        self._measure(rows, out)
        return out

    def _measure(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Copy the engine's rows to `out` uint8 [N, W], the features behind them."""
        out[:, : rows.shape[1]] = rows
        state, layout = rows[:, self.columns["state"]], self._state_layout
        assert layout is not None  # features bring the state along
        for name in self._features:
            out[:, self.columns[name].start] = FEATURES[name].of(state, layout, self.engine.spec)

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
