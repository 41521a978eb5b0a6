"""Dynamic-Obstacles: an empty room, the goal in the far corner, balls that walk about (params: random start, balls)."""

from __future__ import annotations

import numba as nb

from envs.grid.levels.empty import generate_empty
from envs.grid.levels.placing import draw_empty
from envs.grid.obstacles import obstacle
from envs.grid.symbols import BLUE


@nb.njit
def generate_dynamic(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    generate_empty(params, cells, agent, stream)
    for order in range(1, params[1] + 1):
        x, y = draw_empty(cells, agent, stream, 0, 0, cells.shape[0], cells.shape[1])
        cells[x, y] = obstacle(BLUE, order)
