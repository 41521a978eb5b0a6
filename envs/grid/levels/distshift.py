"""DistShift: two strips of lava between the agent and the goal; in the second level one has moved (params: its row)."""

from __future__ import annotations

import numba as nb

from envs.grid.levels.placing import GOAL_CELL, LAVA_CELL, walled_room
from envs.grid.state import X, Y


@nb.njit
def generate_distshift(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    width = cells.shape[0]
    walled_room(cells, agent)
    cells[width - 2, 1] = GOAL_CELL
    for x in range(3, width - 3):
        cells[x, 1] = LAVA_CELL
        cells[x, params[0]] = LAVA_CELL
    agent[X] = 1
    agent[Y] = 1
