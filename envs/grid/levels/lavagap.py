"""LavaGap: a column of lava with one gap; the agent starts in one corner, the goal is in the other."""

from __future__ import annotations

import numba as nb

from envs.grid.levels.placing import EMPTY_CELL, GOAL_CELL, LAVA_CELL, walled_room
from envs.grid.state import X, Y
from envs.rng import randint


@nb.njit
def generate_lavagap(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    width, height = cells.shape
    walled_room(cells, agent)
    agent[X] = 1
    agent[Y] = 1
    cells[width - 2, height - 2] = GOAL_CELL
    column = randint(stream, 2, width - 2)
    cells[column, 1 : height - 1] = LAVA_CELL
    cells[column, randint(stream, 1, height - 1)] = EMPTY_CELL
