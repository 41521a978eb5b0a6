"""A grid of equal rooms that share walls, with doors between neighbours: what Unlock and KeyCorridor are built of.

Walls of a room are numbered as directions: 0 right, 1 down, 2 left, 3 up. `doors`, int64 [columns, rows, 4, 3], holds
for each wall the x and y where its door would be (x = -1: no neighbour there) and whether it is open to pass (a door,
or no wall any more).
"""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.levels.placing import EMPTY_CELL, draw_empty, place_agent, wall_rectangle
from envs.grid.state import DIRECTION, X, Y
from envs.grid.symbols import CLOSED, DOOR, WALL, kind_of, pack
from envs.rng import randint

STEP_X = (1, 0, -1, 0)
STEP_Y = (0, 1, 0, -1)
_PASSABLE = 2


@nb.njit
def draw_rooms(cells, agent, stream, columns, rows, size):
    """Draw all walls and the place of every door; the agent waits in the middle room. Returns `doors`."""
    cells[:] = EMPTY_CELL
    doors = np.full((columns, rows, 4, 3), -1, np.int64)
    for i in range(columns):
        for j in range(rows):
            x, y = i * (size - 1), j * (size - 1)
            wall_rectangle(cells, x, y, size, size)
            doors[i, j, :, _PASSABLE] = 0
            if i < columns - 1:
                door = x + size - 1, randint(stream, y + 1, y + size - 1)
                doors[i, j, 0, 0], doors[i, j, 0, 1] = door
                doors[i + 1, j, 2, 0], doors[i + 1, j, 2, 1] = door
            if j < rows - 1:
                door = randint(stream, x + 1, x + size - 1), y + size - 1
                doors[i, j, 1, 0], doors[i, j, 1, 1] = door
                doors[i, j + 1, 3, 0], doors[i, j + 1, 3, 1] = door
    agent[:] = 0
    agent[X] = columns // 2 * (size - 1) + size // 2
    agent[Y] = rows // 2 * (size - 1) + size // 2
    return doors


@nb.njit
def _open(doors, i, j, wall):
    doors[i, j, wall, _PASSABLE] = 1
    doors[i + STEP_X[wall], j + STEP_Y[wall], (wall + 2) % 4, _PASSABLE] = 1


@nb.njit
def add_door(cells, doors, i, j, wall, colour, state):
    """Put a door into a wall of room (i, j)."""
    cells[doors[i, j, wall, 0], doors[i, j, wall, 1]] = pack(DOOR, colour, state)
    _open(doors, i, j, wall)


@nb.njit
def remove_wall_above(cells, doors, i, j, size):
    """Take away the wall between room (i, j) and the one above it."""
    x, y = i * (size - 1), j * (size - 1)
    cells[x + 1 : x + size - 1, y] = EMPTY_CELL
    _open(doors, i, j, 3)


@nb.njit
def place_in_room(cells, agent, stream, i, j, size, cell):
    """Put `cell` on a uniform empty cell of room (i, j) that is at least two steps from the agent."""
    while True:
        x, y = draw_empty(cells, agent, stream, i * (size - 1), j * (size - 1), size, size)
        if abs(agent[X] - x) + abs(agent[Y] - y) >= 2:
            cells[x, y] = cell
            return


@nb.njit
def place_agent_in_room(cells, agent, stream, i, j, size):
    """Put the agent into room (i, j), looking at nothing or at a wall."""
    while True:
        place_agent(cells, agent, stream, i * (size - 1), j * (size - 1), size, size)
        front = cells[agent[X] + STEP_X[agent[DIRECTION]], agent[Y] + STEP_Y[agent[DIRECTION]]]
        if front == EMPTY_CELL or kind_of(front) == WALL:
            return


@nb.njit
def _all_connected(doors):
    columns, rows = doors.shape[:2]
    seen = np.zeros((columns, rows), np.bool_)
    stack = np.empty((columns * rows, 2), np.int64)
    stack[0] = 0
    seen[0, 0] = True
    waiting, found = 1, 0
    while waiting > 0:
        waiting -= 1
        found += 1
        i, j = stack[waiting]
        for wall in range(4):
            if doors[i, j, wall, _PASSABLE] == 1:
                u, v = i + STEP_X[wall], j + STEP_Y[wall]
                if not seen[u, v]:
                    seen[u, v] = True
                    stack[waiting] = u, v
                    waiting += 1
    return found == columns * rows


@nb.njit
def connect_all(cells, doors, stream, locked_i, locked_j):
    """Add closed doors of random colours at uniform walls until every room can be reached; the locked room gets none.

    MiniGrid gives up after 5000 draws (a chance below 1e-50 in its own levels), we never do.
    """
    columns, rows = doors.shape[:2]
    while not _all_connected(doors):
        added = False
        while not added:
            i = randint(stream, 0, columns)
            j = randint(stream, 0, rows)
            wall = randint(stream, 0, 4)
            u, v = i + STEP_X[wall], j + STEP_Y[wall]
            if doors[i, j, wall, 0] < 0 or doors[i, j, wall, _PASSABLE] == 1:
                continue
            if (i == locked_i and j == locked_j) or (u == locked_i and v == locked_j):
                continue
            add_door(cells, doors, i, j, wall, randint(stream, 0, 6), CLOSED)
            added = True
