"""States of success in MuJoCo's worlds with goals: what a goal classifier can be shown."""

from __future__ import annotations

import numpy as np

from envs.errors import UnmeasurableError
from envs.mujoco.goals import GoalWorld
from envs.mujoco.vector_env import MujocoVectorEnv

ROAM = 16
"""Random steps that are played first, so that things move."""


def place_at_goals(env: MujocoVectorEnv, seed: int) -> None:
    """Bring every environment into a state of success: what it has achieved is what it is asked for.

    Episodes begin from `seed`; after `ROAM` random steps, uniform within the bounds, each thing's goal is drawn
    uniform in the disc of its tolerance around where the thing is. `UnmeasurableError` in worlds without goals.
    """
    world = env.world
    if not isinstance(world, GoalWorld):
        raise UnmeasurableError(f"{type(world).__name__} has no goals")
    rng = np.random.default_rng(seed)
    env.reset(seed=seed)
    env.ask(np.full((env.num_envs, world.goal_size), np.nan))  # nothing ends while they roam
    low, high = env.engine.model.actuator_ctrlrange.T
    for _ in range(ROAM):
        env.step(rng.uniform(low, high, (env.num_envs, len(low))))
    goal = env.achieved_goal()
    for part, columns in world.places.items():
        things = (columns.stop - columns.start) // 2
        angle = rng.uniform(0, 2 * np.pi, (env.num_envs, things))
        radius = np.sqrt(rng.random((env.num_envs, things))) * world.tolerance[part]
        away = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=2)
        goal[:, columns] += away.reshape(env.num_envs, -1)
    env.ask(goal)
