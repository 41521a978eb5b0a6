"""Two legs that walk, in a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from envs.mujoco.world import Feature, Moment, Reading, squares, touching
from envs.mujoco.worlds.gymnasium_world import GymnasiumWorld

if TYPE_CHECKING:
    from envs.mujoco.draws import Draws


class Walker2d(GymnasiumWorld):
    """Gymnasium's Walker2d-v5: torques at thigh, leg and foot of two legs in a vertical plane.

    ## Observation Space

    17: height of the torso (m), its angle and those of the six joints (rad), then the velocities of x, height and the
    seven angles, clipped to ±10. x itself is left out.

    ## Rewards

    1 while healthy, plus the velocity in x over the step (m/s), minus 1e-3 times the sum of the squared torques.

    ## Starting State

    Upright, 1.25 m high; all positions and velocities off by uniform noise within ±.005.

    ## Episode End

    Terminates unless the height is between .8 and 2 and the torso's angle within ±1; truncated after 1,000 steps.
    """

    gymnasium_id, xml = "Walker2d-v5", "walker2d_v5.xml"
    mission = "walk forward, in a plane"
    frame_skip, max_steps = 4, 1000
    noise, control_weight = 0.005, 1e-3
    watches = {"foot": Reading("cfrc_ext", "foot"), "foot_left": Reading("cfrc_ext", "foot_left")}  # noqa: RUF012

    def observe(self, now: Moment) -> np.ndarray:
        return np.hstack([now.qpos[:, 1:], np.clip(now.qvel, -10.0, 10.0)])

    def reward(self, before: Moment, action: np.ndarray, after: Moment, dt: float) -> np.ndarray:
        velocity = (after.qpos[:, 0] - before.qpos[:, 0]) / dt
        return velocity + ~self.terminated(after) - self.control_weight * squares(action)

    def terminated(self, now: Moment) -> np.ndarray:
        height, angle = now.qpos[:, 1], now.qpos[:, 2]
        return ~((height > 0.8) & (height < 2.0) & (np.abs(angle) < 1.0))

    def start(self, qpos0: np.ndarray, nv: int, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
        return qpos0 + draws.uniform(-self.noise, self.noise, len(qpos0)), draws.uniform(-self.noise, self.noise, nv)

    def features(self) -> dict[str, Feature]:
        return {
            "forward": Feature("velocity of the torso in x (m/s)", lambda now: now.qvel[:, 0]),
            "upright": Feature("cosine of the torso's angle: 1 upright, 0 lying", lambda now: np.cos(now.qpos[:, 2])),
            "height": Feature("height of the torso (m)", lambda now: now.qpos[:, 1]),
            "contacts": Feature(
                "feet that touch the ground: 0, 1 or 2",
                lambda now: 1.0 * touching(now.read["foot"]) + touching(now.read["foot_left"]),
            ),
        }
