"""FourRooms: a cross of walls with one gap in each arm; agent and goal anywhere."""

from __future__ import annotations

import numba as nb

from envs.grid.levels.placing import EMPTY_CELL, GOAL_CELL, WALL_CELL, draw_empty, place_agent, walled_room
from envs.rng import randint


@nb.njit
def generate_fourrooms(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    width, height = cells.shape
    middle_x, middle_y = width // 2, height // 2
    walled_room(cells, agent)
    cells[middle_x, :] = WALL_CELL
    cells[:, middle_y] = WALL_CELL
    cells[middle_x, randint(stream, 1, middle_y)] = EMPTY_CELL
    cells[middle_x, randint(stream, middle_y + 1, 2 * middle_y)] = EMPTY_CELL
    cells[randint(stream, 1, middle_x), middle_y] = EMPTY_CELL
    cells[randint(stream, middle_x + 1, 2 * middle_x), middle_y] = EMPTY_CELL
    place_agent(cells, agent, stream, 0, 0, width, height)
    x, y = draw_empty(cells, agent, stream, 0, 0, width, height)
    cells[x, y] = GOAL_CELL
