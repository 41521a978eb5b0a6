"""A level out of a pool that minigrid filled (`envs.grid.pool`)."""

from __future__ import annotations

import numba as nb

from envs.rng import randint


@nb.njit
def copy_pooled(pool_cells, pool_agent, cells, agent, stream):
    """Copy a uniform level of the pool (cells uint16 [M, W, H], agent int32 [M, F]) into a world."""
    k = randint(stream, 0, pool_cells.shape[0])
    cells[:] = pool_cells[k]
    agent[:] = pool_agent[k]
