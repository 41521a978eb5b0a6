"""States of one world as short rows, and the hash table that knows which have been seen.

Walls, floors and lava never change, so a state is written down as what differs from the world the search began with,
a row of uint32 [2 + D]:

    0      x | y << 8 | direction << 16 | number of changed cells << 18
    1      the carried cell, packed
    2 ...  cell index << 16 | its packed value, by rising index

The rows are hashed into an open-addressing table; equal hashes are told apart by comparing rows, so nothing is ever
mistaken for something else.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.jit import borrowing
from envs.grid.state import CARRYING, DIRECTION, X, Y
from envs.grid.symbols import BALL, BOX, DOOR, KEY, contents_of, kind_of

CHANGES = 2
"""Where the changed cells begin in a row."""


@borrowing
def most_changes(cells, carried):
    """An upper bound D on how many cells can ever differ: doors; objects gone from one cell and put in another."""
    bound = 2 * (carried != 0) + (contents_of(carried) != 0)
    for x in range(cells.shape[0]):
        for y in range(cells.shape[1]):
            kind = kind_of(cells[x, y])
            bound += kind == DOOR
            bound += 2 * (kind in (KEY, BALL, BOX))
            bound += kind == BOX and contents_of(cells[x, y]) != 0
    return bound


@borrowing
def hash_row(rows, n):
    """64 bits of the words in use of row `n`."""
    value = np.uint64(0x9E3779B97F4A7C15)
    for k in range(CHANGES + (rows[n, 0] >> 18)):
        value = (value ^ np.uint64(rows[n, k])) * np.uint64(0xBF58476D1CE4E5B9)
        value ^= value >> np.uint64(31)
    return value


@borrowing
def enter(table, rows, hashes, count):
    """Look for row `count` among the rows before it and enter it where it is new. Returns whether it is."""
    value = hash_row(rows, count)
    hashes[count] = value
    mask = table.shape[0] - 1
    slot = np.int64(value >> np.uint64(32)) & mask
    while table[slot] != 0:
        other = table[slot] - 1
        if hashes[other] == value:
            same = True
            for k in range(CHANGES + (rows[count, 0] >> 18)):
                same &= rows[other, k] == rows[count, k]
            if same:
                return False
        slot = (slot + 1) & mask
    table[slot] = count + 1
    return True


@nb.njit(error_model="numpy")
def grown(store, used):
    """Table, rows (`used` of them in use), hashes, depths and end marks, all twice as large."""
    table, rows, hashes, depths, final = store
    count = rows.shape[0]
    more_rows = np.empty((2 * count, rows.shape[1]), np.uint32)
    more_rows[:count] = rows
    more_hashes = np.empty(2 * count, np.uint64)
    more_hashes[:count] = hashes
    more_depths = np.empty(2 * count, np.int32)
    more_depths[:count] = depths
    more_final = np.zeros(2 * count, np.bool_)
    more_final[:count] = final
    more_table = np.zeros(2 * table.shape[0], np.int32)
    mask = more_table.shape[0] - 1
    for n in range(used):
        slot = np.int64(hashes[n] >> np.uint64(32)) & mask
        while more_table[slot] != 0:
            slot = (slot + 1) & mask
        more_table[slot] = n + 1
    return more_table, more_rows, more_hashes, more_depths, more_final


@borrowing
def write_successor(rows, now, body, cell, value, original, to):
    """Write row `to`, what follows on row `now`: the agent as in `body`, and cell `cell` (-1: none) now `value`."""
    old, new = np.int64(rows[now, 0]) >> 18, 0
    pending = cell >= 0
    for k in range(old):
        index = np.int64(rows[now, CHANGES + k]) >> 16
        if pending and index >= cell:
            if value != original:
                rows[to, CHANGES + new] = cell << 16 | value
                new += 1
            pending = False
        if index != cell:
            rows[to, CHANGES + new] = rows[now, CHANGES + k]
            new += 1
    if pending and value != original:
        rows[to, CHANGES + new] = cell << 16 | value
        new += 1
    rows[to, 0] = body[X] | body[Y] << 8 | body[DIRECTION] << 16 | new << 18
    rows[to, 1] = body[CARRYING]
