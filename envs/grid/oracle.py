"""The shortest-path oracle: how hard a goal truly is, in environment steps, and which goals can be reached at all.

Exact breadth-first search with the engine's own transition (`envs.grid.search`), many worlds at a time. Time limits
are no part of it; states of death (lava) are neither passed nor counted; what ends an episode by the level's own rule
ends nothing here, unless `stop_at_goal_tile` says that what it rewards does, or the reward is what is looked for.

Memory is about 4 * (6 + D) bytes a state and thread, D the most cells that can change (doors + twice the objects).
Beyond `max_states` states a search refuses: ValueError with the world and the number.

Arguments shared by all functions:

state: `GridState` of N worlds, not changed.  ids: int [M], the worlds meant (all by default).
rule: `LevelSpec.rule`; where balls walk by chance there is no answer: UnmeasurableError.
parts: which parts of a goal count (`envs.grid.goals.PARTS`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numba as nb
import numpy as np

from envs.errors import UnmeasurableError
from envs.grid.goals import DEFAULT_PARTS, DIRECTION_PART, HEAD, check_goals, part_bits, world_ids
from envs.grid.jit import kernel
from envs.grid.levels.rules import RULE_OBSTACLES
from envs.grid.search import DESIRED, EVERYTHING, REWARD, TOO_MANY, UNREACHABLE, distinct_goals, search, write_goal
from envs.grid.state import GridState

MAX_STATES = 200_000
_ANYWHERE = 1 << 30  # steps: further than any search goes


@kernel(parallel=True)
def _distances(cells, agent, ids, rule, until, desired, parts, stop, max_distance, max_states, distances):
    for m in nb.prange(ids.shape[0]):
        n = ids[m]
        goal = desired[m] if until == DESIRED else desired[0]
        distances[m] = search(cells[n], agent[n], rule, until, goal, parts, stop, max_distance, max_states)[0]


@kernel()
def _goals_of(cells, agent, rule, until, parts, stop, max_distance, max_states, no_goal):
    outcome, count, rows, depths = search(cells, agent, rule, until, no_goal, parts, stop, max_distance, max_states)
    if outcome == TOO_MANY:
        return outcome, np.zeros((0, no_goal.shape[0]), np.uint8), np.zeros(0, np.int32)
    first = distinct_goals(cells, rows, count, parts)
    goals = np.empty((first.shape[0], no_goal.shape[0]), np.uint8)
    for k in range(first.shape[0]):
        write_goal(cells, rows[first[k]], parts & DIRECTION_PART, goals[k])
    return outcome, goals, depths[first]


@kernel(parallel=True)
def _samples(cells, agent, ids, rule, until, parts, stop, max_distance, max_states, draws, goals, distances):
    for m in nb.prange(ids.shape[0]):
        n = ids[m]
        outcome, count, rows, depths = search(
            cells[n], agent[n], rule, until, goals[m], parts, stop, max_distance, max_states
        )
        chosen = np.int64(0)
        distances[m] = outcome
        if outcome != TOO_MANY:
            first = distinct_goals(cells[n], rows, count, parts)
            if first.shape[0] > 1:
                chosen = np.int64(first[1 + np.int64(draws[m] * (first.shape[0] - 1))])
            distances[m] = depths[chosen] if chosen > 0 else UNREACHABLE
        write_goal(cells[n], rows[chosen], parts & DIRECTION_PART, goals[m])


class TooManyStatesError(UnmeasurableError):
    """A world has more states than the search was allowed to visit."""


def _check_limits(rule: int, max_states: int, max_distance: int | None = None) -> int:
    """`max_distance` as an integer that is always there. ValueError for limits that allow nothing."""
    if rule == RULE_OBSTACLES:
        raise UnmeasurableError("obstacles walk by chance here: no path is surely the shortest")
    if max_states < 1:
        raise ValueError(f"max_states is {max_states}, expected at least 1")
    if max_distance is not None and max_distance < 0:
        raise ValueError(f"max_distance is {max_distance}, expected at least 0")
    return _ANYWHERE if max_distance is None else max_distance


def _refuse(outcomes: np.ndarray, ids: np.ndarray, max_states: int) -> None:
    beyond = ids[outcomes == TOO_MANY]
    if len(beyond):
        raise TooManyStatesError(
            f"world {beyond[0]} has more than max_states = {max_states} states, too many to search"
        )


def _goal_size(state: GridState) -> int:
    return HEAD + state.cells.shape[1] * state.cells.shape[2]


def shortest_paths(
    state: GridState,
    ids: np.ndarray | None,
    desired: np.ndarray,
    parts: Sequence[str] = DEFAULT_PARTS,
    *,
    rule: int,
    max_states: int = MAX_STATES,
    stop_at_goal_tile: bool = False,
) -> np.ndarray:
    """int32 [M]: fewest steps from world `ids[m]` to a state that satisfies `desired[m]` (uint8 [M, G]).

    0 where it does already, -1 where no state does.
    """
    ids = world_ids(state, ids)
    check_goals(desired, len(ids), _goal_size(state))
    limit = _check_limits(rule, max_states)
    distances = np.empty(len(ids), np.int32)
    bits = part_bits(parts)
    _distances(
        state.cells, state.agent, ids, rule, DESIRED, desired, bits, stop_at_goal_tile, limit, max_states, distances
    )
    _refuse(distances, ids, max_states)
    return distances


def shortest_to_reward(
    state: GridState, ids: np.ndarray | None = None, *, rule: int, max_states: int = MAX_STATES
) -> np.ndarray:
    """int32 [M]: fewest steps from world `ids[m]` to the level's own success, -1 where there is no way."""
    ids = world_ids(state, ids)
    limit = _check_limits(rule, max_states)
    distances = np.empty(len(ids), np.int32)
    no_goal = np.zeros((1, _goal_size(state)), np.uint8)
    _distances(state.cells, state.agent, ids, rule, REWARD, no_goal, 0, True, limit, max_states, distances)
    _refuse(distances, ids, max_states)
    return distances


def reachable_goals(
    state: GridState,
    index: int,
    parts: Sequence[str] = DEFAULT_PARTS,
    *,
    rule: int,
    max_states: int = MAX_STATES,
    max_distance: int | None = None,
    stop_at_goal_tile: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """All goals that world `index` can achieve: (goals uint8 [S, G], fewest steps int32 [S]), nearest first.

    Goals that agree in `parts` count once. The first is the world's present one, at distance 0. max_distance: leave
    out what takes more steps.
    """
    (n,) = world_ids(state, np.array([index]))
    limit = _check_limits(rule, max_states, max_distance)
    no_goal = np.zeros(_goal_size(state), np.uint8)
    outcome, goals, distances = _goals_of(
        state.cells[n],
        state.agent[n],
        rule,
        EVERYTHING,
        part_bits(parts),
        stop_at_goal_tile,
        limit,
        max_states,
        no_goal,
    )
    _refuse(np.array([outcome]), np.array([n]), max_states)
    return goals, distances


def sample_reachable_goals(
    state: GridState,
    rng: np.random.Generator,
    ids: np.ndarray | None = None,
    parts: Sequence[str] = DEFAULT_PARTS,
    *,
    rule: int,
    max_states: int = MAX_STATES,
    max_distance: int | None = None,
    stop_at_goal_tile: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """For each world a goal drawn uniformly from its reachable ones, its present one left out.

    Returns (goals uint8 [M, G], fewest steps int32 [M]). A world with no other goal gets its present one and -1.
    `rng` gives one number a world, so a draw depends on the generator and the worlds alone.
    """
    ids = world_ids(state, ids)
    limit = _check_limits(rule, max_states, max_distance)
    goals = np.zeros((len(ids), _goal_size(state)), np.uint8)
    distances = np.empty(len(ids), np.int32)
    draws = rng.random(len(ids))
    bits, stop = part_bits(parts), stop_at_goal_tile
    _samples(state.cells, state.agent, ids, rule, EVERYTHING, bits, stop, limit, max_states, draws, goals, distances)
    _refuse(distances, ids, max_states)
    return goals, distances
