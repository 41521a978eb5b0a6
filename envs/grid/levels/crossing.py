"""Crossing: rivers of walls or lava across the room, and a random staircase of gaps through them.

params: number of rivers, 1 for lava. Rivers lie on even rows and columns, a uniform choice among them; the staircase
crosses them in a uniform order of "through a column" and "through a row", each gap uniform along the room it leaves.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.levels.placing import EMPTY_CELL, GOAL_CELL, LAVA_CELL, WALL_CELL, walled_room
from envs.grid.state import X, Y
from envs.rng import randint


@nb.njit
def generate_crossing(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    width, height = cells.shape
    walled_room(cells, agent)
    agent[X] = 1
    agent[Y] = 1
    cells[width - 2, height - 2] = GOAL_CELL
    river = LAVA_CELL if params[1] == 1 else WALL_CELL
    rivers = params[0]

    # The banks of the rooms: columns and rows of walls or rivers, from border to border.
    columns = np.zeros(width, np.int64)
    rows = np.zeros(height, np.int64)
    num_columns, num_rows = 1, 1
    candidates = (width - 3) // 2  # even columns 2, 4, ...; then even rows. MiniGrid's levels are square.
    left = rivers
    for candidate in range(2 * candidates):  # selection sampling: uniform over subsets, and sorted
        if randint(stream, 0, 2 * candidates - candidate) < left:
            left -= 1
            if candidate < candidates:
                columns[num_columns] = 2 * (candidate + 1)
                num_columns += 1
            else:
                rows[num_rows] = 2 * (candidate - candidates + 1)
                num_rows += 1
    for row in rows[1:num_rows]:
        cells[1 : width - 1, row] = river
    for column in columns[1:num_columns]:
        cells[column, 1 : height - 1] = river
    columns[num_columns] = width - 1
    rows[num_rows] = height - 1

    i, j = 0, 0
    columns_left, rows_left = num_columns - 1, num_rows - 1
    while columns_left + rows_left > 0:
        if randint(stream, 0, columns_left + rows_left) < columns_left:
            cells[columns[i + 1], randint(stream, rows[j] + 1, rows[j + 1])] = EMPTY_CELL
            i += 1
            columns_left -= 1
        else:
            cells[randint(stream, columns[i] + 1, columns[i + 1]), rows[j + 1]] = EMPTY_CELL
            j += 1
            rows_left -= 1
