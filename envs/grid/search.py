"""Breadth-first search over the states of one world, with the engine's own `transition` as the edge.

One scratch world is changed to each state in turn, and back. A transition can change no cell but the one in front of
the agent, so a successor's row (`envs.grid.state_table`) is a one-entry edit. Steps taken and time limits are no part
of a state.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.goals import CARRIED_PART, DIRECTION_PART, HEAD, OBJECT_SYMBOL, OBJECTS_PART, POSITION_PART
from envs.grid.jit import borrowing
from envs.grid.kernel import transition
from envs.grid.levels.rules import RULE_HALLWAY
from envs.grid.state import CARRYING, DIRECTION, OVER, STEPS, X, Y
from envs.grid.state_table import CHANGES, enter, grown, most_changes, write_successor
from envs.grid.symbols import LAVA, LOOK, kind_of

EVERYTHING, DESIRED, REWARD = range(3)
"""What a search looks for: all states, one that satisfies a goal, or a rewarded transition."""
UNREACHABLE, TOO_MANY, _NO_ROOM = -1, -2, -3

_FIRST_CAPACITY = 1024
_MOST_ACTIONS = 7
_FAR = np.int64(1) << 30


@borrowing
def _mismatches(cells, desired):
    """In how many cells the objects are not those of a desired goal."""
    height = cells.shape[1]
    count = 0
    for x in range(cells.shape[0]):
        for y in range(height):
            count += OBJECT_SYMBOL[cells[x, y] & LOOK] != desired[HEAD + x * height + y]
    return count


@borrowing
def _satisfies(rows, n, cells, desired, parts, mismatches):
    """Whether state `n` satisfies a desired goal in `parts`; mismatches: those of the world the search began with."""
    head = np.int64(rows[n, 0])
    if parts & POSITION_PART and (desired[0] != 1 + (head & 255) or desired[1] != 1 + (head >> 8 & 255)):
        return False
    if parts & DIRECTION_PART and desired[2] != 1 + (head >> 16 & 3):
        return False
    if parts & CARRIED_PART and desired[3] != OBJECT_SYMBOL[rows[n, 1] & LOOK]:
        return False
    if parts & OBJECTS_PART:
        height = cells.shape[1]
        for k in range(head >> 18):
            index, value = rows[n, CHANGES + k] >> 16, rows[n, CHANGES + k] & LOOK
            wanted = desired[HEAD + index]
            mismatches += OBJECT_SYMBOL[value] != wanted
            mismatches -= OBJECT_SYMBOL[cells[index // height, index % height] & LOOK] != wanted
        return mismatches == 0
    return True


@borrowing
def _expand(now, count, cells, scratch, body, rule, until, desired, parts, mismatches, stop, store):
    """All transitions from state `now` of `count`. Returns (steps to what is looked for or -1, the new count)."""
    table, rows, hashes, depths, final = store
    width, height = cells.shape
    head, carried = np.int64(rows[now, 0]), np.int64(rows[now, 1])
    x, y, direction, changes = head & 255, head >> 8 & 255, head >> 16 & 3, head >> 18
    for k in range(changes):
        index = np.int64(rows[now, CHANGES + k] >> 16)
        scratch[index // height, index % height] = np.uint16(rows[now, CHANGES + k] & 0xFFFF)
    front_x = x + (direction == 0) - (direction == 2)
    front_y = y + (direction == 1) - (direction == 3)
    inside = front_x >= 0 and front_y >= 0 and front_x < width and front_y < height
    front = np.int64(scratch[front_x, front_y]) if inside else 0

    found = np.int64(-1)
    for action in range(2 if rule == RULE_HALLWAY else 7):
        body[X] = x
        body[Y] = y
        body[DIRECTION] = direction
        body[CARRYING] = carried
        body[STEPS] = 0
        reward, terminated, _ = transition(scratch, body, action, rule, _FAR)
        cell, value, original = np.int64(-1), front, front
        if inside and scratch[front_x, front_y] != front:
            cell, value = front_x * height + front_y, np.int64(scratch[front_x, front_y])
            original = np.int64(cells[front_x, front_y])
            scratch[front_x, front_y] = front
        if until == REWARD and reward > 0:
            found = np.int64(depths[now]) + 1
            break
        stays = body[X] == x and body[Y] == y and body[DIRECTION] == direction and body[CARRYING] == carried
        dead = kind_of(scratch[body[X], body[Y]]) == LAVA  # by its own rule a level ends only for who seeks the reward
        if until == REWARD:
            dead = terminated and reward <= 0
        if (stays and cell < 0) or dead:
            continue
        write_successor(rows, now, body, cell, value, original, count)
        if enter(table, rows, hashes, count):
            depths[count] = depths[now] + 1
            final[count] = stop and reward > 0
            count += 1
            if until == DESIRED and _satisfies(rows, count - 1, cells, desired, parts, mismatches):
                found = np.int64(depths[count - 1])
                break

    for k in range(changes):
        index = np.int64(rows[now, CHANGES + k] >> 16)
        scratch[index // height, index % height] = cells[index // height, index % height]
    return found, count


@borrowing
def _sweep(now, count, cells, scratch, body, rule, until, desired, parts, mismatches, stop, limits, store):
    """Expand state after state until something is found, none is left, or there may be no room for the next one's.

    Returns (steps to what is looked for, UNREACHABLE when all are done, TOO_MANY, or _NO_ROOM; now; count).
    """
    max_distance, max_states = limits
    while now < count and store[3][now] < max_distance:
        if count + _MOST_ACTIONS > store[3].shape[0]:
            return _NO_ROOM, now, count
        if not store[4][now]:
            found, count = _expand(
                now, count, cells, scratch, body, rule, until, desired, parts, mismatches, stop, store
            )
            if found >= 0:
                return found, now, count
            if count > max_states:
                return TOO_MANY, now, count
        now += 1
    return UNREACHABLE, now, count


@nb.njit(error_model="numpy")
def search(cells, agent, rule, until, desired, parts, stop_at_reward, max_distance, max_states):
    """Breadth-first search from one world (not changed). Returns (outcome, number of states, rows, depths).

    cells uint16 [W, H], agent int32 [14]; desired uint8 [G] and parts (bits) matter to DESIRED only. States die on
    lava and, where the reward is looked for, where a transition terminates without one: they are not counted. With
    `stop_at_reward`, states in which a reward ends the episode are found but not left. Nothing beyond `max_distance`
    steps is looked at.
    outcome: steps to what was looked for (0 for EVERYTHING), UNREACHABLE, or TOO_MANY beyond `max_states`.
    rows uint32 [>= S, 2 + D] and depths int32 [>= S] list the S states found, by rising depth.
    """
    capacity = _FIRST_CAPACITY  # states; all arrays double when it is used up
    rows = np.zeros((capacity, CHANGES + most_changes(cells, agent[CARRYING])), np.uint32)
    store = (
        np.zeros(2 * capacity, np.int32),
        rows,
        np.empty(capacity, np.uint64),
        np.empty(capacity, np.int32),
        np.zeros(capacity, np.bool_),
    )
    scratch = cells.copy()
    body = agent.copy()
    body[OVER] = 0

    rows[0, 0] = agent[X] | agent[Y] << 8 | agent[DIRECTION] << 16
    rows[0, 1] = agent[CARRYING]
    store[3][0] = 0
    count = np.int64(0)
    enter(store[0], rows, store[2], count)
    mismatches = _mismatches(cells, desired) if until == DESIRED else 0
    if until == DESIRED and _satisfies(rows, count, cells, desired, parts, mismatches):
        return np.int64(0), np.int64(1), rows, store[3]

    count += 1
    now = np.int64(0)
    limits = max_distance, max_states
    outcome = np.int64(_NO_ROOM)
    while True:
        outcome, now, count = _sweep(
            now, count, cells, scratch, body, rule, until, desired, parts, mismatches, stop_at_reward, limits, store
        )
        if outcome != _NO_ROOM:
            break
        store = grown(store, count)
    if outcome == UNREACHABLE and until == EVERYTHING:
        outcome = np.int64(0)
    return outcome, count, store[1], store[3]


@borrowing
def _enter_goals(cells, rows, count, parts, goals, hashes, table, first):
    """The loop of `distinct_goals`. Returns how many there are."""
    height = cells.shape[1]
    found = np.int64(0)
    for n in range(count):
        head = np.int64(rows[n, 0])
        kept = 0
        if parts & OBJECTS_PART:
            for k in range(head >> 18):
                index, value = np.int64(rows[n, CHANGES + k]) >> 16, rows[n, CHANGES + k] & LOOK
                if OBJECT_SYMBOL[value] != OBJECT_SYMBOL[cells[index // height, index % height] & LOOK]:
                    goals[found, CHANGES + kept] = index << 16 | OBJECT_SYMBOL[value]
                    kept += 1
        goals[found, 0] = kept << 18
        if parts & POSITION_PART:
            goals[found, 0] |= head & 0xFFFF
        if parts & DIRECTION_PART:
            goals[found, 0] |= head & 0x30000
        goals[found, 1] = OBJECT_SYMBOL[rows[n, 1] & LOOK] if parts & CARRIED_PART else 0
        if enter(table, goals, hashes, found):
            first[found] = n
            found += 1
    return found


@nb.njit(error_model="numpy")
def distinct_goals(cells, rows, count, parts):
    """The first state of each distinct achieved goal, int32 [S], in the order found (the start's own first).

    Two states achieve the same goal when they agree in `parts` (bits), as `envs.grid.goals` reads them.
    """
    capacity = 1
    while capacity < count:
        capacity *= 2
    goals = np.zeros((count, rows.shape[1]), np.uint32)
    hashes = np.empty(count, np.uint64)
    table = np.zeros(2 * capacity, np.int32)
    first = np.empty(count, np.int32)
    found = _enter_goals(cells, rows, count, parts, goals, hashes, table, first)
    return first[:found]


@borrowing
def write_goal(cells, row, direction, goal):
    """Write the achieved goal (uint8 [G]) of one state; `direction`: whether to tell where the agent looks."""
    height = cells.shape[1]
    head = np.int64(row[0])
    goal[0], goal[1] = 1 + (head & 255), 1 + (head >> 8 & 255)
    goal[2] = 1 + (head >> 16 & 3) if direction else 0
    goal[3] = OBJECT_SYMBOL[row[1] & LOOK]
    for x in range(cells.shape[0]):
        for y in range(height):
            goal[HEAD + x * height + y] = OBJECT_SYMBOL[cells[x, y] & LOOK]
    for k in range(head >> 18):
        goal[HEAD + (row[CHANGES + k] >> 16)] = OBJECT_SYMBOL[row[CHANGES + k] & LOOK]
