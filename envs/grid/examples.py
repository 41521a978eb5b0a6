"""States of success in a grid world, by ways that are nearly the shortest: what a goal classifier can be shown."""

from __future__ import annotations

import numpy as np

from envs.grid.engine import GridEngine
from envs.grid.oracle import shortest_to_reward
from envs.grid.state import OVER, STEPS, GridState

ASTRAY = 0.3
"""The chance of a random action, so that not all successes look alike."""
_FAR = 2**30  # a time limit that is never met


def play_to_success(engine: GridEngine, rng: np.random.Generator) -> np.ndarray:
    """Play every world of `engine`, as its level begins, until it is solved; which are: bool [N].

    Every action brings the level's own success a step nearer, of several any, but with a chance of `ASTRAY` it is
    uniform among all. Worlds that are lost on the way (lava, a goal that can be reached no more) are not solved. Time
    limits are no part of it. `UnmeasurableError`: no exact search is possible here.
    """
    actions = engine.num_actions
    solved = np.zeros(engine.num_envs, bool)
    distance = _ways(engine.state.take(slice(None)), engine.spec.rule)
    while len(going := np.flatnonzero(distance > 0)):
        before = engine.state.take(np.repeat(going, actions))
        after, reward, ended = _act(engine, before, np.tile(np.arange(actions), len(going)))
        ways = np.where(ended, -1, 0)
        ways[~ended] = _ways(after.take(~ended), engine.spec.rule)
        ways[ended & (reward > 0)] = 0
        nearer = ways.reshape(-1, actions) == distance[going, None] - 1
        anything = rng.random(len(going)) < ASTRAY
        choice = np.where(nearer | anything[:, None], rng.random(nearer.shape), -1.0).argmax(axis=1)
        taken = np.arange(len(going)) * actions + choice
        engine.state.put(going, after.take(taken))
        distance[going] = ways[taken]
        solved[going] = ended[taken] & (reward[taken] > 0)
    return solved


def _ways(state: GridState, rule: int) -> np.ndarray:
    """int32 [M]: fewest steps to success, -1 where there is no way; equal worlds are searched once."""
    if not len(state.cells):
        return np.zeros(0, np.int32)
    agent = np.ascontiguousarray(np.delete(state.agent, [STEPS, OVER], axis=1))
    rows = np.concatenate([state.cells.reshape(len(agent), -1).view(np.uint8), agent.view(np.uint8)], axis=1)
    _, first, which = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return shortest_to_reward(state, first, rule=rule)[which.reshape(-1)]


def _act(engine: GridEngine, before: GridState, action: np.ndarray) -> tuple[GridState, np.ndarray, np.ndarray]:
    """M worlds after an action each (int [M]): the worlds, reward float64 [M], terminated bool [M]."""
    count = len(action)
    reward, ended, cut = np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)
    other = GridEngine(engine.spec, count, max_steps=_FAR)
    other.state.put(slice(None), before)
    other.state.agent[:, [STEPS, OVER]] = 0
    other.step(action, reward, ended, cut)
    return other.state.take(slice(None)), reward, ended
