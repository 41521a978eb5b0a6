"""ObstructedMaze: a blue ball behind locked doors; keys may hide in boxes, green balls may stand before the doors.

params: quarters of the 3x3 maze in use (0: two rooms only), keys in boxes, doors blocked, column and row of the agent's
room, whether a side room's doors and balls all come before its keys (v1). In v0 the second blocking ball may fall on
the first key, which then is gone: minigrid keeps those levels for old results, and so do we.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.levels.roomgrid import (
    STEP_X,
    STEP_Y,
    add_door,
    draw_rooms,
    place_agent_in_room,
    place_in_room,
)
from envs.grid.symbols import BALL, BLUE, BOX, CLOSED, GREEN, GREY, KEY, LOCKED, SYMBOL, TARGET, pack
from envs.rng import randint

_SIZE = 6
_TARGET_CELL = np.uint16(pack.py_func(BALL, BLUE) | np.uint16(TARGET))
_SIDE_X, _SIDE_Y = (2, 1, 0, 1), (1, 2, 1, 0)
_CORNER_X, _CORNER_Y = (2, 2, 0, 0), (0, 2, 2, 0)


@nb.njit
def _add_locked_door(cells, doors, i, j, wall, colour, blocked):
    add_door(cells, doors, i, j, wall, colour, LOCKED)
    if blocked:
        x, y = doors[i, j, wall, 0], doors[i, j, wall, 1]
        cells[x - STEP_X[wall], y - STEP_Y[wall]] = pack(BALL, GREEN)


@nb.njit
def _add_key(cells, agent, stream, i, j, colour, boxed):
    key = pack(KEY, colour)
    if boxed:
        key = np.uint16(np.int64(pack(BOX, GREY)) | np.int64(SYMBOL[key]) << 9)
    place_in_room(cells, agent, stream, i, j, _SIZE, key)


@nb.njit
def generate_obstructedmaze(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    quarters, boxed, blocked = params[0], params[1] != 0, params[2] != 0
    columns, rows = (3, 3) if quarters > 0 else (2, 1)
    doors = draw_rooms(cells, agent, stream, columns, rows, _SIZE)
    colours = np.arange(6)
    for k in range(5, 0, -1):
        other = randint(stream, 0, k + 1)
        colours[k], colours[other] = colours[other], colours[k]

    if quarters == 0:
        _add_locked_door(cells, doors, 0, 0, 0, colours[0], blocked)
        _add_key(cells, agent, stream, 0, 0, colours[0], boxed)
        place_in_room(cells, agent, stream, 1, 0, _SIZE, _TARGET_CELL)
        place_agent_in_room(cells, agent, stream, 0, 0, _SIZE)
        return

    for side in range(quarters):
        i, j = _SIDE_X[side], _SIDE_Y[side]
        add_door(cells, doors, 1, 1, side, colours[side], CLOSED)
        for turn in (-1, 1):
            _add_locked_door(cells, doors, i, j, (side + turn) % 4, colours[(side + turn) % 6], blocked)
            if params[5] == 0:
                _add_key(cells, agent, stream, i, j, colours[(side + turn) % 6], boxed)
        if params[5] != 0:
            for turn in (-1, 1):
                _add_key(cells, agent, stream, i, j, colours[(side + turn) % 6], boxed)
    corner = randint(stream, 0, quarters)
    place_in_room(cells, agent, stream, _CORNER_X[corner], _CORNER_Y[corner], _SIZE, _TARGET_CELL)
    place_agent_in_room(cells, agent, stream, params[3], params[4], _SIZE)
