"""UnlockPickup and BlockedUnlockPickup: Unlock, and a box to be picked up behind the door.

params: room size, whether a ball stands in front of the door. The mission's one code is the box's colour.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.levels.roomgrid import add_door, draw_rooms, place_agent_in_room, place_in_room
from envs.grid.state import MISSION
from envs.grid.symbols import BALL, BOX, KEY, LOCKED, TARGET, pack
from envs.rng import randint


@nb.njit
def generate_unlockpickup(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    size = params[0]
    doors = draw_rooms(cells, agent, stream, 2, 1, size)
    box_colour = randint(stream, 0, 6)
    place_in_room(cells, agent, stream, 1, 0, size, pack(BOX, box_colour) | np.uint16(TARGET))
    colour = randint(stream, 0, 6)
    add_door(cells, doors, 0, 0, 0, colour, LOCKED)
    if params[1] != 0:
        cells[doors[0, 0, 0, 0] - 1, doors[0, 0, 0, 1]] = pack(BALL, randint(stream, 0, 6))
    place_in_room(cells, agent, stream, 0, 0, size, pack(KEY, colour))
    place_agent_in_room(cells, agent, stream, 0, 0, size)
    agent[MISSION] = box_colour
