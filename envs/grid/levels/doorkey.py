"""DoorKey: a wall splits the room; its yellow door is locked; key and agent are left of it, the goal right of it."""

from __future__ import annotations

import numba as nb

from envs.grid.levels.placing import GOAL_CELL, WALL_CELL, draw_empty, place_agent, walled_room
from envs.grid.symbols import DOOR, KEY, LOCKED, YELLOW, pack
from envs.rng import randint


@nb.njit
def generate_doorkey(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    width, height = cells.shape
    walled_room(cells, agent)
    cells[width - 2, height - 2] = GOAL_CELL
    split = randint(stream, 2, width - 2)
    cells[split, :] = WALL_CELL
    place_agent(cells, agent, stream, 0, 0, split, height)
    cells[split, randint(stream, 1, height - 2)] = pack(DOOR, YELLOW, LOCKED)  # never in the last row, as in MiniGrid
    x, y = draw_empty(cells, agent, stream, 0, 0, split, height)
    cells[x, y] = pack(KEY, YELLOW)
