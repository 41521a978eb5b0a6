"""PutNear: different things in a room, apart from each other; one is to be dropped around another (params: things)."""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.levels.objects import place_things, write_thing
from envs.grid.levels.placing import place_agent, walled_room
from envs.grid.state import MISSION, TARGET_X, TARGET_Y
from envs.grid.symbols import TARGET
from envs.rng import randint


@nb.njit
def generate_putnear(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    count = params[0]
    walled_room(cells, agent)
    places = np.empty((count, 2), np.int64)
    place_things(cells, agent, stream, count, 3, True, True, places)
    place_agent(cells, agent, stream, 0, 0, cells.shape[0], cells.shape[1])
    moved = randint(stream, 0, count)
    other = randint(stream, 0, count - 1)
    other += other >= moved
    x, y = places[other]
    agent[TARGET_X] = x
    agent[TARGET_Y] = y
    write_thing(agent, MISSION + 2, cells[x, y])
    x, y = places[moved]
    write_thing(agent, MISSION, cells[x, y])
    cells[x, y] |= np.uint16(TARGET)
