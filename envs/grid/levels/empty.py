"""Empty: the goal in the far corner, the agent in the near one or anywhere (params: 1 for a random start)."""

from __future__ import annotations

import numba as nb

from envs.grid.levels.placing import GOAL_CELL, place_agent, walled_room
from envs.grid.state import X, Y


@nb.njit
def generate_empty(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    width, height = cells.shape
    walled_room(cells, agent)
    cells[width - 2, height - 2] = GOAL_CELL
    if params[0] == 1:
        place_agent(cells, agent, stream, 0, 0, width, height)
    else:
        agent[X] = 1
        agent[Y] = 1
