"""minigrid itself in Gymnasium's SyncVectorEnv and AsyncVectorEnv."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from selfplay.bench.worker import serve_stepping

SYNC_SIZES = (8, 64, 512)
ASYNC_SIZES = (1, 2, 8)  # environments a processor: a process each


class _Vector:
    def __init__(self, mode: dict[str, Any], *, world: str, kind: str, processors: int) -> None:
        import gymnasium
        import minigrid  # noqa: F401 (registers its ids)
        import numpy as np
        from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
        from minigrid.wrappers import ImgObsWrapper

        self.steps = mode["num_envs"]
        vector = {"sync": SyncVectorEnv, "async": AsyncVectorEnv}[kind]
        # the image alone: the mission's text cannot be in shared memory, without which AsyncVectorEnv is slower
        self._envs = vector([lambda: ImgObsWrapper(gymnasium.make(world)) for _ in range(self.steps)])
        self._envs.reset(seed=0)
        actions = int(self._envs.single_action_space.n)
        self._actions = np.random.default_rng(0).integers(actions, size=(64, self.steps))
        self._turn = 0

    def step(self) -> None:
        self._envs.step(self._actions[self._turn % 64])
        self._turn += 1

    def close(self) -> None:
        self._envs.close()


def _modes(*, world: str, kind: str, processors: int) -> Iterator[dict[str, Any]]:
    sizes = SYNC_SIZES if kind == "sync" else [each * processors for each in ASYNC_SIZES]
    return ({"num_envs": size} for size in sizes)


if __name__ == "__main__":
    serve_stepping(_Vector, _modes)
