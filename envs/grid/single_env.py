"""`GridEnv`: one grid world behind `gymnasium.Env`, over a batch of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from envs.grid.levels import LevelSpec, MissionText
from envs.grid.tokens import DEFAULT_SEGMENTS
from envs.grid.vector_env import GridVectorEnv


def mission_space(mission: MissionText) -> spaces.Text:
    """A space that holds every wording of `mission`."""
    words = "".join(word for choice in mission.choices for word in choice)
    longest = len(mission.template) + sum(max(map(len, choice)) for choice in mission.choices)
    return spaces.Text(longest, min_length=0, charset="".join(sorted(set(mission.template + words))))


class GridEnv(gym.Env):
    """One world of a level: `GridVectorEnv` with N = 1 and MiniGrid's own single observation.

    ## Description

    The same worlds as `GridVectorEnv` (which see for actions, rewards and episode end). `reset(seed=s)` draws the level
    that world 0 of `GridVectorEnv.reset(seed=s)` gets.

    ## Observation Space

    That of one of `GridVectorEnv`'s worlds, with `direction` as an integer and `mission` as MiniGrid's text.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 (as in gymnasium)

    def __init__(
        self,
        level: str | LevelSpec,
        observation: str = "image",
        view_size: int = 7,
        segments: Sequence[str] = DEFAULT_SEGMENTS,
        position: bool = False,
        max_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.worlds = GridVectorEnv(
            level, 1, observation, view_size, segments, position, max_steps, AutoresetMode.DISABLED, render_mode
        )
        self.render_mode = render_mode
        self.action_space = self.worlds.single_action_space
        space = self.worlds.single_observation_space
        if isinstance(space, spaces.Dict):
            space = spaces.Dict({**space.spaces, "mission": mission_space(self.worlds.level.mission)})
        self.observation_space = space

    @property
    def mission(self) -> str:
        """What this episode asks for, in MiniGrid's words."""
        return self.worlds.mission_text()[0]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """A fresh level; see Gymnasium. There are no options."""
        super().reset(seed=seed)
        if options:
            raise ValueError(f"reset option {sorted(options)[0]!r} is unknown, there are none")
        if seed is None and not self.worlds.state.stream.any():
            self.worlds.engine.seed(int(self.np_random.integers(2**63)))
        observation, info = self.worlds.reset(seed=seed)
        return self._first(observation), info

    def step(self, action: int | np.integer) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One action; see Gymnasium."""
        observation, reward, terminated, truncated, info = self.worlds.step(np.array([action]))
        return self._first(observation), float(reward[0]), bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> np.ndarray | None:
        """MiniGrid's own picture, uint8 [32 * H, 32 * W, 3]."""
        pictures = self.worlds.render()
        return None if pictures is None else pictures[0]

    def close(self) -> None:
        """Close; a step afterwards is an error."""
        self.worlds.close()

    def _first(self, observation: Any) -> Any:
        if not isinstance(observation, dict):
            return observation[0]
        first: dict[str, Any] = {name: part[0] for name, part in observation.items()}
        return {**first, "direction": int(first["direction"]), "mission": self.mission}
