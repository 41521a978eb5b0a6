"""An arm with two joints and a target to be touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from envs.mujoco.world import Moment, Reading, squares
from envs.mujoco.worlds.gymnasium_world import GymnasiumWorld

if TYPE_CHECKING:
    from envs.mujoco.draws import Draws


class Reacher(GymnasiumWorld):
    """Gymnasium's Reacher-v5: torques at two joints of an arm in the plane; the first two angles, then the target.

    ## Observation Space

    10: cosines and sines of the two angles, place of the target (m), velocities of the angles (rad/s), and the way from
    the target to the fingertip in x and y (m).

    ## Rewards

    Minus the distance of fingertip and target, minus the sum of the squared torques.

    ## Starting State

    Angles uniform within ±.1, their velocities within ±.005; the target uniform in a disc of radius .2, at rest.

    ## Episode End

    Truncated after 50 steps.
    """

    gymnasium_id, xml = "Reacher-v5", "reacher.xml"
    mission = "touch the target with the fingertip"
    frame_skip, max_steps = 2, 50
    reads = {"fingertip": Reading("xpos", "fingertip"), "target": Reading("xpos", "target")}  # noqa: RUF012
    angle, speed, radius = 0.1, 0.005, 0.2
    control_weight = 1.0

    def observe(self, now: Moment) -> np.ndarray:
        angles, way = now.qpos[:, :2], now.read["fingertip"] - now.read["target"]
        return np.hstack([np.cos(angles), np.sin(angles), now.qpos[:, 2:], now.qvel[:, :2], way[:, :2]])

    def reward(self, before: Moment, action: np.ndarray, after: Moment, dt: float) -> np.ndarray:
        distance = np.linalg.norm(after.read["fingertip"] - after.read["target"], axis=1)
        return -distance - self.control_weight * squares(action)

    def start(self, qpos0: np.ndarray, nv: int, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
        qpos = qpos0 + draws.uniform(-self.angle, self.angle, len(qpos0))
        radius, turn = draws.uniform(0.0, 1.0, 2).T
        radius, turn = self.radius * np.sqrt(radius), 2 * np.pi * turn
        qpos[:, 2:] = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
        qvel = draws.uniform(-self.speed, self.speed, nv)
        qvel[:, 2:] = 0.0
        return qpos, qvel
