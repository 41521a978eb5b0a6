"""Playground: nine rooms joined by doors, twelve things lying about, nothing asked for."""

from __future__ import annotations

import numba as nb

from envs.grid.levels.objects import draw_thing
from envs.grid.levels.placing import WALL_CELL, draw_empty, place_agent, walled_room
from envs.grid.symbols import CLOSED, DOOR, pack
from envs.rng import randint

_THINGS = 12


@nb.njit
def generate_playground(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    width, height = cells.shape
    across, down = width // 3, height // 3
    walled_room(cells, agent)
    for n in range(1, 3):
        cells[n * across, :] = WALL_CELL
        cells[:, n * down] = WALL_CELL
    for j in range(3):
        for i in range(3):
            x, y = i * across, j * down
            if i < 2:
                at = randint(stream, y + 1, y + down - 1)
                cells[x + across, at] = pack(DOOR, randint(stream, 0, 6), CLOSED)
            if j < 2:
                at = randint(stream, x + 1, x + across - 1)
                cells[at, y + down] = pack(DOOR, randint(stream, 0, 6), CLOSED)
    place_agent(cells, agent, stream, 0, 0, width, height)
    for _ in range(_THINGS):
        x, y = draw_empty(cells, agent, stream, 0, 0, width, height)
        cells[x, y] = draw_thing(stream, 3)
