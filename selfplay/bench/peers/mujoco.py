"""MuJoCo's batch alone: what its thread pool gives without observations, rewards and resets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from selfplay.bench.worker import serve_stepping

AGAIN = 16  # steps after which all simulations are put back


class _Bare:
    """`num_envs` simulations on `threads` threads, in the states that our own worlds are in after a while.

    They are put back every few steps: without resets they would drift to where no episode goes.
    """

    def __init__(self, mode: dict[str, Any], *, world: str, num_envs: int, threads: int, processors: int) -> None:
        import numpy as np
        from mujoco.batch import Batch

        from envs.mujoco import MujocoVectorEnv
        from selfplay.bench.ours import staggered

        self.steps = mode["num_envs"]
        ours = MujocoVectorEnv(world, self.steps, threads=threads)
        self._actions = staggered(ours, np.random.default_rng(0))
        self._states, self._frame_skip = ours.snapshot().physics, ours.world.frame_skip
        self._batch = Batch(ours.engine.model, self.steps, min(threads, self.steps))
        self._turn = 0

    def step(self) -> None:
        if self._turn % AGAIN == 0:
            self._batch.state[:] = self._states
        self._batch.ctrl = self._actions[self._turn % 64]
        self._batch.step(nstep=self._frame_skip)
        self._turn += 1

    def close(self) -> None:
        del self._batch


def _modes(*, world: str, num_envs: int, threads: int, processors: int) -> Iterator[dict[str, Any]]:
    yield {"num_envs": num_envs}


if __name__ == "__main__":
    serve_stepping(_Bare, _modes)
