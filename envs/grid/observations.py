"""The observations of `GridVectorEnv`: MiniGrid's dictionaries, batched, or rows of tokens."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from envs.grid.levels import LevelSpec
from envs.grid.state import DIRECTION, MISSION, X, Y
from envs.grid.tokens import RowLayout, TokenLayout, both_images_layout, full_image_layout, image_layout, token_space

OBSERVATIONS = ("image", "full", "both", "tokens")


class Observations:
    """How worlds of `level` are observed. The arguments are those of `GridVectorEnv`.

    layout: what the engine is to write into a row. space: of one world's observation.
    """

    def __init__(
        self, level: LevelSpec, observation: str, view_size: int, segments: Sequence[str], position: bool
    ) -> None:
        if observation not in OBSERVATIONS:
            nearest = difflib.get_close_matches(str(observation), OBSERVATIONS, n=1, cutoff=0.0)[0]
            raise ValueError(
                f"observation is {observation!r}, expected {', '.join(OBSERVATIONS)}; nearest: {nearest!r}"
            )
        if position and observation == "tokens":
            raise ValueError("position=True is for images; tokens have a segment 'position'")
        self._position = position
        self._codes = len(level.mission.nvec)
        self.layout: RowLayout
        self.space: spaces.Space
        self._images: dict[str, tuple[int, int, int]] = {}
        view, full = (view_size, view_size, 3), (level.width, level.height, 3)
        if observation == "tokens":
            self.layout = tokens = TokenLayout(level, segments, view_size)
            self.space = token_space(tokens.nvec)
            return
        if observation == "full":
            self.layout, self._images = full_image_layout(level), {"image": full}
        elif observation == "both":
            self.layout, self._images = both_images_layout(level, view_size), {"image": view, "full": full}
        else:
            self.layout, self._images = image_layout(view_size), {"image": view}
        parts: dict[str, spaces.Space] = {
            name: spaces.Box(0, 255, shape, np.uint8) for name, shape in self._images.items()
        }
        parts["direction"] = spaces.Discrete(4)
        parts["mission"] = spaces.MultiDiscrete(np.array(level.mission.nvec, np.int64))
        if position:
            parts["position"] = spaces.MultiDiscrete([level.width, level.height])
        self.space = spaces.Dict(parts)

    def of(self, rows: np.ndarray, agents: np.ndarray) -> Any:
        """The observation of M worlds: of rows uint8 [M, P], as `layout` has them, and agents int32 [M, 14]."""
        if not self._images:
            return rows
        observation: dict[str, np.ndarray] = {}
        start = 0
        for name, shape in self._images.items():
            end = start + shape[0] * shape[1] * 3
            observation[name] = np.ascontiguousarray(rows[:, start:end]).reshape(len(rows), *shape)
            start = end
        observation["direction"] = agents[:, DIRECTION].astype(np.int64)
        observation["mission"] = agents[:, MISSION : MISSION + self._codes].astype(np.int64)
        if self._position:
            observation["position"] = agents[:, [X, Y]].astype(np.int64)
        return observation
