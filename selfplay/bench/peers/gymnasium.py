"""Gymnasium's own MuJoCo environments in its SyncVectorEnv."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from selfplay.bench.worker import serve_stepping

SIZES = (8, 64)


class _Vector:
    def __init__(self, mode: dict[str, Any], *, world: str, processors: int) -> None:
        import gymnasium
        import numpy as np
        from gymnasium.vector import SyncVectorEnv

        self.steps = mode["num_envs"]
        self._envs = SyncVectorEnv([lambda: gymnasium.make(world) for _ in range(self.steps)])
        self._envs.reset(seed=0)
        space: Any = self._envs.action_space
        self._actions = np.random.default_rng(0).uniform(space.low, space.high, (64, *space.shape)).astype(space.dtype)
        self._turn = 0

    def step(self) -> None:
        self._envs.step(self._actions[self._turn % 64])
        self._turn += 1

    def close(self) -> None:
        self._envs.close()


def _modes(*, world: str, processors: int) -> Iterator[dict[str, Any]]:
    return ({"num_envs": size} for size in SIZES)


if __name__ == "__main__":
    serve_stepping(_Vector, _modes)
