"""GoToDoor: a room of random size with four doors of different colours; one is to be stood beside."""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.levels.placing import EMPTY_CELL, place_agent, wall_rectangle
from envs.grid.state import MISSION, TARGET_X, TARGET_Y
from envs.grid.symbols import CLOSED, DOOR, pack
from envs.rng import randint


@nb.njit
def generate_gotodoor(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    cells[:] = EMPTY_CELL
    agent[:] = 0
    width = randint(stream, 5, cells.shape[0] + 1)
    height = randint(stream, 5, cells.shape[1] + 1)
    wall_rectangle(cells, 0, 0, width, height)
    places = np.empty((4, 2), np.int64)
    places[0] = randint(stream, 2, width - 2), 0
    places[1] = randint(stream, 2, width - 2), height - 1
    places[2] = 0, randint(stream, 2, height - 2)
    places[3] = width - 1, randint(stream, 2, height - 2)
    colours = np.empty(4, np.int64)
    wanted = randint(stream, 0, 4)
    for k in range(4):
        colours[k] = randint(stream, 0, 6)
        while (colours[:k] == colours[k]).any():
            colours[k] = randint(stream, 0, 6)
        cells[places[k, 0], places[k, 1]] = pack(DOOR, colours[k], CLOSED)
    place_agent(cells, agent, stream, 0, 0, width, height)
    agent[TARGET_X] = places[wanted, 0]
    agent[TARGET_Y] = places[wanted, 1]
    agent[MISSION] = colours[wanted]
