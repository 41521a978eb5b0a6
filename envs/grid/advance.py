"""The kernel of the batched engine: one task for each of N worlds, all in one launch."""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.jit import kernel
from envs.grid.kernel import transition
from envs.grid.levels.dispatch import draw
from envs.grid.levels.pooled import copy_pooled
from envs.grid.levels.rules import RULE_OBSTACLES
from envs.grid.obstacles import move_obstacles, note_what_is_ahead
from envs.grid.state import OVER
from envs.grid.tokens import write_row

LEAVE, STEP, DRAW, WRITE = range(4)
"""What `advance` is to do with a world."""

_BLOCK = 32  # worlds a thread takes at a time


@nb.njit
def _fresh(generator, params, pool_cells, pool_agent, cells, agent, stream):
    """A fresh level in one world: from the generator at this address or, where that is 0, out of the pool."""
    if generator == 0:
        copy_pooled(pool_cells, pool_agent, cells, agent, stream)
    else:
        draw(generator, params, cells, agent, stream)
    agent[OVER] = 0


@kernel(parallel=True, error_model="numpy")
def advance(
    cells, agent, stream, task, actions, level, params, pool_cells, pool_agent, plan, size, see_through, regenerate,
    reward, terminated, truncated, observation, successor, every_successor, last_agent,
):  # fmt: skip
    """One task for each world; see `GridEngine.advance`. level: int64 [3], generator's address, rule, max_steps."""
    count = cells.shape[0]
    generator, rule, max_steps = level[0], level[1], level[2]
    for block in nb.prange((count + _BLOCK - 1) // _BLOCK):
        looks = np.empty(size * size, np.uint16)
        for n in range(block * _BLOCK, min(count, (block + 1) * _BLOCK)):
            if task[n] == LEAVE:
                continue
            over = False
            if task[n] == STEP:
                if rule == RULE_OBSTACLES:
                    note_what_is_ahead(cells[n], agent[n])
                    move_obstacles(cells[n], agent[n], stream[n])
                paid, ended, cut = transition(cells[n], agent[n], actions[n], rule, max_steps)
                reward[n], terminated[n], truncated[n] = paid, ended, cut
                over = ended or cut
                agent[n, OVER] = over
            elif task[n] == DRAW:
                _fresh(generator, params, pool_cells, pool_agent, cells[n], agent[n], stream[n])
                if reward.shape[0] > 0:
                    reward[n], terminated[n], truncated[n] = 0.0, False, False
            if observation.shape[0] > 0:
                write_row(cells[n], agent[n], plan, size, see_through, looks, observation[n])
            if every_successor or (over and successor.shape[0] > 0):
                successor[n] = observation[n]
            if over and regenerate:
                if last_agent.shape[0] > 0:
                    last_agent[n] = agent[n]
                _fresh(generator, params, pool_cells, pool_agent, cells[n], agent[n], stream[n])
                if observation.shape[0] > 0:
                    write_row(cells[n], agent[n], plan, size, see_through, looks, observation[n])
