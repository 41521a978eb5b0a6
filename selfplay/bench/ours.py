"""Our own environments as a contender, through Gymnasium's interface as anybody would use them."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

from selfplay.bench.worker import rate, serve, versions

WARM_STEPS = 50
"""Steps of MuJoCo worlds before the first measurement: legs are on the ground, arms are swinging."""


def peak_bytes() -> int:
    """The most memory this process has held. (Linux's getrusage may tell that of the process that started it.)"""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Worlds:
    """`num_envs` worlds of `env` ("grid/…" or "mujoco/…") on `threads` threads, stepped with actions drawn beforehand.

    size: builds another level of the family with the factory in `FAMILIES`, side `size`; None: the registered level.
    """

    def __init__(self, env: str, num_envs: int, threads: int, size: int | None = None) -> None:
        import gymnasium
        import numba
        import numpy as np

        import envs  # noqa: F401 (registers grid/…)
        from envs.grid.state import STEPS

        numba.set_num_threads(threads)
        self.steps = num_envs
        rng = np.random.default_rng(0)
        self._turn = 0
        if env.startswith("mujoco/"):
            self._worlds = gymnasium.make_vec(env, num_envs=num_envs, threads=threads)
            self._actions = staggered(self._worlds, rng)
            return
        if size is None:
            self._worlds = gymnasium.make_vec(env, num_envs=num_envs)
        else:
            spec = factories()[env](size)
            self._worlds = gymnasium.make_vec("grid/Empty-8x8-v0", num_envs=num_envs, level=spec)
        actions: Any = self._worlds.single_action_space
        self._worlds.reset(seed=0)
        # ages as after a long time: all worlds begun together would be drawn anew together, in few of the measurements
        worlds: Any = self._worlds
        worlds.state.agent[:, STEPS] = rng.integers(worlds.max_steps, size=num_envs)
        self._actions = rng.integers(int(actions.n), size=(64, num_envs))
        for _ in range(16):
            self.step()

    def step(self) -> None:
        self._worlds.step(self._actions[self._turn % 64])
        self._turn += 1

    def close(self) -> None:
        self._worlds.close()


def staggered(worlds: Any, rng: Any) -> Any:
    """Bring MuJoCo worlds into states as after a long time, of all ages. Returns the random actions: [64, N, nu]."""
    space = worlds.single_action_space
    actions = rng.uniform(space.low, space.high, (64, worlds.num_envs, *space.shape)).astype(space.dtype)
    worlds.reset(seed=0)
    for turn in range(WARM_STEPS):
        worlds.step(actions[turn % 64])
    worlds.state.steps[:] = rng.integers(worlds.max_steps, size=worlds.num_envs)
    return actions


def factories() -> dict[str, Any]:
    """Families whose side can be chosen: name to a function of the side that gives the level."""
    from envs.grid.levels.catalogue import empty, fourrooms, multiroom

    return {
        "Empty": empty,
        "FourRooms": fourrooms,
        "MultiRoom, 4 rooms": lambda size: multiroom(4, max_room_size=min(6, size - 1), size=size),
    }


def _serve() -> None:
    kept: list[Worlds] = []

    def prepare(packages: list[str], **arguments: Any) -> dict[str, Any]:
        kept[:] = [Worlds(**arguments)]
        return {"versions": versions(packages)}

    def measure(seconds: float) -> dict[str, float]:
        return rate(kept[0], seconds) | {"peak_bytes": peak_bytes()}

    serve({"prepare": prepare, "measure": measure})


if __name__ == "__main__":
    _serve()
