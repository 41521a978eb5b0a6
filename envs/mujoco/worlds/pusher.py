"""An arm that pushes a cylinder to a goal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from envs.mujoco.world import Moment, Reading, squares
from envs.mujoco.worlds.gymnasium_world import GymnasiumWorld

if TYPE_CHECKING:
    from envs.mujoco.draws import Draws


class Pusher(GymnasiumWorld):
    """Gymnasium's Pusher-v5: torques of up to 2 Nm at seven joints of an arm beside a table with a cylinder on it.

    ## Observation Space

    23: angles and their velocities, seven each, and the places of fingertip, cylinder and goal (m).

    ## Rewards

    Minus the distance of cylinder and goal, minus half the distance of fingertip and cylinder, minus a tenth of the sum
    of the squared torques.

    ## Starting State

    The arm in the model's pose, with velocities uniform within ±.005; the goal always in its place; the cylinder
    uniform in [-.3, 0] × [-.2, .2] from there, but more than .17 away, at rest.

    ## Episode End

    Truncated after 100 steps.
    """

    gymnasium_id, xml = "Pusher-v5", "pusher_v5.xml"
    mission = "push the cylinder to the goal"
    frame_skip, max_steps = 5, 100
    reads = {name: Reading("xpos", name) for name in ("tips_arm", "object", "goal")}  # noqa: RUF012
    speed, apart = 0.005, 0.17
    near_weight, control_weight = 0.5, 0.1

    def observe(self, now: Moment) -> np.ndarray:
        return np.hstack([now.qpos[:, :7], now.qvel[:, :7], *now.read.values()])

    def reward(self, before: Moment, action: np.ndarray, after: Moment, dt: float) -> np.ndarray:
        arm, thing, goal = after.read["tips_arm"], after.read["object"], after.read["goal"]
        near, far = np.linalg.norm(thing - arm, axis=1), np.linalg.norm(thing - goal, axis=1)
        return -far - self.control_weight * squares(action) - self.near_weight * near

    def start(self, qpos0: np.ndarray, nv: int, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
        place = self._place(draws)
        while (close := np.hypot(*place.T) <= self.apart).any():
            place[close] = self._place(draws.only(close))
        qpos = np.tile(qpos0, (len(draws), 1))
        qpos[:, -4:] = np.hstack([place, np.zeros_like(place)])
        qvel = draws.uniform(-self.speed, self.speed, nv)
        qvel[:, -4:] = 0.0
        return qpos, qvel

    def _place(self, draws: Draws) -> np.ndarray:
        return draws.uniform(0.0, 1.0, 2) * (0.3, 0.4) - (0.3, 0.2)
