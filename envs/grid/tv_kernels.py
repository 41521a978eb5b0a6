"""The noisy television in a grid world: where it hangs, when it is seen, what it shows. `envs.grid.tv` calls these.

A picture is a canvas, uint8 [C]: symbols of a square of view cells, ordered as the view is (column by column).
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

from envs.grid.jit import borrowing, kernel
from envs.grid.kernel import step_x, step_y
from envs.grid.state import X, Y
from envs.grid.symbols import AGENT, DOOR, EMPTY, FLOOR, OPEN, PACKED, UNSEEN, WALL, kind_of, state_of
from envs.rng import randint

SHOWN = np.flatnonzero((PACKED & 15 != UNSEEN) & (PACKED & 15 != AGENT)).astype(np.uint8)
"""uint8 [56]: the symbols a picture is made of: all that a view can hold; not "unseen", and no agent."""

TRIGGER_NEVER, TRIGGER_ALWAYS, TRIGGER_PRESS = range(3)
BANK, IID, UNSEEN_PICTURES = range(3)
CELL, QUADRANT, VIEW = range(3)
POSE = 3
"""Tokens at the end of a row as it comes in: 1 + x, 1 + y, 1 + direction."""

SIGNED_CELLS = 8
"""How many cells of a picture that was never shown before hold its number: 56 ** 8, about 10 ** 14, pictures."""
_RECTANGLES = 4
_HALF = len(SHOWN) ** (SIGNED_CELLS // 2)
_ROUNDS = 4


class Setup(NamedTuple):
    """One television as integers.

    trigger, content, extent: codes above.  everywhere: whether it is always seen.  fixed: whether the wall is the same
    in all levels of one layout.  hidden: whether the player's view stays clean.  size: V.  first: where the view begins
    in a row.  policy: P.  channels: C, the tokens behind them.  key: what the numbers of pictures are scrambled with.
    """

    trigger: int
    content: int
    extent: int
    everywhere: bool
    fixed: bool
    hidden: bool
    size: int
    first: int
    policy: int
    channels: int
    key: int


@nb.njit(inline="always")
def side_of(setup):
    """Cells along a picture's edge."""
    return 1 if setup.extent == CELL else setup.size if setup.extent == VIEW else setup.size // 2 + 1


@borrowing
def _paint_rectangles(canvas, stream, side):
    """A background and a few rectangles, each of one random symbol."""
    ground = SHOWN[randint(stream, 0, SHOWN.shape[0])]
    for k in range(canvas.shape[0]):
        canvas[k] = ground
    for _ in range(_RECTANGLES):
        symbol = SHOWN[randint(stream, 0, SHOWN.shape[0])]
        left, top = randint(stream, 0, side), randint(stream, 0, side)
        right, bottom = randint(stream, left + 1, side + 1), randint(stream, top + 1, side + 1)
        for i in range(left, right):
            for j in range(top, bottom):
                canvas[i * side + j] = symbol


@borrowing
def _scramble(number, key):
    """A number below 56 ** 8 to another, one to one: a Feistel network over two halves, so near ones differ."""
    low, high = number % _HALF, number // _HALF
    for r in range(_ROUNDS):
        mixed = np.uint64(high + 1) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key) + np.uint64(r)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(32)
        low, high = high, (low + np.int64(mixed % np.uint64(_HALF))) % _HALF
    return low + high * _HALF


@borrowing
def sign(canvas, number, key):
    """Write `number` (below 56 ** 8) into 8 cells of the canvas as scrambled digits: no two numbers look alike."""
    rest = _scramble(number, key)
    for k in range(SIGNED_CELLS):
        canvas[k * canvas.shape[0] // SIGNED_CELLS] = SHOWN[rest % SHOWN.shape[0]]
        rest //= SHOWN.shape[0]


@borrowing
def _change(canvas, stream, drawn, number, bank, setup):
    """Put the next picture on the canvas. drawn: int64 [1], how many this one has had; number: one nobody else has."""
    if setup.content == BANK:
        if bank.shape[0] > 1:
            chosen = randint(stream, 0, bank.shape[0])
            for k in range(canvas.shape[0]):
                canvas[k] = bank[chosen, k]
    elif setup.content == IID:
        for k in range(canvas.shape[0]):
            canvas[k] = SHOWN[randint(stream, 0, SHOWN.shape[0])]
    else:
        _paint_rectangles(canvas, stream, side_of(setup))
        sign(canvas, number, setup.key)
    drawn[0] += 1


@kernel()
def fill_bank(bank, stream, side):
    """Different pictures for `bank` (uint8 [K, side * side]), drawn from stream (uint64 [2]): single symbols, or
    rectangles. There must be as many."""
    for k in range(bank.shape[0]):
        alike = True
        while alike:
            if side == 1:
                bank[k, 0] = SHOWN[randint(stream, 0, SHOWN.shape[0])]
            else:
                _paint_rectangles(bank[k], stream, side)
            alike = False
            for other in range(k):
                same = True
                for c in range(bank.shape[1]):
                    same = same and bank[other, c] == bank[k, c]
                alike = alike or same


@borrowing
def _hang(cells, agent, stream, reached, queue):
    """A wall cell for the television, x * H + y, or -1: uniform over those beside a cell the player can walk to.

    It walks over empty cells, floors and through open doors. reached: bool [W, H] and queue: int32 [W * H], scratch.
    """
    width, height = cells.shape
    for x in range(width):
        for y in range(height):
            reached[x, y] = False
    reached[agent[X], agent[Y]] = True
    queue[0] = agent[X] * height + agent[Y]
    head, tail = 0, 1
    while head < tail:
        x, y = queue[head] // height, queue[head] % height
        head += 1
        for facing in range(4):
            i, j = x + step_x(facing), y + step_y(facing)
            if i < 0 or j < 0 or i >= width or j >= height or reached[i, j]:
                continue
            kind = kind_of(cells[i, j])
            if kind in (EMPTY, FLOOR) or (kind == DOOR and state_of(cells[i, j]) == OPEN):
                reached[i, j] = True
                queue[tail] = i * height + j
                tail += 1
    count = 0
    for x in range(width):
        for y in range(height):
            beside = False
            if kind_of(cells[x, y]) == WALL:
                for facing in range(4):
                    i, j = x + step_x(facing), y + step_y(facing)
                    beside = beside or (0 <= i < width and 0 <= j < height and reached[i, j])
            if beside:
                queue[count] = x * height + y
                count += 1
    return np.int64(queue[randint(stream, 0, count)]) if count > 0 else np.int64(-1)


@borrowing
def place_in_view(row, spot, height, setup):
    """Where cell `spot` stands in the view of `row` (with its pose): i * V + j as the view is ordered, -1: not seen."""
    if spot < 0:
        return np.int64(-1)
    pose = setup.policy + setup.channels
    dx = spot // height + 1 - np.int64(row[pose])
    dy = spot % height + 1 - np.int64(row[pose + 1])
    facing = np.int64(row[pose + 2]) - 1
    fx, fy = step_x(facing), step_y(facing)
    i = dy * fx - dx * fy + setup.size // 2
    j = setup.size - 1 - (dx * fx + dy * fy)
    if i < 0 or i >= setup.size or j < 0 or j >= setup.size or row[setup.first + i * setup.size + j] == 0:
        return np.int64(-1)
    return i * setup.size + j


@borrowing
def _show(row, spot, height, canvas, setup, out):
    """Write one row as it goes out: what the player sees, the other of shown and clean, whether in view, channels."""
    size, policy, side = setup.size, setup.policy, side_of(setup)
    place = np.int64(0) if setup.everywhere else place_in_view(row, spot, height, setup)
    # Slices, so that indices are seen not to be negative and loops become vector code.
    seen, other, behind = out[:policy], out[policy : 2 * policy], out[2 * policy + 1 :]
    channels = row[policy : policy + setup.channels]
    clean = row[:policy]
    for p in range(clean.shape[0]):
        seen[p] = clean[p]
    for p in range(clean.shape[0]):
        other[p] = clean[p]
    out[2 * policy] = 1 + (place >= 0)
    for c in range(channels.shape[0]):
        behind[c] = channels[c]
    if place < 0:
        return
    left, top = place // size, place % size
    half = size // 2
    if setup.extent == QUADRANT:
        left, top = 0 if left <= half else half, 0 if top <= half else half
    elif setup.extent == VIEW:
        left, top = np.int64(0), np.int64(0)
    view = out[setup.first + (policy if setup.hidden else 0) :]
    for i in range(side):
        for j in range(side):
            view[(left + i) * size + top + j] = canvas[i * side + j]


@borrowing
def _begin(n, count, cells, agent, stream, spot, canvas, drawn, bank, setup, reached, queue, fixed):
    """A new level in environment n of `count`: the television is hung up and shows something new."""
    if setup.fixed:
        fixed[0], fixed[1] = np.uint64(setup.key), 0  # the same draw for every level
        spot[n] = _hang(cells[n], agent[n], fixed, reached, queue)
    elif not setup.everywhere:
        spot[n] = _hang(cells[n], agent[n], stream[n], reached, queue)
    _change(canvas[n], stream[n], drawn[n : n + 1], drawn[n] * count + n, bank, setup)


@kernel()
def begin_all(rows, cells, agent, stream, spot, canvas, drawn, bank, setup, out):
    """New levels everywhere: televisions are hung up; rows uint8 [N, P + C + 3] are written to out uint8 [N, W]."""
    count, width, height = cells.shape
    reached, queue = np.empty((width, height), np.bool_), np.empty(width * height, np.int32)
    fixed = np.empty(2, np.uint64)
    for n in range(count):
        _begin(n, count, cells, agent, stream, spot, canvas, drawn, bank, setup, reached, queue, fixed)
        _show(rows[n], spot[n], height, canvas[n], setup, out[n])


@kernel()
def show_all(
    pressed, terminated, truncated, next_rows, rows, cells, agent, stream, spot, canvas, drawn, bank, setup, next_out,
    out,
):  # fmt: skip
    """After a step: pictures change where they are to, and both rows of every world are written as they go out.

    pressed: bool [N].  next_rows, rows: as in `begin_all`, the successors and what to act on.  The successor at an
    episode's end shows the television of the old level, with what the step brought.
    """
    count, width, height = cells.shape
    reached, queue = np.empty((width, height), np.bool_), np.empty(width * height, np.int32)
    fixed = np.empty(2, np.uint64)
    for n in range(count):
        if setup.trigger == TRIGGER_ALWAYS or (setup.trigger == TRIGGER_PRESS and pressed[n]):
            _change(canvas[n], stream[n], drawn[n : n + 1], drawn[n] * count + n, bank, setup)
        _show(next_rows[n], spot[n], height, canvas[n], setup, next_out[n])
        if terminated[n] or truncated[n]:
            _begin(n, count, cells, agent, stream, spot, canvas, drawn, bank, setup, reached, queue, fixed)
            _show(rows[n], spot[n], height, canvas[n], setup, out[n])
        else:
            out[n] = next_out[n]
