"""LockedRoom: six rooms along a corridor, one locked with the goal in it, the key in another.

The doors have six different colours. Mission codes: the key's colour, the colour of the room it lies in, the locked
door's colour.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.levels.placing import GOAL_CELL, WALL_CELL, place_agent, walled_room
from envs.grid.state import MISSION
from envs.grid.symbols import CLOSED, DOOR, KEY, LOCKED, pack
from envs.rng import randint

_ROOMS = 6


@nb.njit
def generate_lockedroom(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    width, height = cells.shape
    left, right = width // 2 - 2, width // 2 + 2
    third = height // 3
    walled_room(cells, agent)
    cells[left, :] = WALL_CELL
    cells[right, :] = WALL_CELL
    for n in range(3):
        cells[:left, n * third] = WALL_CELL
        cells[right:, n * third] = WALL_CELL

    colours = np.arange(_ROOMS)
    for k in range(_ROOMS - 1, 0, -1):
        other = randint(stream, 0, k + 1)
        colours[k], colours[other] = colours[other], colours[k]
    locked = randint(stream, 0, _ROOMS)
    with_key = randint(stream, 0, _ROOMS - 1)
    with_key += with_key >= locked
    for room in range(_ROOMS):  # left and right in turn, from the top
        at = left if room % 2 == 0 else right
        state = LOCKED if room == locked else CLOSED
        cells[at, room // 2 * third + 3] = pack(DOOR, colours[room], state)
    x, y = _cell_of(locked, left, right, third, stream)
    cells[x, y] = GOAL_CELL
    x, y = _cell_of(with_key, left, right, third, stream)
    cells[x, y] = pack(KEY, colours[locked])
    place_agent(cells, agent, stream, left, 0, right - left, height)
    agent[MISSION] = colours[locked]
    agent[MISSION + 1] = colours[with_key]
    agent[MISSION + 2] = colours[locked]


@nb.njit
def _cell_of(room, left, right, third, stream):
    """A uniform cell inside a room."""
    x = 0 if room % 2 == 0 else right
    y = room // 2 * third
    return randint(stream, x + 1, x + left), randint(stream, y + 1, y + third)
