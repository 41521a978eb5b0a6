"""What minigrid's environment classes keep in attributes for their own rules, to and from our arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from minigrid.core.world_object import Door
from minigrid.envs import (
    BlockedUnlockPickupEnv,
    DynamicObstaclesEnv,
    FetchEnv,
    GoToDoorEnv,
    GoToObjectEnv,
    KeyCorridorEnv,
    MemoryEnv,
    ObstructedMazeEnv,
    PutNearEnv,
    RedBlueDoorEnv,
    UnlockEnv,
    UnlockPickupEnv,
)
from minigrid.minigrid_env import MiniGridEnv

from envs.grid import symbols
from envs.grid.levels import rules
from envs.grid.state import CARRYING, OTHER_X, OTHER_Y, TARGET_X, TARGET_Y

RULES = {
    MiniGridEnv.step: rules.RULE_GOAL,
    UnlockEnv.step: rules.RULE_UNLOCK,
    KeyCorridorEnv.step: rules.RULE_PICKUP_TARGET,
    UnlockPickupEnv.step: rules.RULE_PICKUP_TARGET,
    BlockedUnlockPickupEnv.step: rules.RULE_PICKUP_TARGET,
    ObstructedMazeEnv.step: rules.RULE_PICKUP_TARGET,
    GoToDoorEnv.step: rules.RULE_DONE_BESIDE,
    GoToObjectEnv.step: rules.RULE_DONE_BESIDE,
    FetchEnv.step: rules.RULE_FETCH,
    PutNearEnv.step: rules.RULE_PUT_NEAR,
    RedBlueDoorEnv.step: rules.RULE_RED_BLUE,
    MemoryEnv.step: rules.RULE_MEMORY,
    DynamicObstaclesEnv.step: rules.RULE_OBSTACLES,
}
"""The rule behind each `step` that minigrid's environments have."""
CLASSES: dict[int, type[MiniGridEnv]] = {
    rules.RULE_DONE_BESIDE: GoToDoorEnv,
    rules.RULE_FETCH: FetchEnv,
    rules.RULE_PUT_NEAR: PutNearEnv,
    rules.RULE_RED_BLUE: RedBlueDoorEnv,
    rules.RULE_MEMORY: MemoryEnv,
    rules.RULE_OBSTACLES: DynamicObstaclesEnv,
}
"""A class of minigrid's for each of the rules that live in an environment's own `step`."""


def load_rule(env: Any, rule: int, cells: np.ndarray, agent: np.ndarray, where: str) -> None:
    """Write what `env`'s rule needs into cells uint16 [W, H] and agent int32 [14], which hold its world already."""
    if rule == rules.RULE_UNLOCK:
        agent[[TARGET_X, TARGET_Y]] = _door_at(env, env.door, "to open", where)
    elif rule == rules.RULE_RED_BLUE:
        agent[[TARGET_X, TARGET_Y]] = _door_at(env, env.red_door, "that is red", where)
        agent[[OTHER_X, OTHER_Y]] = _door_at(env, env.blue_door, "that is blue", where)
    elif rule == rules.RULE_MEMORY:
        agent[[TARGET_X, TARGET_Y]] = env.success_pos
        agent[[OTHER_X, OTHER_Y]] = env.failure_pos
    elif rule == rules.RULE_DONE_BESIDE:
        agent[[TARGET_X, TARGET_Y]] = env.target_pos
    elif rule == rules.RULE_FETCH:
        _mark(cells, agent, env.targetType, env.targetColor)
    elif rule == rules.RULE_PUT_NEAR:
        agent[[TARGET_X, TARGET_Y]] = env.target_pos
        _mark(cells, agent, env.move_type, env.moveColor)
    elif rule == rules.RULE_OBSTACLES:
        if len(env.obstacles) > rules.MOST_OBSTACLES:
            raise ValueError(f"{where}: {len(env.obstacles)} obstacles, expected at most {rules.MOST_OBSTACLES}")
        for order, ball in enumerate(env.obstacles, 1):
            cells[tuple(ball.cur_pos)] |= order << 9


def place_rule(env: Any, rule: int, cells: np.ndarray, agent: np.ndarray) -> None:
    """Give `env`, which holds the world already, the attributes that its own `step` reads."""
    target, other = (int(agent[TARGET_X]), int(agent[TARGET_Y])), (int(agent[OTHER_X]), int(agent[OTHER_Y]))
    if rule == rules.RULE_UNLOCK:
        env.door = env.grid.get(*target)
    elif rule == rules.RULE_RED_BLUE:
        env.red_door, env.blue_door = env.grid.get(*target), env.grid.get(*other)
    elif rule == rules.RULE_MEMORY:
        env.success_pos, env.failure_pos = target, other
    elif rule == rules.RULE_DONE_BESIDE:
        env.target_pos = target
    elif rule == rules.RULE_FETCH:
        env.targetType, env.targetColor = env.obj.type, env.obj.color
    elif rule == rules.RULE_PUT_NEAR:
        env.target_pos = target
        env.move_type, env.moveColor = env.obj.type, env.obj.color
    elif rule == rules.RULE_OBSTACLES:
        balls = np.argwhere(cells & 15 == symbols.BALL)
        balls = balls[np.argsort([symbols.contents_of(cells[x, y]) for x, y in balls])]
        env.obstacles = [env.grid.get(int(x), int(y)) for x, y in balls]
        env.n_obstacles = len(env.obstacles)


def _door_at(env: Any, door: Door, which: str, where: str) -> tuple[int, int]:
    for x in range(env.width):
        for y in range(env.height):
            if env.grid.get(x, y) is door:
                return x, y
    raise ValueError(f"{where}: the door {which} is not in the grid")


def _mark(cells: np.ndarray, agent: np.ndarray, kind: str, colour: str) -> None:
    """Mark all things of a kind and colour as the target, the carried one included."""
    look = symbols.OBJECTS.index(kind) | symbols.COLOURS.index(colour) << 4
    cells[cells & symbols.LOOK == look] |= symbols.TARGET
    if agent[CARRYING] & symbols.LOOK == look:
        agent[CARRYING] |= symbols.TARGET
