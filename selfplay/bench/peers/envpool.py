"""EnvPool's own C++ MiniGrid and MuJoCo worlds, synchronous and asynchronous."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from selfplay.bench.worker import serve_stepping

SIZES = (64, 256, 1024)
SUBSTEPS = 5
"""A step of our point mazes; Gymnasium-Robotics' own have one."""


class _Pool:
    def __init__(self, mode: dict[str, Any], *, world: str, kind: str, processors: int) -> None:
        import envpool
        import numpy as np

        if world not in envpool.list_all_envs():
            raise ValueError(f"it has no {world}")
        self.steps = mode.get("batch_size", mode["num_envs"])
        self._async = kind == "async"
        own = {"frame_skip": SUBSTEPS} if _is_maze(world) else {}
        self._pool = envpool.make(world, env_type="gymnasium", num_threads=processors, seed=0, **mode, **own)
        space, rng = self._pool.action_space, np.random.default_rng(0)
        self._actions: Any
        if hasattr(space, "n"):
            self._actions = rng.integers(int(space.n), size=(64, self.steps), dtype=np.int32)
        else:
            self._actions = rng.uniform(space.low, space.high, (64, self.steps, *space.shape))
        self._turn = 0
        if self._async:
            self._pool.async_reset()
        else:
            self._pool.reset()

    def step(self) -> None:
        actions = self._actions[self._turn % 64]
        if self._async:
            *_, info = self._pool.recv()
            self._pool.send(actions, info["env_id"])
        else:
            self._pool.step(actions)
        self._turn += 1

    def close(self) -> None:
        self._pool.close()


def _is_maze(world: str) -> bool:
    return world.startswith("PointMaze_")


def _modes(*, world: str, kind: str, processors: int) -> Iterator[dict[str, Any]]:
    for size in SIZES[:2] if _is_maze(world) else SIZES:  # making one of these takes a tenth of a second
        if kind == "sync":
            yield {"num_envs": size}
        else:
            yield {"num_envs": size, "batch_size": size // 4}
            yield {"num_envs": size, "batch_size": size // 2}


if __name__ == "__main__":
    serve_stepping(_Pool, _modes)
