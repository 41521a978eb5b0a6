"""Rooms with a few different things in them: keys, balls and boxes of drawn colours, as a mission names them.

A thing is (kind, colour), drawn uniformly; where a mission must be able to tell things apart, no two are alike.
"""

from __future__ import annotations

import numba as nb

from envs.grid.levels.placing import draw_empty
from envs.grid.symbols import BALL, BOX, KEY, colour_of, kind_of, pack
from envs.rng import randint


@nb.njit
def draw_thing(stream, kinds):
    """A key, ball or box (the first `kinds` of them) of any colour, as a packed cell."""
    kind = (KEY, BALL, BOX)[randint(stream, 0, kinds)]
    return pack(kind, randint(stream, 0, 6))


@nb.njit(inline="always")
def kind_code(cell):
    """The place of a thing's kind in the missions' list key, ball, box."""
    return kind_of(cell) - KEY


@nb.njit
def place_things(cells, agent, stream, count, kinds, all_different, apart, places):
    """Put `count` things on uniform empty cells; places int64 [>= count, 2] receives where.

    all_different: no two of one kind and colour. apart: no two touch, not even at a corner. As in MiniGrid a kind and
    a colour are drawn again together where they are taken.
    """
    put = 0
    while put < count:
        thing = draw_thing(stream, kinds)
        taken = False
        for k in range(put):
            taken |= cells[places[k, 0], places[k, 1]] == thing
        if all_different and taken:
            continue
        while True:
            x, y = draw_empty(cells, agent, stream, 0, 0, cells.shape[0], cells.shape[1])
            touches = False
            for k in range(put):
                touches |= abs(x - places[k, 0]) <= 1 and abs(y - places[k, 1]) <= 1
            if not (apart and touches):
                break
        cells[x, y] = thing
        places[put, 0] = x
        places[put, 1] = y
        put += 1


@nb.njit(inline="always")
def write_thing(agent, at, cell):
    """Two mission codes from field `at` of the agent's row: the thing's colour and kind."""
    agent[at] = colour_of(cell)
    agent[at + 1] = kind_code(cell)
