"""Four legs in space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from envs.mujoco.world import Moment, Reading, squares
from envs.mujoco.worlds.gymnasium_world import GymnasiumWorld

if TYPE_CHECKING:
    from envs.mujoco.draws import Draws


class Ant(GymnasiumWorld):
    """Gymnasium's Ant-v5: torques at hip and ankle of four legs (Schulman et al., arXiv 1506.02438).

    ## Observation Space

    105: height of the torso (m), its orientation (a quaternion) and the eight joint angles (rad); velocities, 14; the
    forces of contacts on the 13 bodies (torque and force, six numbers each), clipped to ±1. x and y are left out.

    ## Rewards

    1 while healthy, plus the torso's velocity in x over the step (m/s), minus half the sum of the squared torques,
    minus 5e-4 times the sum of the squared clipped contact forces.

    ## Starting State

    .75 m high; positions (the quaternion too) off by uniform noise within ±.1; velocities normal, deviation .1.

    ## Episode End

    Terminates unless the torso's height is within [.2, 1]; truncated after 1,000 steps.
    """

    gymnasium_id, xml = "Ant-v5", "ant.xml"
    mission = "walk forward on four legs"
    frame_skip, max_steps = 5, 1000
    reads = {"torso": Reading("xpos", "torso"), "contact": Reading("cfrc_ext", None)}  # noqa: RUF012
    noise, control_weight, contact_weight = 0.1, 0.5, 5e-4

    def observe(self, now: Moment) -> np.ndarray:
        return np.hstack([now.qpos[:, 2:], now.qvel, np.clip(now.read["contact"], -1.0, 1.0)])

    def reward(self, before: Moment, action: np.ndarray, after: Moment, dt: float) -> np.ndarray:
        velocity = (after.read["torso"][:, 0] - before.read["torso"][:, 0]) / dt
        contact = squares(np.clip(after.read["contact"], -1.0, 1.0))
        cost = self.control_weight * squares(action) + self.contact_weight * contact
        return velocity + ~self.terminated(after) - cost

    def terminated(self, now: Moment) -> np.ndarray:
        height = now.qpos[:, 2]
        return ~((height >= 0.2) & (height <= 1.0))

    def start(self, qpos0: np.ndarray, nv: int, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
        return qpos0 + draws.uniform(-self.noise, self.noise, len(qpos0)), draws.normal(self.noise, nv)
