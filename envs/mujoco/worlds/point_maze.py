"""A ball that is pushed through a maze."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from envs.mujoco.ball import add_ball, plane_spec
from envs.mujoco.maze_world import MazeWorld, add_walls
from envs.mujoco.world import Moment

if TYPE_CHECKING:
    import mujoco

    from envs.mujoco.draws import Draws


class PointMaze(MazeWorld):
    """A ball of radius .2 m in a maze of 1 m cells, after the point mazes of D4RL (Fu et al., arXiv 2004.07219).

    Forces of up to 10 N in x and in y, 1 kg, viscous friction of 4 N s/m: up to 2.5 m/s in x and in y. A step is .05 s.

    ## Observation Space

    6: place of the ball (m), its velocity (m/s), and the way from there to the goal in x and y (m).

    ## Rewards

    1 where the goal is reached, else 0.

    ## Starting State

    At rest; ball and goal each in a free cell, uniform, and uniform in it where the ball fits; goals that are reached
    already are drawn again.

    ## Episode End

    Terminates where the ball's centre is within .3 m of the goal; truncated after the time limit.
    """

    mission = "push the ball to the goal"
    frame_skip = 5
    cell, radius, room, wall_height = 1.0, 0.2, 0.2, 0.4
    tolerance = {"position": 0.3}  # noqa: RUF012

    def model(self) -> mujoco.MjModel:
        spec = plane_spec(self.goal_size)
        add_walls(spec, self.maze, self.wall_height, condim=1)
        add_ball(spec, self.radius, condim=1)
        return spec.compile()

    def see(self, now: Moment) -> np.ndarray:
        return np.hstack([now.qpos, now.qvel])

    def start(self, qpos0: np.ndarray, nv: int, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
        return self.draw_places(draws), np.zeros((len(draws), nv))


class PointMazeOpen(PointMaze):
    __doc__ = PointMaze.__doc__
    layout, max_steps = "Open", 100


class PointMazeU(PointMaze):
    __doc__ = PointMaze.__doc__
    layout, max_steps = "U", 200


class PointMazeMedium(PointMaze):
    __doc__ = PointMaze.__doc__
    layout, max_steps = "Medium", 300


class PointMazeLarge(PointMaze):
    __doc__ = PointMaze.__doc__
    layout, max_steps = "Large", 500


class Corridor(PointMaze):
    """25 cells in a row, after the hallway of Sukhbaatar et al. (arXiv 1703.05407); all else as in `PointMaze`."""

    mission = "push the ball along the corridor to the goal"
    layout, max_steps = "Corridor", 400
