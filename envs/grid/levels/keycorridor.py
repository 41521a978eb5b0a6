"""KeyCorridor: rooms on both sides of a corridor; the ball lies behind a locked door on the right, the key on the left.

params: room size, rows. The mission's one code is the ball's colour.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.levels.roomgrid import (
    add_door,
    connect_all,
    draw_rooms,
    place_agent_in_room,
    place_in_room,
    remove_wall_above,
)
from envs.grid.state import MISSION
from envs.grid.symbols import BALL, KEY, LOCKED, TARGET, pack
from envs.rng import randint


@nb.njit
def generate_keycorridor(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    size, rows = params[0], params[1]
    doors = draw_rooms(cells, agent, stream, 3, rows, size)
    for j in range(1, rows):
        remove_wall_above(cells, doors, 1, j, size)
    locked = randint(stream, 0, rows)
    door_colour = randint(stream, 0, 6)
    add_door(cells, doors, 2, locked, 2, door_colour, LOCKED)
    ball_colour = randint(stream, 0, 6)
    place_in_room(cells, agent, stream, 2, locked, size, pack(BALL, ball_colour) | np.uint16(TARGET))
    place_in_room(cells, agent, stream, 0, randint(stream, 0, rows), size, pack(KEY, door_colour))
    place_agent_in_room(cells, agent, stream, 1, rows // 2, size)
    connect_all(cells, doors, stream, 2, locked)
    agent[MISSION] = ball_colour
