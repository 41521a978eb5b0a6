"""Shared by the generators: walls, and uniform draws of an empty cell.

MiniGrid looks for a place by rejection: draw a cell of a rectangle, draw again while it is taken. So do we; where it
gives up after a thousand refusals (a chance below 1e-50 in every level here) we go on.
"""

from __future__ import annotations

import numba as nb

from envs.grid.state import DIRECTION, X, Y
from envs.grid.symbols import EMPTY, GOAL, GREEN, GREY, LAVA, RED, WALL, pack
from envs.rng import randint

EMPTY_CELL = pack.py_func(EMPTY)
WALL_CELL = pack.py_func(WALL, GREY)
GOAL_CELL = pack.py_func(GOAL, GREEN)
LAVA_CELL = pack.py_func(LAVA, RED)


@nb.njit
def wall_rectangle(cells, x, y, width, height):
    """Draw the outline of a rectangle in walls."""
    for i in range(width):
        cells[x + i, y] = WALL_CELL
        cells[x + i, y + height - 1] = WALL_CELL
    for j in range(height):
        cells[x, y + j] = WALL_CELL
        cells[x + width - 1, y + j] = WALL_CELL


@nb.njit
def walled_room(cells, agent):
    """Begin a level: nothing but the outer wall; the agent's row all zero and the agent nowhere."""
    cells[:] = EMPTY_CELL
    wall_rectangle(cells, 0, 0, cells.shape[0], cells.shape[1])
    agent[:] = 0
    agent[X] = -1
    agent[Y] = -1


@nb.njit
def draw_empty(cells, agent, stream, x, y, width, height):
    """A uniform empty cell of a rectangle that the agent does not stand on."""
    while True:
        i = randint(stream, x, min(x + width, cells.shape[0]))
        j = randint(stream, y, min(y + height, cells.shape[1]))
        if cells[i, j] == EMPTY_CELL and not (i == agent[X] and j == agent[Y]):
            return i, j


@nb.njit
def place_agent(cells, agent, stream, x, y, width, height):
    """Put the agent on a uniform empty cell of a rectangle, in a uniform direction."""
    agent[X] = -1
    agent[Y] = -1
    i, j = draw_empty(cells, agent, stream, x, y, width, height)
    agent[X] = i
    agent[Y] = j
    agent[DIRECTION] = randint(stream, 0, 4)
