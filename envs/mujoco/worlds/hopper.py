"""One leg that hops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from envs.mujoco.world import Feature, Moment, Reading, squares, touching
from envs.mujoco.worlds.gymnasium_world import GymnasiumWorld

if TYPE_CHECKING:
    from envs.mujoco.draws import Draws


class Hopper(GymnasiumWorld):
    """Gymnasium's Hopper-v5: torques at thigh, leg and foot of one leg in a vertical plane.

    ## Observation Space

    11: height of the torso (m), its angle and those of the three joints (rad), then the velocities of x, height and the
    four angles, clipped to ±10. x itself is left out.

    ## Rewards

    1 while healthy, plus the velocity in x over the step (m/s), minus 1e-3 times the sum of the squared torques.

    ## Starting State

    Upright, 1.25 m high; all positions and velocities off by uniform noise within ±.005.

    ## Episode End

    Terminates unless height > .7, the torso's angle is within ±.2, and every velocity and every other angle within
    ±100; truncated after 1,000 steps.
    """

    gymnasium_id, xml = "Hopper-v5", "hopper.xml"
    mission = "hop forward on one leg"
    frame_skip, max_steps = 4, 1000
    noise, control_weight = 0.005, 1e-3
    watches = {"foot": Reading("cfrc_ext", "foot")}  # noqa: RUF012

    def observe(self, now: Moment) -> np.ndarray:
        return np.hstack([now.qpos[:, 1:], np.clip(now.qvel, -10.0, 10.0)])

    def reward(self, before: Moment, action: np.ndarray, after: Moment, dt: float) -> np.ndarray:
        velocity = (after.qpos[:, 0] - before.qpos[:, 0]) / dt
        return velocity + ~self.terminated(after) - self.control_weight * squares(action)

    def terminated(self, now: Moment) -> np.ndarray:
        high, upright = now.qpos[:, 1] > 0.7, np.abs(now.qpos[:, 2]) < 0.2
        sane = (np.abs(now.qpos[:, 2:]) < 100.0).all(axis=1) & (np.abs(now.qvel) < 100.0).all(axis=1)
        return ~(high & upright & sane)

    def start(self, qpos0: np.ndarray, nv: int, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
        return qpos0 + draws.uniform(-self.noise, self.noise, len(qpos0)), draws.uniform(-self.noise, self.noise, nv)

    def features(self) -> dict[str, Feature]:
        return {
            "forward": Feature("velocity of the torso in x (m/s)", lambda now: now.qvel[:, 0]),
            "upright": Feature("cosine of the torso's angle: 1 upright, 0 lying", lambda now: np.cos(now.qpos[:, 2])),
            "height": Feature("height of the torso (m)", lambda now: now.qpos[:, 1]),
            "contacts": Feature("feet that touch the ground: 0 or 1", lambda now: 1.0 * touching(now.read["foot"])),
        }
