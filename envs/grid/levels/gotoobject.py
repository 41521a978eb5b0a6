"""GoToObject: a room with a few different things; one of them is to be stood beside (params: things)."""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.levels.objects import place_things, write_thing
from envs.grid.levels.placing import place_agent, walled_room
from envs.grid.state import MISSION, TARGET_X, TARGET_Y
from envs.rng import randint


@nb.njit
def generate_gotoobject(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    walled_room(cells, agent)
    places = np.empty((params[0], 2), np.int64)
    place_things(cells, agent, stream, params[0], 3, True, False, places)
    place_agent(cells, agent, stream, 0, 0, cells.shape[0], cells.shape[1])
    x, y = places[randint(stream, 0, params[0])]
    agent[TARGET_X] = x
    agent[TARGET_Y] = y
    write_thing(agent, MISSION, cells[x, y])
