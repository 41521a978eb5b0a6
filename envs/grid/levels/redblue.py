"""RedBlueDoors: a room between a red door on its left and a blue one on its right, to be opened in this order."""

from __future__ import annotations

import numba as nb

from envs.grid.levels.placing import place_agent, wall_rectangle, walled_room
from envs.grid.state import OTHER_X, OTHER_Y, TARGET_X, TARGET_Y
from envs.grid.symbols import BLUE, CLOSED, DOOR, RED, pack
from envs.rng import randint


@nb.njit
def generate_redblue(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    size = cells.shape[1]
    walled_room(cells, agent)
    wall_rectangle(cells, size // 2, 0, size, size)
    place_agent(cells, agent, stream, size // 2, 0, size, size)
    agent[TARGET_X] = size // 2
    agent[TARGET_Y] = randint(stream, 1, size - 1)
    agent[OTHER_X] = size // 2 + size - 1
    agent[OTHER_Y] = randint(stream, 1, size - 1)
    cells[agent[TARGET_X], agent[TARGET_Y]] = pack(DOOR, RED, CLOSED)
    cells[agent[OTHER_X], agent[OTHER_Y]] = pack(DOOR, BLUE, CLOSED)
