"""Worlds: `WORLDS` by id, `world(name)`. Free of mujoco and numba, so that listing ids is quick."""

from __future__ import annotations

import difflib

from envs.mujoco.goals import GoalWorld
from envs.mujoco.world import World
from envs.mujoco.worlds.ant import Ant
from envs.mujoco.worlds.ant_maze import AntMazeU
from envs.mujoco.worlds.block_push import BlockPush, TwoBlocks
from envs.mujoco.worlds.gymnasium_world import GymnasiumWorld
from envs.mujoco.worlds.half_cheetah import HalfCheetah
from envs.mujoco.worlds.hopper import Hopper
from envs.mujoco.worlds.inverted_pendulum import InvertedPendulum
from envs.mujoco.worlds.point_maze import Corridor, PointMazeLarge, PointMazeMedium, PointMazeOpen, PointMazeU
from envs.mujoco.worlds.pusher import Pusher
from envs.mujoco.worlds.reacher import Reacher
from envs.mujoco.worlds.swimmer import Swimmer
from envs.mujoco.worlds.walker2d import Walker2d

MIRRORS: dict[str, type[GymnasiumWorld]] = {
    mirror.gymnasium_id: mirror
    for mirror in (InvertedPendulum, Reacher, Pusher, Swimmer, Hopper, HalfCheetah, Walker2d, Ant)
}
"""Gymnasium's worlds by Gymnasium's ids."""

GOAL_WORLDS: dict[str, type[GoalWorld]] = {
    "PointMaze-Open-v0": PointMazeOpen,
    "PointMaze-U-v0": PointMazeU,
    "PointMaze-Medium-v0": PointMazeMedium,
    "PointMaze-Large-v0": PointMazeLarge,
    "Corridor-v0": Corridor,
    "AntMaze-U-v0": AntMazeU,
    "BlockPush-v0": BlockPush,
    "BlockPush-Two-v0": TwoBlocks,
}
"""Our own, for goals and self-play."""

WORLDS: dict[str, type[World]] = {**MIRRORS, **GOAL_WORLDS}
"""All worlds by id without the namespace: "Ant-v5" is "mujoco/Ant-v5" for Gymnasium."""


def world(name: str) -> World:
    """The world called `name`, with or without "mujoco/". ValueError with the nearest id where there is none."""
    key = name.removeprefix("mujoco/")
    if key in WORLDS:
        return WORLDS[key]()
    lowered = {known.lower(): known for known in WORLDS}
    nearest = difflib.get_close_matches(key.lower(), lowered, n=1, cutoff=0.0)
    raise ValueError(f"unknown world {name!r}; nearest is 'mujoco/{lowered[nearest[0]]}'")
