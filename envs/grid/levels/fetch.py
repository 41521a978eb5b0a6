"""Fetch: keys and balls in a room; one named by colour and kind is to be picked up, no other (params: things).

Two may be alike: then either will do, and both carry the target mark. The mission's first code is its wording.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.levels.objects import place_things, write_thing
from envs.grid.levels.placing import place_agent, walled_room
from envs.grid.state import MISSION
from envs.grid.symbols import TARGET
from envs.rng import randint

WORDINGS = 5


@nb.njit
def generate_fetch(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    count = params[0]
    walled_room(cells, agent)
    places = np.empty((count, 2), np.int64)
    place_things(cells, agent, stream, count, 2, False, False, places)
    place_agent(cells, agent, stream, 0, 0, cells.shape[0], cells.shape[1])
    wanted = randint(stream, 0, count)
    thing = cells[places[wanted, 0], places[wanted, 1]]
    for k in range(count):
        if cells[places[k, 0], places[k, 1]] == thing:
            cells[places[k, 0], places[k, 1]] = thing | np.uint16(TARGET)
    agent[MISSION] = randint(stream, 0, WORDINGS)
    write_thing(agent, MISSION + 1, thing)
