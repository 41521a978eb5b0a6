"""The state of N MuJoCo worlds as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

_ARRAYS = ("physics", "readings", "steps", "over", "stream")


@dataclass(frozen=True)
class MujocoState:
    """N worlds of one model. Whoever copies the arrays has a snapshot.

    physics:  float64 [N, S], MuJoCo's own mjSTATE_INTEGRATION: time, positions, velocities, controls, what the solver
              starts from, and all else that the next step depends on.
    readings: float64 [N, K], what the world reads beside these (`World.reads`): MuJoCo's lag behind the state.
    steps:    int64 [N], since the episode began.
    over:     bool [N], whether the episode is over (until a reset).
    stream:   uint64 [N, 2], the world's random stream (`envs.rng`).
    world:    the world's name, for messages.
    model:    a digest of its model: in another one the same numbers mean something else.
    """

    physics: np.ndarray
    readings: np.ndarray
    steps: np.ndarray
    over: np.ndarray
    stream: np.ndarray
    world: str
    model: str

    def take(self, ids: Any) -> MujocoState:
        """A copy of worlds `ids` (int [M], bool [N] or a slice)."""
        taken: dict[str, Any] = {name: array[ids].copy() for name, array in self.arrays().items()}
        return replace(self, **taken)

    def put(self, ids: Any, other: MujocoState) -> None:
        """Overwrite worlds `ids` (int [M], bool [N] or a slice) with the M worlds of `other`."""
        if not isinstance(other, MujocoState):
            raise ValueError(f"state is a {type(other).__name__}, expected a MujocoState: what snapshot() gave")
        sizes, others = [(state.physics.shape[1:], state.readings.shape[1:]) for state in (self, other)]
        if sizes != others or self.model != other.model:
            raise ValueError(f"state is of {other.world}, this is {self.world}: expected one of the same model")
        count = len(np.arange(len(self.steps))[ids])
        if len(other.steps) != count:
            raise ValueError(f"state holds {len(other.steps)} worlds, {count} were named")
        for mine, theirs in zip(self.arrays().values(), other.arrays().values(), strict=True):
            mine[ids] = theirs

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays themselves, by name."""
        return {name: getattr(self, name) for name in _ARRAYS}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Overwrite all worlds with what `arrays` gave, of the same model."""
        given: dict[str, Any] = {name: np.asarray(arrays[name]) for name in _ARRAYS}
        self.put(slice(None), replace(self, **given))
