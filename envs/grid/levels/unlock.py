"""Unlock: two rooms, a locked door between them, its key beside the agent in the left one (params: room size)."""

from __future__ import annotations

import numba as nb

from envs.grid.levels.roomgrid import add_door, draw_rooms, place_agent_in_room, place_in_room
from envs.grid.state import TARGET_X, TARGET_Y
from envs.grid.symbols import KEY, LOCKED, pack
from envs.rng import randint


@nb.njit
def generate_unlock(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    size = params[0]
    doors = draw_rooms(cells, agent, stream, 2, 1, size)
    colour = randint(stream, 0, 6)
    add_door(cells, doors, 0, 0, 0, colour, LOCKED)
    place_in_room(cells, agent, stream, 0, 0, size, pack(KEY, colour))
    place_agent_in_room(cells, agent, stream, 0, 0, size)
    agent[TARGET_X] = doors[0, 0, 0, 0]
    agent[TARGET_Y] = doors[0, 0, 0, 1]
