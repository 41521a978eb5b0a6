"""Pictures of worlds that were stepped on since: remembered step by step, drawn only when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from envs.grid.engine import GridEngine
from envs.grid.world import GridWorld
from selfplay.core.collect import World

if TYPE_CHECKING:
    from envs.mujoco.rollout_world import MujocoWorld


class Camera(Protocol):
    """Remembers the worlds it looks at as they are, and draws them later. Pictures are uint8 [H, W, 3]."""

    def moment(self) -> Any:
        """What is needed to draw every environment as it is now."""

    def draw(self, moment: Any, n: int) -> np.ndarray:
        """Environment n as it was then."""

    def draw_after(self, moment: Any, action: np.ndarray, n: int) -> np.ndarray:
        """Environment n after the next step, by `action` of all; not the fresh level, if that ended the episode."""


def camera(world: World) -> Camera:
    """One for this world. NotImplementedError, here or when first drawing, in worlds without pictures."""
    if not hasattr(world, "frame"):
        raise NotImplementedError("this world has no pictures")
    if isinstance(world, GridWorld):
        return GridCamera(world)
    from envs.mujoco.rollout_world import MujocoWorld  # brings in mujoco, which grids have no use for

    if isinstance(world, MujocoWorld):
        return MujocoCamera(world)
    return FrameCamera(world)


class GridCamera:
    """A second engine takes the state, and the last step without beginning anew."""

    def __init__(self, world: GridWorld) -> None:
        self._engine = world.engine
        self._twin = GridEngine(world.engine.spec, world.num_envs, max_steps=world.engine.max_steps)

    def moment(self) -> dict[str, np.ndarray]:
        return self._engine.state.arrays()

    def draw(self, moment: dict[str, np.ndarray], n: int) -> np.ndarray:
        from envs.grid.interop import engine_frame  # brings in pygame

        self._twin.state.load(moment)
        return engine_frame(self._twin, n)

    def draw_after(self, moment: dict[str, np.ndarray], action: np.ndarray, n: int) -> np.ndarray:
        from envs.grid.interop import engine_frame

        count = len(action)
        self._twin.state.load(moment)
        self._twin.step(action, np.zeros(count), np.zeros(count, bool), np.zeros(count, bool))
        return engine_frame(self._twin, n)


class MujocoCamera:
    """The same with physics. The world must have goals, or nothing draws it."""

    def __init__(self, world: MujocoWorld) -> None:
        from envs.mujoco.vector_env import MujocoVectorEnv

        self._env = world.env
        self._twin = MujocoVectorEnv(world.env.world, world.num_envs, dtype=np.float32, threads=1)

    def moment(self) -> Any:
        return self._env.snapshot()

    def draw(self, moment: Any, n: int) -> np.ndarray:
        self._twin.restore(moment)
        return self._twin.frame(n)

    def draw_after(self, moment: Any, action: np.ndarray, n: int) -> np.ndarray:
        self._twin.restore(moment)
        self._twin.step(action)
        return self._twin.frame(n)


class FrameCamera:
    """For other worlds (with a television): draws all at once, and cannot show how an episode ended."""

    def __init__(self, world: Any) -> None:
        self._world = world

    def moment(self) -> list[np.ndarray]:
        return [self._world.frame(n) for n in range(self._world.num_envs)]

    def draw(self, moment: list[np.ndarray], n: int) -> np.ndarray:
        return moment[n]

    def draw_after(self, moment: list[np.ndarray], action: np.ndarray, n: int) -> np.ndarray:
        return moment[n]
