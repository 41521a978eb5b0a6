"""Hallway: one row of cells; the agent on one, the goal tile on another."""

from __future__ import annotations

import numba as nb

from envs.grid.levels.placing import GOAL_CELL, draw_empty, walled_room
from envs.grid.state import X, Y
from envs.rng import randint


@nb.njit
def generate_hallway(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    width = cells.shape[0]
    walled_room(cells, agent)
    agent[X] = randint(stream, 1, width - 1)
    agent[Y] = 1
    x, y = draw_empty(cells, agent, stream, 1, 1, width - 2, 1)
    cells[x, y] = GOAL_CELL
