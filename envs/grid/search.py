"""Breadth-first search over the states of one world, with the engine's own `transition` as the edge.

Walls, floors and lava never change, so a state is written down as what differs from the world the search began with,
a row of uint32 [2 + D]:

    0      x | y << 8 | direction << 16 | number of changed cells << 18
    1      the carried cell, packed
    2 ...  cell index << 16 | its packed value, by rising index

The rows are hashed into an open-addressing table; equal hashes are told apart by comparing rows, so the search is
exact. One scratch world is changed to each state in turn, and back. A transition can change no cell but the one in
front of the agent, which makes its successor's row a one-entry edit. Steps taken and time limits are no part of a
state.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.goals import CARRIED_PART, DIRECTION_PART, HEAD, OBJECT_SYMBOL, OBJECTS_PART, POSITION_PART
from envs.grid.kernel import transition
from envs.grid.levels.rules import RULE_HALLWAY
from envs.grid.state import CARRYING, DIRECTION, OVER, STEPS, X, Y
from envs.grid.symbols import BALL, BOX, DOOR, KEY, LOOK, contents_of, kind_of

EVERYTHING, DESIRED, REWARD = range(3)
"""What a search looks for: all states, one that satisfies a goal, or a rewarded transition."""
UNREACHABLE, TOO_MANY = -1, -2

_CHANGES = 2
_FIRST_CAPACITY = 1024
_FAR = np.int64(1) << 30


@nb.njit
def _most_changes(cells, carried):
    """An upper bound D on how many cells can ever differ: doors in place; objects gone from one cell, put in another."""
    bound = 2 * (carried != 0) + (contents_of(carried) != 0)
    for x in range(cells.shape[0]):
        for y in range(cells.shape[1]):
            kind = kind_of(cells[x, y])
            bound += kind == DOOR
            bound += 2 * (kind in (KEY, BALL, BOX))
            bound += kind == BOX and contents_of(cells[x, y]) != 0
    return bound


@nb.njit
def _hash(row):
    """64 bits of a row's words in use."""
    value = np.uint64(0x9E3779B97F4A7C15)
    for k in range(_CHANGES + (row[0] >> 18)):
        value = (value ^ np.uint64(row[k])) * np.uint64(0xBF58476D1CE4E5B9)
        value ^= value >> np.uint64(31)
    return value


@nb.njit
def _add(table, rows, hashes, count):
    """Look for row `count` among the rows before it and enter it where it is new. Returns whether it is."""
    value = _hash(rows[count])
    hashes[count] = value
    mask = table.shape[0] - 1
    slot = np.int64(value >> np.uint64(32)) & mask
    while table[slot] != 0:
        other = table[slot] - 1
        if hashes[other] == value:
            same = True
            for k in range(_CHANGES + (rows[count, 0] >> 18)):
                same &= rows[other, k] == rows[count, k]
            if same:
                return False
        slot = (slot + 1) & mask
    table[slot] = count + 1
    return True


@nb.njit
def _grown(table, rows, hashes, depths, final):
    """Everything twice as large."""
    count = rows.shape[0]
    more_rows = np.empty((2 * count, rows.shape[1]), np.uint32)
    more_rows[:count] = rows
    more_hashes = np.empty(2 * count, np.uint64)
    more_hashes[:count] = hashes
    more_depths = np.empty(2 * count, np.int32)
    more_depths[:count] = depths
    more_final = np.zeros(2 * count, np.bool_)
    more_final[:count] = final
    more_table = np.zeros(2 * table.shape[0], np.int32)
    mask = more_table.shape[0] - 1
    for n in range(count):
        slot = np.int64(hashes[n] >> np.uint64(32)) & mask
        while more_table[slot] != 0:
            slot = (slot + 1) & mask
        more_table[slot] = n + 1
    return more_table, more_rows, more_hashes, more_depths, more_final


@nb.njit
def _write_successor(row, body, cell, value, original, successor):
    """The row after a transition from `row`: the agent as in `body`, and cell `cell` (-1: none) now `value`."""
    old, new = row[0] >> 18, 0
    pending = cell >= 0
    for k in range(old):
        index = np.int64(row[_CHANGES + k]) >> 16
        if pending and index >= cell:
            if value != original:
                successor[_CHANGES + new] = cell << 16 | value
                new += 1
            pending = False
        if index != cell:
            successor[_CHANGES + new] = row[_CHANGES + k]
            new += 1
    if pending and value != original:
        successor[_CHANGES + new] = cell << 16 | value
        new += 1
    successor[0] = body[X] | body[Y] << 8 | body[DIRECTION] << 16 | new << 18
    successor[1] = body[CARRYING]


@nb.njit
def _mismatches(cells, desired):
    """In how many cells the objects are not those of a desired goal."""
    height = cells.shape[1]
    count = 0
    for x in range(cells.shape[0]):
        for y in range(height):
            count += OBJECT_SYMBOL[cells[x, y] & LOOK] != desired[HEAD + x * height + y]
    return count


@nb.njit
def _satisfies(row, cells, desired, parts, mismatches):
    """Whether a state satisfies a desired goal in `parts`; mismatches: those of the world the search began with."""
    head = np.int64(row[0])
    if parts & POSITION_PART and (desired[0] != 1 + (head & 255) or desired[1] != 1 + (head >> 8 & 255)):
        return False
    if parts & DIRECTION_PART and desired[2] != 1 + (head >> 16 & 3):
        return False
    if parts & CARRIED_PART and desired[3] != OBJECT_SYMBOL[row[1] & LOOK]:
        return False
    if parts & OBJECTS_PART:
        height = cells.shape[1]
        for k in range(head >> 18):
            index, value = row[_CHANGES + k] >> 16, row[_CHANGES + k] & LOOK
            wanted = desired[HEAD + index]
            mismatches += OBJECT_SYMBOL[value] != wanted
            mismatches -= OBJECT_SYMBOL[cells[index // height, index % height] & LOOK] != wanted
        return mismatches == 0
    return True


@nb.njit
def search(cells, agent, rule, until, desired, parts, stop_at_reward, max_distance, max_states):
    """Breadth-first search from one world (not changed). Returns (outcome, number of states, rows, depths).

    cells uint16 [W, H], agent int32 [12]; desired uint8 [G] and parts (bits) matter to DESIRED only. States die where
    a transition terminates without reward (lava): they are not counted. With `stop_at_reward`, states in which a
    reward ends the episode are found but not left. Nothing beyond `max_distance` steps is looked at.
    outcome: steps to what was looked for (0 for EVERYTHING), UNREACHABLE, or TOO_MANY beyond `max_states`.
    rows uint32 [>= S, 2 + D] and depths int32 [>= S] list the S states found, by rising depth.
    """
    width, height = cells.shape
    num_actions = 2 if rule == RULE_HALLWAY else 7
    capacity = _FIRST_CAPACITY
    rows = np.zeros((capacity, _CHANGES + _most_changes(cells, agent[CARRYING])), np.uint32)
    hashes = np.empty(capacity, np.uint64)
    depths = np.empty(capacity, np.int32)
    final = np.zeros(capacity, np.bool_)
    table = np.zeros(2 * capacity, np.int32)
    scratch = cells.copy()
    body = agent.copy()
    body[OVER] = 0

    rows[0, 0] = agent[X] | agent[Y] << 8 | agent[DIRECTION] << 16
    rows[0, 1] = agent[CARRYING]
    depths[0] = 0
    _add(table, rows, hashes, 0)
    count = 1
    mismatches = _mismatches(cells, desired) if until == DESIRED else 0
    if until == DESIRED and _satisfies(rows[0], cells, desired, parts, mismatches):
        return 0, count, rows, depths

    now = 0
    while now < count and depths[now] < max_distance:
        if final[now]:
            now += 1
            continue
        head, carried = np.int64(rows[now, 0]), np.int64(rows[now, 1])
        x, y, direction = head & 255, head >> 8 & 255, head >> 16 & 3
        for k in range(head >> 18):
            index = rows[now, _CHANGES + k] >> 16
            scratch[index // height, index % height] = np.uint16(rows[now, _CHANGES + k] & 0xFFFF)
        front_x = x + (direction == 0) - (direction == 2)
        front_y = y + (direction == 1) - (direction == 3)
        inside = front_x >= 0 and front_y >= 0 and front_x < width and front_y < height
        front = np.int64(scratch[front_x, front_y]) if inside else 0

        for action in range(num_actions):
            body[X], body[Y], body[DIRECTION], body[CARRYING], body[STEPS] = x, y, direction, carried, 0
            reward, terminated, _ = transition(scratch, body, action, rule, _FAR)
            if until == REWARD and reward > 0:
                return np.int64(depths[now]) + 1, count, rows, depths
            cell, value, original = np.int64(-1), front, front
            if inside and scratch[front_x, front_y] != front:
                cell, value = front_x * height + front_y, np.int64(scratch[front_x, front_y])
                original = np.int64(cells[front_x, front_y])
                scratch[front_x, front_y] = front
            stays = body[X] == x and body[Y] == y and body[DIRECTION] == direction and body[CARRYING] == carried
            if (stays and cell < 0) or (terminated and reward <= 0):
                continue
            if count == capacity:
                capacity *= 2
                table, rows, hashes, depths, final = _grown(table, rows, hashes, depths, final)
            _write_successor(rows[now], body, cell, value, original, rows[count])
            if count == max_states:  # one row more than allowed is needed only if this one is new
                if _add(table, rows, hashes, count):
                    return TOO_MANY, count, rows, depths
                continue
            if _add(table, rows, hashes, count):
                depths[count] = depths[now] + 1
                final[count] = stop_at_reward and reward > 0
                count += 1
                if until == DESIRED and _satisfies(rows[count - 1], cells, desired, parts, mismatches):
                    return np.int64(depths[count - 1]), count, rows, depths

        for k in range(head >> 18):
            index = rows[now, _CHANGES + k] >> 16
            scratch[index // height, index % height] = cells[index // height, index % height]
        now += 1
    return (0 if until == EVERYTHING else UNREACHABLE), count, rows, depths


@nb.njit
def distinct_goals(cells, rows, count, parts):
    """The first state of each distinct achieved goal, int32 [S], in the order found (the start's own first).

    Two states achieve the same goal when they agree in `parts` (bits), as `envs.grid.goals` reads them.
    """
    height = cells.shape[1]
    capacity = 1
    while capacity < count:
        capacity *= 2
    goals = np.zeros((count, rows.shape[1]), np.uint32)
    hashes = np.empty(count, np.uint64)
    table = np.zeros(2 * capacity, np.int32)
    first = np.empty(count, np.int32)
    found = 0
    for n in range(count):
        head = np.int64(rows[n, 0])
        kept = 0
        if parts & OBJECTS_PART:
            for k in range(head >> 18):
                index, value = np.int64(rows[n, _CHANGES + k]) >> 16, rows[n, _CHANGES + k] & LOOK
                if OBJECT_SYMBOL[value] != OBJECT_SYMBOL[cells[index // height, index % height] & LOOK]:
                    goals[found, _CHANGES + kept] = index << 16 | OBJECT_SYMBOL[value]
                    kept += 1
        goals[found, 0] = kept << 18
        if parts & POSITION_PART:
            goals[found, 0] |= head & 0xFFFF
        if parts & DIRECTION_PART:
            goals[found, 0] |= head & 0x30000
        goals[found, 1] = OBJECT_SYMBOL[rows[n, 1] & LOOK] if parts & CARRIED_PART else 0
        if _add(table, goals, hashes, found):
            first[found] = n
            found += 1
    return first[:found]


@nb.njit
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
        goal[HEAD + (row[_CHANGES + k] >> 16)] = OBJECT_SYMBOL[row[_CHANGES + k] & LOOK]
