"""A world in a maze: an agent whose place is its goal."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from envs.mujoco.goals import GoalWorld
from envs.mujoco.maze import LAYOUTS, Maze
from envs.mujoco.world import Moment
from envs.ruler import WAY

if TYPE_CHECKING:
    import mujoco

    from envs.mujoco.draws import Draws
    from envs.mujoco.geodesic import Geodesic
    from envs.mujoco.pictures import Scene


class MazeWorld(GoalWorld):
    """An agent whose place (x, y) is `qpos[:2]`; start and goal are drawn among the maze's free cells.

    layout: a name in `LAYOUTS`.  cell: edge of a cell (m).  wall_height: metres.
    radius: of the disc that stands for the agent where ways are measured (m).
    room: how far at least places are drawn from the edges of their cells (m).
    maze: the maze.
    """

    layout: ClassVar[str]
    cell: ClassVar[float]
    wall_height: ClassVar[float]
    radius: ClassVar[float]
    room: ClassVar[float]
    ruler = WAY
    places = {"position": slice(0, 2)}  # noqa: RUF012

    def __init__(self, goal: Sequence[str] | None = None, shown: Sequence[str] | None = None) -> None:
        super().__init__(goal, shown)
        self.maze = Maze(LAYOUTS[self.layout], self.cell)

    @cached_property
    def geodesic(self) -> Geodesic:
        """Shortest ways in the maze, of a disc of `radius`."""
        from envs.mujoco.geodesic import Geodesic  # brings in scipy

        return Geodesic(self.maze, self.radius)

    @property
    def walls(self) -> np.ndarray:
        return self.maze.walls

    def achieved(self, qpos: np.ndarray) -> np.ndarray:
        return qpos[:, :2]

    def draw_places(self, draws: Draws) -> np.ndarray:
        return self.maze.draw(draws, self.room)

    def scene(self, now: Moment) -> Scene:
        from envs.mujoco.pictures import AGENT, Disc, Scene, goal_ring  # brings in Pillow

        right, top = np.array(self.maze.shape) * self.maze.size / 2
        x, y = now.qpos[0, :2].tolist()
        goal = goal_ring(now.goal[0], self.tolerance["position"], AGENT)
        return Scene((right, top), self.walls, [Disc((x, y), self.radius, AGENT), *goal])


def add_walls(spec: mujoco.MjSpec, maze: Maze, height: float, condim: int) -> None:
    """Add the maze's walls to a model, boxes on the ground; condim: MuJoCo's, 1 for contacts without friction."""
    from envs.mujoco.library import mujoco

    for x0, y0, x1, y1 in maze.walls:
        spec.worldbody.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX, condim=condim, contype=1, conaffinity=1, rgba=[0.35, 0.38, 0.45, 1.0],
            pos=[(x0 + x1) / 2, (y0 + y1) / 2, height / 2], size=[(x1 - x0) / 2, (y1 - y0) / 2, height / 2],
        )  # fmt: skip
