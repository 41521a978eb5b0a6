"""Four legs in a maze."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from envs.mujoco.maze_world import MazeWorld, add_walls
from envs.mujoco.world import Moment
from envs.mujoco.worlds.ant import Ant
from envs.mujoco.worlds.gymnasium_world import asset

if TYPE_CHECKING:
    import mujoco

    from envs.mujoco.draws import Draws
    from envs.mujoco.pictures import Scene


class AntMazeU(MazeWorld):
    """Gymnasium's ant, with legs of about 1.1 m, in a U of 4 m cells, after Duan et al. (arXiv 1604.06778).

    Torques at hip and ankle of four legs. Walls are 10 m high. A step is .05 s.

    ## Observation Space

    31: place of the torso (m), its orientation (a quaternion) and the eight joint angles (rad), 15; velocities, 14; and
    the way from the torso to the goal in x and y (m).

    ## Rewards

    1 where the goal is reached, else 0.

    ## Starting State

    .75 m high; ant and goal each in a free cell, uniform, and uniform in it 1.2 m or more from its edges; goals that
    are reached already are drawn again. Orientation and angles off by uniform noise within ±.1; velocities normal,
    deviation .1.

    ## Episode End

    Terminates where the torso is within .5 m of the goal in x and y; truncated after 700 steps. An ant that has fallen
    on its back plays on.
    """

    mission = "walk to the goal on four legs"
    frame_skip, max_steps = 5, 700
    layout, cell = "U", 4.0
    wall_height = 10.0  # Gymnasium's ant leaps 6 m high at full throttle
    radius, room = 0.25, 1.2
    tolerance = {"position": 0.5}  # noqa: RUF012

    def model(self) -> mujoco.MjModel:
        from envs.mujoco.library import mujoco

        spec = mujoco.MjSpec.from_file(str(asset(Ant.xml)))
        spec.nuserdata = self.goal_size
        add_walls(spec, self.maze, self.wall_height, condim=3)
        return spec.compile()

    @cached_property
    def _drawn(self) -> mujoco.MjData:
        """What pictures reckon the legs by."""
        from envs.mujoco.library import mujoco

        return mujoco.MjData(self.model())

    def scene(self, now: Moment) -> Scene:
        from envs.mujoco.library import mujoco
        from envs.mujoco.pictures import LIMB, Disc, Polygon, capsule  # brings in Pillow

        data = self._drawn
        model = data.model
        data.qpos[:] = now.qpos[0]
        mujoco.mj_kinematics(model, data)
        legs: list[Disc | Polygon] = []
        for geom in np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_CAPSULE):
            radius, half = model.geom_size[geom, :2]
            middle, along = data.geom_xpos[geom, :2], half * data.geom_xmat[geom].reshape(3, 3)[:2, 2]
            legs += capsule(middle - along, middle + along, float(radius), LIMB)
        whole = super().scene(now)
        return replace(whole, things=[*legs, *whole.things])

    def see(self, now: Moment) -> np.ndarray:
        return np.hstack([now.qpos, now.qvel])

    def start(self, qpos0: np.ndarray, nv: int, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
        qpos = qpos0 + draws.uniform(-Ant.noise, Ant.noise, len(qpos0))
        qpos[:, :2] = self.draw_places(draws)
        return qpos, draws.normal(Ant.noise, nv)
