"""Dynamic-Obstacles: before every step each ball walks to a free cell around it, one after the other.

The balls look alike but walk in a fixed order, so each ball's cell carries its place in the order where a box has its
contents. A ball that finds no free cell in 101 draws stays, as in the minigrid package 3.2.0.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.jit import borrowing
from envs.grid.kernel import step_x, step_y
from envs.grid.levels.rules import MOST_OBSTACLES
from envs.grid.state import DIRECTION, TARGET_X, X, Y
from envs.grid.symbols import BALL, EMPTY, GOAL, contents_of, kind_of, pack
from envs.rng import randint

_DRAWS = 101
_EMPTY_CELL = pack.py_func(EMPTY)


@nb.njit(inline="always")
def obstacle(colour, order):
    """Ball number `order` (from 1) as a packed cell."""
    return np.uint16(np.int64(pack(BALL, colour)) | order << 9)


@borrowing
def note_what_is_ahead(cells, agent):
    """Keep in the agent's row whether something other than the goal is in front, as the rule asks after the step."""
    x = agent[X] + step_x(agent[DIRECTION])
    y = agent[Y] + step_y(agent[DIRECTION])
    ahead = True
    if x >= 0 and y >= 0 and x < cells.shape[0] and y < cells.shape[1]:
        kind = kind_of(cells[x, y])
        ahead = kind not in (EMPTY, GOAL)
    agent[TARGET_X] = ahead


@nb.njit(error_model="numpy")
def move_obstacles(cells, agent, stream):
    """Move every ball in its turn. cells uint16 [W, H], agent int32 [14], stream uint64 [2]."""
    width, height = cells.shape
    places = np.zeros((MOST_OBSTACLES + 1, 2), np.int16)
    last = 0
    for x in range(width):
        for y in range(height):
            if kind_of(cells[x, y]) == BALL:
                order = contents_of(cells[x, y])
                places[order, 0], places[order, 1] = x, y
                last = max(last, order)
    for order in range(1, last + 1):
        x, y = np.int64(places[order, 0]), np.int64(places[order, 1])
        left, top = max(x - 1, 0), max(y - 1, 0)
        for _ in range(_DRAWS):
            i = randint(stream, left, min(left + 3, width))
            j = randint(stream, top, min(top + 3, height))
            if cells[i, j] == _EMPTY_CELL and not (i == agent[X] and j == agent[Y]):
                cells[i, j] = cells[x, y]
                cells[x, y] = _EMPTY_CELL
                break
