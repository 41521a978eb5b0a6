"""A pole on a cart, to be kept upright."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from envs.mujoco.world import Moment
from envs.mujoco.worlds.gymnasium_world import GymnasiumWorld

if TYPE_CHECKING:
    from envs.mujoco.draws import Draws


class InvertedPendulum(GymnasiumWorld):
    """Gymnasium's InvertedPendulum-v5: pushes of up to 3 N on the cart (Barto, Sutton and Anderson, 1983).

    ## Observation Space

    4: position of the cart (m), angle of the pole (rad), and their velocities.

    ## Rewards

    1 for each step after which the pole is upright.

    ## Starting State

    All positions and velocities uniform within ±.01.

    ## Episode End

    Terminates where the angle is beyond ±.2; truncated after 1,000 steps.
    """

    gymnasium_id, xml = "InvertedPendulum-v5", "inverted_pendulum.xml"
    mission = "keep the pole on the cart upright"
    frame_skip, max_steps = 2, 1000
    noise, tilt = 0.01, 0.2

    def observe(self, now: Moment) -> np.ndarray:
        return np.hstack([now.qpos, now.qvel])

    def reward(self, before: Moment, action: np.ndarray, after: Moment, dt: float) -> np.ndarray:
        return (~self.terminated(after)).astype(np.float64)

    def terminated(self, now: Moment) -> np.ndarray:
        return np.abs(now.qpos[:, 1]) > self.tilt

    def start(self, qpos0: np.ndarray, nv: int, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
        return qpos0 + draws.uniform(-self.noise, self.noise, len(qpos0)), draws.uniform(-self.noise, self.noise, nv)
