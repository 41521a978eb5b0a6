"""Two legs that run, in a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from envs.mujoco.world import Feature, Moment, squares
from envs.mujoco.worlds.gymnasium_world import GymnasiumWorld

if TYPE_CHECKING:
    from envs.mujoco.draws import Draws


class HalfCheetah(GymnasiumWorld):
    """Gymnasium's HalfCheetah-v5: torques at thigh, shin and foot of a back and a front leg in a vertical plane.

    ## Observation Space

    17: height (m), angle of the trunk and of the six joints (rad), then the velocities of x, height and the seven
    angles. x itself is left out.

    ## Rewards

    The velocity in x over the step (m/s) minus a tenth of the sum of the squared torques.

    ## Starting State

    All positions off by uniform noise within ±.1; velocities normal with standard deviation .1.

    ## Episode End

    Truncated after 1,000 steps.
    """

    gymnasium_id, xml = "HalfCheetah-v5", "half_cheetah.xml"
    mission = "run forward, in a plane"
    frame_skip, max_steps = 5, 1000
    noise, control_weight = 0.1, 0.1

    def observe(self, now: Moment) -> np.ndarray:
        return np.hstack([now.qpos[:, 1:], now.qvel])

    def reward(self, before: Moment, action: np.ndarray, after: Moment, dt: float) -> np.ndarray:
        return (after.qpos[:, 0] - before.qpos[:, 0]) / dt - self.control_weight * squares(action)

    def start(self, qpos0: np.ndarray, nv: int, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
        return qpos0 + draws.uniform(-self.noise, self.noise, len(qpos0)), draws.normal(self.noise, nv)

    def features(self) -> dict[str, Feature]:
        return {
            "forward": Feature("velocity of the torso in x (m/s)", lambda now: now.qvel[:, 0]),
            "upright": Feature(
                "cosine of the torso's angle: 1 upright, -1 on its back", lambda now: np.cos(now.qpos[:, 2])
            ),
        }
