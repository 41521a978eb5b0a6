"""The state of N MuJoCo worlds as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np


@dataclass(frozen=True)
class MujocoState:
    """N worlds of one model. Whoever copies the arrays has a snapshot.

    physics:  float64 [N, S], MuJoCo's own mjSTATE_INTEGRATION: time, positions, velocities, controls, what the solver
              starts from, and all else that the next step depends on.
    readings: float64 [N, K], what the world reads beside these (`World.reads`): MuJoCo's lag behind the state.
    steps:    int64 [N], since the episode began.
    over:     bool [N], whether the episode is over (until a reset).
    stream:   uint64 [N, 2], the world's random stream (`envs.rng`).
    """

    physics: np.ndarray
    readings: np.ndarray
    steps: np.ndarray
    over: np.ndarray
    stream: np.ndarray

    def take(self, ids: Any) -> MujocoState:
        """A copy of worlds `ids` (int [M], bool [N] or a slice)."""
        return MujocoState(*(array[ids].copy() for array in self.arrays().values()))

    def put(self, ids: Any, other: MujocoState) -> None:
        """Overwrite worlds `ids` (int [M], bool [N] or a slice) with the M worlds of `other`."""
        sizes, others = [(state.physics.shape[1], state.readings.shape[1]) for state in (self, other)]
        if sizes != others:
            raise ValueError(f"state holds worlds of {others} numbers, this one of {sizes}: another model")
        count = len(np.arange(len(self.steps))[ids])
        if len(other.steps) != count:
            raise ValueError(f"state holds {len(other.steps)} worlds, {count} were named")
        for mine, theirs in zip(self.arrays().values(), other.arrays().values(), strict=True):
            mine[ids] = theirs

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays themselves, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Overwrite all worlds with what `arrays` gave."""
        self.put(slice(None), MujocoState(*(np.asarray(arrays[field.name]) for field in fields(self))))
