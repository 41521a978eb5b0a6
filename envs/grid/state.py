"""The state of N grid worlds as three plain arrays, and the fields of the agent's row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# Fields of a row of `GridState.agent`.
X, Y, DIRECTION, CARRYING, STEPS, TARGET_X, TARGET_Y, OTHER_X, OTHER_Y, MISSION = range(10)
MISSION_FIELDS = 4  # the mission takes four: MISSION .. MISSION + 3
OVER = MISSION + MISSION_FIELDS
AGENT_FIELDS = OVER + 1


@dataclass(frozen=True)
class GridState:
    """N worlds of one size. The arrays are the state: whoever copies them has a snapshot.

    cells:  uint16 [N, W, H], packed as `envs.grid.symbols` says, indexed [x, y] as MiniGrid's encodings are.
    agent:  int32 [N, 14]: x, y, direction (0 right, 1 down, 2 left, 3 up), carried cell (packed, 0: nothing), steps
            since the level began, x and y of up to two places that the level's rule needs (`envs.grid.levels.rules`),
            four mission codes, and 1 once the episode is over (until a level is drawn).
    stream: uint64 [N, 2], the world's random stream (`envs.rng`).
    """

    cells: np.ndarray
    agent: np.ndarray
    stream: np.ndarray

    @classmethod
    def zeros(cls, num_envs: int, width: int, height: int) -> GridState:
        """A state with nothing in it yet."""
        return cls(
            np.zeros((num_envs, width, height), np.uint16),
            np.zeros((num_envs, AGENT_FIELDS), np.int32),
            np.zeros((num_envs, 2), np.uint64),
        )

    def take(self, ids) -> GridState:
        """A copy of worlds `ids` (int [M], bool [N] or a slice)."""
        return GridState(self.cells[ids].copy(), self.agent[ids].copy(), self.stream[ids].copy())

    def put(self, ids, other: GridState) -> None:
        """Overwrite worlds `ids` (int [M], bool [N] or a slice) with the M worlds of `other`."""
        if other.cells.shape[1:] != self.cells.shape[1:]:
            raise ValueError(f"state holds worlds of {other.cells.shape[1:]}, this one of {self.cells.shape[1:]}")
        count = len(np.arange(len(self.cells))[ids])
        if len(other.cells) != count:
            raise ValueError(f"state holds {len(other.cells)} worlds, {count} were named")
        self.cells[ids], self.agent[ids], self.stream[ids] = other.cells, other.agent, other.stream

    def arrays(self) -> dict[str, np.ndarray]:
        """The three arrays by name, copied."""
        return {"cells": self.cells.copy(), "agent": self.agent.copy(), "stream": self.stream.copy()}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Overwrite all worlds with what `arrays` gave."""
        self.put(slice(None), GridState(*(np.asarray(arrays[name]) for name in ("cells", "agent", "stream"))))
