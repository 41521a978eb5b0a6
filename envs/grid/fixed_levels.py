"""A few levels instead of a fresh one for every episode: a world that can be known by heart."""

from __future__ import annotations

import numpy as np

from envs.grid.levels.spec import LevelSpec

_MOST = 2**20


class FixedLevels:
    """The first `count` levels of `seed`, for a `GridEngine`, which begins every episode with one of them at random.

    They are drawn when they are first asked for, and are the same whatever the engine is seeded with.
    """

    def __init__(self, spec: LevelSpec, count: int, seed: int) -> None:
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or not 1 <= count <= _MOST:
            raise ValueError(f"levels is {count!r}, expected an integer from 1 to {_MOST}")
        self.spec, self._count, self._seed = spec, int(count), seed
        self._drawn: tuple[np.ndarray, np.ndarray] | None = None

    def levels(self) -> tuple[np.ndarray, np.ndarray]:
        """Cells uint16 [M, W, H] and agents int32 [M, A]."""
        if self._drawn is None:
            from envs.grid.engine import GridEngine

            engine = GridEngine(self.spec, self._count)
            engine.seed(self._seed)
            engine.generate()
            self._drawn = engine.state.cells.copy(), engine.state.agent.copy()
            engine.close()
        return self._drawn

    def restart(self, seed: int) -> None:
        """Nothing: the levels stay what they are."""

    def count(self, resets: int) -> None:
        """Nothing: the levels stay what they are."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Nothing: count and seed say it all."""
        return {}

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Nothing: count and seed say it all."""

    def close(self) -> None:
        """Nothing to let go of."""
