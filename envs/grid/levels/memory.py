"""Memory: a key or a ball is shown in the first room; at the end of a corridor one must turn to the same object.

params: whether the corridor's length is random. The target is the cell before the matching object, the other place the
cell before the other one.
"""

from __future__ import annotations

import numba as nb

from envs.grid.levels.placing import WALL_CELL, walled_room
from envs.grid.state import OTHER_X, OTHER_Y, TARGET_X, TARGET_Y, X, Y
from envs.grid.symbols import BALL, GREEN, KEY, pack
from envs.rng import randint

_KEY_CELL = pack.py_func(KEY, GREEN)
_BALL_CELL = pack.py_func(BALL, GREEN)


@nb.njit
def generate_memory(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    width, height = cells.shape
    middle = height // 2
    end = width - 3
    if params[0] != 0:
        end = randint(stream, 4, width - 2)
    walled_room(cells, agent)
    for x in range(1, 5):  # the room
        cells[x, middle - 2] = WALL_CELL
        cells[x, middle + 2] = WALL_CELL
    for x in range(4, max(end, 5)):  # the corridor
        cells[x, middle - 1] = WALL_CELL
        cells[x, middle + 1] = WALL_CELL
    for y in range(height):  # its end
        if y != middle:
            cells[end, y] = WALL_CELL
        cells[end + 2, y] = WALL_CELL

    agent[X] = randint(stream, 1, end + 1)
    agent[Y] = middle
    shows_key = randint(stream, 0, 2) == 1
    key_above = randint(stream, 0, 2) == 1
    cells[1, middle - 1] = _KEY_CELL if shows_key else _BALL_CELL
    cells[end + 1, middle - 2] = _KEY_CELL if key_above else _BALL_CELL
    cells[end + 1, middle + 2] = _BALL_CELL if key_above else _KEY_CELL
    side = -1 if shows_key == key_above else 1
    agent[TARGET_X] = end + 1
    agent[TARGET_Y] = middle + side
    agent[OTHER_X] = end + 1
    agent[OTHER_Y] = middle - side
