"""Three links in a viscous fluid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from envs.mujoco.world import Moment, squares
from envs.mujoco.worlds.gymnasium_world import GymnasiumWorld

if TYPE_CHECKING:
    from envs.mujoco.draws import Draws


class Swimmer(GymnasiumWorld):
    """Gymnasium's Swimmer-v5: torques at the two joints of three links in a plane pool (Coulom, 2002).

    ## Observation Space

    8: angle of the front link and of the two joints (rad), then the velocities of x, y and the three angles. x and y
    themselves are left out.

    ## Rewards

    The velocity in x over the step (m/s) minus 1e-4 times the sum of the squared torques.

    ## Starting State

    All positions and velocities uniform within ±.1.

    ## Episode End

    Truncated after 1,000 steps.
    """

    gymnasium_id, xml = "Swimmer-v5", "swimmer.xml"
    mission = "swim forward"
    frame_skip, max_steps = 4, 1000
    noise, control_weight = 0.1, 1e-4

    def observe(self, now: Moment) -> np.ndarray:
        return np.hstack([now.qpos[:, 2:], now.qvel])

    def reward(self, before: Moment, action: np.ndarray, after: Moment, dt: float) -> np.ndarray:
        return (after.qpos[:, 0] - before.qpos[:, 0]) / dt - self.control_weight * squares(action)

    def start(self, qpos0: np.ndarray, nv: int, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
        return qpos0 + draws.uniform(-self.noise, self.noise, len(qpos0)), draws.uniform(-self.noise, self.noise, nv)
