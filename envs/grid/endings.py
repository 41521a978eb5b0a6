"""How episodes end in the families with a rule of their own: one function a rule, on one world's arrays.

Each is called after the step was taken, with what the plain step found (paid, ended), and returns the same two. The
rules are those of the minigrid package 3.2.0, held equal by `tests/envs/test_grid_exact.py`.
"""

from __future__ import annotations

import numba as nb

from envs.grid.jit import borrowing
from envs.grid.levels.rules import RULE_DONE_BESIDE, RULE_FETCH, RULE_MEMORY, RULE_PUT_NEAR, RULE_RED_BLUE
from envs.grid.state import CARRYING, OTHER_X, OTHER_Y, TARGET_X, TARGET_Y, X, Y
from envs.grid.symbols import DONE, DOOR, DROP, OPEN, PICKUP, TARGET, TOGGLE, kind_of, state_of


@nb.njit(inline="always")
def open_at(cells, x, y):
    """Whether there is an open door at (x, y)."""
    return kind_of(cells[x, y]) == DOOR and state_of(cells[x, y]) == OPEN


@borrowing
def _done_beside(agent, action, paid, ended):
    if action == DONE:
        away = abs(agent[X] - agent[TARGET_X]) + abs(agent[Y] - agent[TARGET_Y])
        paid = paid or away == 1
    return paid, ended or action in (DONE, TOGGLE)


@borrowing
def _fetch(agent, paid, ended):
    if agent[CARRYING] == 0:
        return paid, ended
    return (agent[CARRYING] & TARGET) != 0, True


@borrowing
def _put_near(agent, action, held, front_x, front_y, paid, ended):
    if action == PICKUP and agent[CARRYING] != 0 and (agent[CARRYING] & TARGET) == 0:
        ended = True
    if action == DROP and held:
        landed = agent[CARRYING] == 0
        near = abs(front_x - agent[TARGET_X]) <= 1 and abs(front_y - agent[TARGET_Y]) <= 1
        return paid or (landed and near), True
    return paid, ended


@borrowing
def _red_blue(cells, agent, red_was_open, blue_was_open, paid, ended):
    if open_at(cells, agent[OTHER_X], agent[OTHER_Y]):
        return red_was_open, True
    if blue_was_open and open_at(cells, agent[TARGET_X], agent[TARGET_Y]):
        return False, True
    return paid, ended


@borrowing
def _memory(agent, paid, ended):
    if agent[X] == agent[TARGET_X] and agent[Y] == agent[TARGET_Y]:
        return True, True
    if agent[X] == agent[OTHER_X] and agent[Y] == agent[OTHER_Y]:
        return False, True
    return paid, ended


@borrowing
def judge(cells, agent, action, rule, held, front_x, front_y, red_was_open, blue_was_open, paid, ended):
    """What a step came to under `rule`: (paid, ended).

    cells uint16 [W, H], agent int32 [14], both after the step. held: whether something was carried before it.
    front_x, front_y: the cell that was in front of the agent. red_was_open, blue_was_open: whether the doors at the
    target and at the other place were open before it.
    """
    if rule == RULE_DONE_BESIDE:
        return _done_beside(agent, action, paid, ended)
    if rule == RULE_FETCH:
        return _fetch(agent, paid, ended)
    if rule == RULE_PUT_NEAR:
        return _put_near(agent, action, held, front_x, front_y, paid, ended)
    if rule == RULE_RED_BLUE:
        return _red_blue(cells, agent, red_was_open, blue_was_open, paid, ended)
    if rule == RULE_MEMORY:
        return _memory(agent, paid, ended)
    return paid, ended
