"""Objects, colours and states of MiniGrid, packed: one `uint16` per cell, one of 64 symbols per look.

A cell is packed as (low bits first)

    type 4 | colour 3 | state 2 | contents 6 | target 1

`contents` is the symbol of what a box holds (0: nothing). `target` marks the object a mission asks for, so that it
stays itself when two objects look alike. The low nine bits are what an observer sees: MiniGrid's own triple
(object, colour, state). `SYMBOL` numbers the triples that can occur with 0..63, 0 being "unseen"; `TRIPLE` goes back.

Indices are those of `minigrid.core.constants` (minigrid 3.2.0).
"""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.names import COLOURS as COLOURS
from envs.grid.names import OBJECTS as OBJECTS
from envs.grid.names import STATES as STATES

UNSEEN, EMPTY, WALL, FLOOR, DOOR, KEY, BALL, BOX, GOAL, LAVA, AGENT = range(11)
RED, GREEN, BLUE, PURPLE, YELLOW, GREY = range(6)
OPEN, CLOSED, LOCKED = range(3)
LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)
IDLE = 7  # beyond every level's actions: takes a step and does nothing else

LOOK = 0x1FF  # the bits an observer sees
TARGET = 0x8000
NUM_SYMBOLS = 64

# MiniGrid draws colours from its alphabetically sorted list: blue, green, grey, purple, red, yellow.
SORTED_COLOURS = (BLUE, GREEN, GREY, PURPLE, RED, YELLOW)


@nb.njit(inline="always")
def pack(kind, colour=0, state=0):
    """One cell as `uint16` without contents or target mark."""
    return np.uint16(kind | (colour << 4) | (state << 7))


@nb.njit(inline="always")
def kind_of(cell):
    """Object index of a packed cell."""
    return np.int64(cell) & 15


@nb.njit(inline="always")
def colour_of(cell):
    """Colour index of a packed cell."""
    return (np.int64(cell) >> 4) & 7


@nb.njit(inline="always")
def state_of(cell):
    """State of a packed cell: for a door open, closed or locked; for the agent its direction; else 0."""
    return (np.int64(cell) >> 7) & 3


@nb.njit(inline="always")
def contents_of(cell):
    """Symbol of what a box holds, 0 for nothing."""
    return (np.int64(cell) >> 9) & 63


def _vocabulary() -> list[tuple[int, int, int]]:
    """All triples that can be seen, in symbol order."""
    triples = [(UNSEEN, 0, 0), (EMPTY, 0, 0)]
    for kind in (WALL, FLOOR, KEY, BALL, BOX, GOAL):
        triples += [(kind, colour, 0) for colour in range(6)]
    triples += [(DOOR, colour, state) for colour in range(6) for state in range(3)]
    triples += [(LAVA, RED, 0)]
    triples += [(AGENT, RED, direction) for direction in range(4)]
    return triples


TRIPLE = np.zeros((NUM_SYMBOLS, 3), np.uint8)
"""uint8 [64, 3]: symbol to (object, colour, state)."""
SYMBOL = np.zeros(LOOK + 1, np.uint8)
"""uint8 [512]: the low nine bits of a packed cell to its symbol."""
PACKED = np.zeros(NUM_SYMBOLS, np.uint16)
"""uint16 [64]: symbol to packed cell."""
for _symbol, (_kind, _colour, _state) in enumerate(_vocabulary()):
    TRIPLE[_symbol] = _kind, _colour, _state
    PACKED[_symbol] = _kind | (_colour << 4) | (_state << 7)
    SYMBOL[PACKED[_symbol]] = _symbol
for _table in (TRIPLE, SYMBOL, PACKED):
    _table.flags.writeable = False
