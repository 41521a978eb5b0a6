"""Environments, registered with Gymnasium on import: `gymnasium.make_vec("grid/DoorKey-8x8-v0", num_envs=4096)`.

Nothing heavy is imported until an environment is made.
"""

from __future__ import annotations

from gymnasium.envs.registration import register, registry

from envs.grid.levels import LEVELS


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


_register_grid()
