"""Demonstrations without a run: the shortest ways to a grid's own success, by the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np

from envs.grid.levels.spec import LevelSpec
from envs.grid.oracle import shortest_to_reward
from envs.grid.state import AGENT_FIELDS, OVER, STEPS, GridState
from envs.grid.tabular import step_all
from envs.grid.world import GridWorld
from selfplay.imitation.episodes import Episodes
from selfplay.imitation.recording import Recorded

_BODY = np.delete(np.arange(AGENT_FIELDS), [STEPS, OVER])


def record_expert(world: GridWorld, seed: int, about: dict[str, Any]) -> Episodes:
    """A shortest way to success in each world of `world`; among equally good actions one is drawn. From `seed`.

    `UnmeasurableError`: a step draws random numbers, or there are too many states to search. `ValueError`: a level
    that cannot be solved.
    """
    recorded, rng = Recorded(world), np.random.default_rng(seed)
    rows, spec = recorded.reset(seed), world.engine.spec
    after, successor = np.empty_like(rows), np.empty_like(rows)
    reward, terminated, truncated = (np.zeros(world.num_envs, kind) for kind in (float, bool, bool))
    playing, action = np.arange(world.num_envs), np.zeros(world.num_envs, np.int64)
    while len(playing):
        good = best_actions(spec, world.engine.state.take(playing))
        if not good.any(1).all():
            raise ValueError(f"{spec.id}: one of its levels cannot be solved")
        action[playing] = (good * rng.random(good.shape)).argmax(1)
        recorded.step(action, successor, after, reward, terminated, truncated)
        playing = playing[~(terminated | truncated)[playing]]
    return recorded.episodes(about)


def best_actions(spec: LevelSpec, state: GridState) -> np.ndarray:
    """bool [N, A]: the actions that a shortest way to success can begin with; none where there is no way."""
    after, reward, terminated = step_all(spec, state, spec.max_steps)
    left = np.full(len(reward), np.inf)
    left[terminated & (reward > 0)] = 0
    before = state.take(np.repeat(np.arange(len(state.cells)), spec.num_actions))
    changed = (after.cells != before.cells).any((1, 2)) | (after.agent != before.agent)[:, _BODY].any(1)
    going = np.flatnonzero(~terminated & changed)  # what changes nothing begins no shortest way
    steps = shortest_to_reward(after, going, rule=spec.rule)
    left[going[steps >= 0]] = steps[steps >= 0]
    ways = left.reshape(len(state.cells), spec.num_actions)
    return np.isfinite(ways) & (ways == ways.min(1, keepdims=True))
