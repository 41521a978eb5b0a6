"""Environments, registered with Gymnasium on import: `gymnasium.make_vec("grid/DoorKey-8x8-v0", num_envs=4096)`.

Nothing heavy is imported until an environment is made.
"""

from __future__ import annotations

from gymnasium.envs.registration import register, registry

from envs.grid.levels import LEVELS
from envs.mujoco.worlds import WORLDS


def _register_grid() -> None:
    for level in LEVELS:
        name = f"grid/{level}"
        if name not in registry:
            register(
                name,
                entry_point="envs.grid.single_env:GridEnv",
                vector_entry_point="envs.grid.vector_env:GridVectorEnv",
                kwargs={"level": level},
            )


def _register_mujoco() -> None:
    for world in WORLDS:
        name = f"mujoco/{world}"
        if name not in registry:
            register(
                name,
                entry_point="envs.mujoco.single_env:MujocoEnv",
                vector_entry_point="envs.mujoco.vector_env:MujocoVectorEnv",
                kwargs={"world": world},
            )


_register_grid()
_register_mujoco()
