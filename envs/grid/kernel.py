"""What happens in one world, and what its agent sees: plain numba functions over one world's arrays.

Behaviour is that of `minigrid.minigrid_env.MiniGridEnv` 3.2.0, held equal by `tests/envs/test_grid_exact.py`. Two
things MiniGrid leaves open are settled here: a cell outside the grid behaves as a wall (MiniGrid asserts), and a
level may ask for the corridor's two moves instead of the seven actions.

A world is `cells` (uint16 [W, H]) and `agent` (int32 [14]), as `envs.grid.state` says.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.endings import judge, open_at
from envs.grid.jit import borrowing
from envs.grid.levels.rules import (
    RULE_HALLWAY,
    RULE_MEMORY,
    RULE_OBSTACLES,
    RULE_PICKUP_TARGET,
    RULE_RED_BLUE,
    RULE_UNLOCK,
)
from envs.grid.state import CARRYING, DIRECTION, OTHER_X, OTHER_Y, STEPS, TARGET_X, TARGET_Y, X, Y
from envs.grid.symbols import (
    BALL,
    BOX,
    CLOSED,
    DOOR,
    DROP,
    EMPTY,
    FLOOR,
    FORWARD,
    GOAL,
    GREY,
    IDLE,
    KEY,
    LAVA,
    LEFT,
    LOCKED,
    LOOK,
    OPEN,
    PACKED,
    PICKUP,
    RIGHT,
    SYMBOL,
    TARGET,
    TOGGLE,
    WALL,
    colour_of,
    contents_of,
    kind_of,
    state_of,
)

_EMPTY_CELL = np.uint16(EMPTY)
_OUTSIDE = np.uint16(WALL | GREY << 4)
_OPAQUE = 0x80  # beyond every symbol


def _look_table() -> np.ndarray:
    """uint8 [512]: look to symbol, with bit 7 set where one cannot see past (walls, doors that are not open)."""
    table = SYMBOL.copy()
    for look in range(LOOK + 1):
        kind, state = look & 15, look >> 7
        if kind == WALL or (kind == DOOR and state != OPEN):
            table[look] |= _OPAQUE
    return table


LOOKS = _look_table()


@nb.njit(inline="always")
def step_x(direction):
    """x component of a unit step in `direction` (0 right, 1 down, 2 left, 3 up)."""
    return np.int64(direction == 0) - np.int64(direction == 2)


@nb.njit(inline="always")
def step_y(direction):
    """y component of a unit step in `direction`."""
    return np.int64(direction == 1) - np.int64(direction == 3)


@nb.njit(inline="always")
def _can_enter(cell):
    """Whether the agent may stand on `cell`."""
    kind = kind_of(cell)
    return kind in (EMPTY, FLOOR, GOAL, LAVA) or (kind == DOOR and state_of(cell) == OPEN)


@nb.njit(inline="always")
def _toggled(cell, carried):
    """`cell` after a toggle by an agent that carries `carried` (packed, 0: nothing)."""
    kind = kind_of(cell)
    if kind == DOOR:
        unlocked = np.uint16(np.int64(cell) & ~(3 << 7))
        state = state_of(cell)
        if state == OPEN:
            return np.uint16(np.int64(unlocked) | CLOSED << 7)
        if state != LOCKED or (kind_of(carried) == KEY and colour_of(carried) == colour_of(cell)):
            return unlocked
    elif kind == BOX:
        contents = contents_of(cell)
        return PACKED[contents] if contents > 0 else _EMPTY_CELL
    return np.uint16(cell)


@borrowing
def transition(cells, agent, action, rule, max_steps):
    """One action in one world, in place.

    cells uint16 [W, H], agent int32 [14], action int (MiniGrid's seven; with RULE_HALLWAY 0 and 1; IDLE), rule one of
    `envs.grid.levels.rules`, max_steps in steps. Returns (reward float64, terminated bool, truncated bool).
    The action is not checked. What moves by itself has moved before (`envs.grid.obstacles`).
    """
    width, height = cells.shape
    agent[STEPS] += 1
    held = agent[CARRYING] != 0
    red_was_open = blue_was_open = False
    if rule == RULE_MEMORY and action == PICKUP:
        action = TOGGLE
    elif rule == RULE_RED_BLUE:
        red_was_open = open_at(cells, agent[TARGET_X], agent[TARGET_Y])
        blue_was_open = open_at(cells, agent[OTHER_X], agent[OTHER_Y])
    direction = np.int64(agent[DIRECTION])
    moves = action == FORWARD
    dx, dy = step_x(direction), step_y(direction)
    if rule == RULE_HALLWAY:
        moves = action != IDLE
        dx, dy = (1, 0) if action == 1 else (-1, 0)
    x, y = agent[X] + dx, agent[Y] + dy
    inside = x >= 0 and y >= 0 and x < width and y < height
    cell = cells[x, y] if inside else _OUTSIDE

    success = False
    terminated = False
    if moves:
        if _can_enter(cell):
            agent[X] = x
            agent[Y] = y
        kind = kind_of(cell)
        success = kind == GOAL
        terminated = kind == LAVA
    elif action == LEFT:
        agent[DIRECTION] = (direction + 3) & 3
    elif action == RIGHT:
        agent[DIRECTION] = (direction + 1) & 3
    elif action == PICKUP:
        if agent[CARRYING] == 0 and kind_of(cell) in (KEY, BALL, BOX):
            agent[CARRYING] = cell
            cells[x, y] = _EMPTY_CELL
        success = rule == RULE_PICKUP_TARGET and (agent[CARRYING] & TARGET) != 0
    elif action == DROP:
        if agent[CARRYING] != 0 and kind_of(cell) == EMPTY:
            cells[x, y] = np.uint16(agent[CARRYING])
            agent[CARRYING] = 0
    elif action == TOGGLE:
        if inside:
            cells[x, y] = _toggled(cell, agent[CARRYING])
        if rule == RULE_UNLOCK:
            success = state_of(cells[agent[TARGET_X], agent[TARGET_Y]]) == OPEN

    terminated = terminated or success
    if rule > RULE_HALLWAY:
        success, terminated = judge(
            cells, agent, action, rule, held, x, y, red_was_open, blue_was_open, success, terminated
        )
    steps = agent[STEPS]
    reward = 1.0 - 0.9 * (steps / max_steps) if success else 0.0
    if rule == RULE_OBSTACLES:
        if action == FORWARD and agent[TARGET_X] != 0:
            reward, terminated = -1.0, True
        agent[TARGET_X] = 0
    return reward, terminated, steps >= max_steps


@nb.njit(inline="always")
def _spread(seen, clear, size):
    """One row of MiniGrid's visibility rule, on bit masks (bit i: column i of `size`).

    seen: the cells of the row lit from the row below; clear: those one can see past. Light first runs right, then
    left, through clear cells, and every clear lit cell also lights the cell ahead of it and, in the running direction,
    that one's neighbour. Returns (the row's lit cells, those it lights in the row ahead).
    """
    last = np.int64(1) << (size - 1)
    # A carry runs up through ones: adding the lit clear cells to the clear cells flips what the light reaches.
    through = clear & ~last
    seen |= ((seen & through) + through) ^ through
    rising = seen & through
    ahead = rising | rising << 1
    through = clear & ~np.int64(1)
    front = seen & through
    while front != 0:
        front = (front >> 1) & ~seen
        seen |= front
        front &= through
    falling = seen & through
    return seen, ahead | falling | falling >> 1


@borrowing
def look_around(cells, agent, size, see_through, looks):
    """What the agent sees: fills looks uint16 [size * size] with the low nine bits of cells, 0 where unseen.

    Order as in MiniGrid's image: entry i * size + j is column i (left to right) and row j (far to near) of the view;
    the agent stands in the middle of the last row and sees there what it carries. `size` is odd and at most 61.
    """
    if size == 7:  # MiniGrid's own size, compiled as a constant: half the time
        _look_around(cells, agent, 7, see_through, looks)
    else:
        _look_around(cells, agent, size, see_through, looks)


@nb.njit(inline="always")
def _look_around(cells, agent, size, see_through, looks):
    width, height = cells.shape
    facing = np.int64(agent[DIRECTION])
    fx, fy = step_x(facing), step_y(facing)
    rx, ry = -fy, fx
    half = size // 2
    everything = (np.int64(1) << size) - 1
    seen = everything if see_through else np.int64(1) << half
    for back in range(size):
        j = size - 1 - back
        if seen == 0:
            for i in range(size):
                looks[i * size + j] = 0
            continue
        left_x = agent[X] + fx * back - rx * half
        left_y = agent[Y] + fy * back - ry * half
        clear = np.int64(0)
        for i in range(size):
            x, y = left_x + rx * i, left_y + ry * i
            cell = _OUTSIDE
            if x >= 0 and y >= 0 and x < width and y < height:
                cell = cells[x, y]
            look = np.int64(cell) & LOOK
            looks[i * size + j] = look
            clear |= np.int64(LOOKS[look] < _OPAQUE) << i
        if see_through:
            continue
        seen, ahead = _spread(seen, clear, size)
        if seen != everything:
            for i in range(size):
                if seen >> i & 1 == 0:
                    looks[i * size + j] = 0
        seen = ahead
    carried = np.int64(agent[CARRYING]) & LOOK
    looks[half * size + size - 1] = carried if carried != 0 else EMPTY
