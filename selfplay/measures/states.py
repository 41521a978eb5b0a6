"""How many of all the states of a level a player comes to in an episode."""

from __future__ import annotations

from typing import Any

import numpy as np

from envs.grid.coverage import state_coverage
from envs.grid.goals import achieved_goal
from selfplay.core.acting import Actor

LEVELS = 16
"""How many levels are searched, at most."""


def episode_state_coverage(world: Any, actor: Actor, seed: int) -> float:
    """Mean share of the reachable states that the first episode visits, over the environments of a grid world.

    A state is where the player stands and looks, what it carries, and the place and state of every object and door. The
    one an episode ends in is not counted: it is gone as soon as it is there. `UnmeasurableError`: too many states.
    """
    rows, count, width = world.reset(seed), world.num_envs, world.columns["obs"].stop
    engine = world.engine
    start = engine.state.take(slice(None))
    after, successor = np.empty_like(rows), np.empty_like(rows)
    outcome = np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)
    state, playing = actor.initial_state(count), np.ones(count, bool)
    visited = [achieved_goal(engine.state, direction=True)]
    while playing.any():
        act = actor.act(rows[:, :width], state)
        state = act.state.cpu() if actor.memory else state
        world.step(act.action.cpu().numpy(), successor, after, *outcome)
        playing &= ~(outcome[1] | outcome[2])
        now = achieved_goal(engine.state, direction=True)
        visited.append(np.where(playing[:, None], now, visited[-1]))
        rows, after = after, rows
    seen, reachable = state_coverage(start, np.stack(visited), rule=engine.spec.rule)
    return float((seen / reachable).mean())
