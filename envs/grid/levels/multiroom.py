"""MultiRoom: a chain of rooms with closed doors; the agent in the first room, the goal in the last.

params: fewest rooms, most rooms, largest side. A chain is grown room by room: up to eight tries for each next room (a
wall other than the entrance, a place in it, a size, a shift), and the whole chain is thrown away when one room finds
no place. A room must stay on the map and off all rooms but its neighbour. MiniGrid's margins are uneven (strict on
one side, not on the other; one spare row below) and are kept.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from envs.grid.levels.placing import EMPTY_CELL, GOAL_CELL, draw_empty, place_agent, wall_rectangle
from envs.grid.symbols import CLOSED, DOOR, SORTED_COLOURS, pack
from envs.rng import randint

_RIGHT, _DOWN, _LEFT, _UP = range(4)
_TRIES = 8
_SMALLEST = 4
_LEFT_EDGE, _TOP_EDGE, _WIDTH, _HEIGHT, _DOOR_X, _DOOR_Y = range(6)


@nb.njit
def _try_room(chain, length, door_x, door_y, entry, largest, map_width, map_height, stream):
    """Draw a room whose wall `entry` has the door at (door_x, door_y); append it where it fits. Returns success."""
    width = randint(stream, _SMALLEST, largest + 1)
    height = randint(stream, _SMALLEST, largest + 1)
    if length == 0:
        x, y = door_x, door_y
    elif entry == _RIGHT:
        x, y = door_x - width + 1, randint(stream, door_y - height + 2, door_y)
    elif entry == _DOWN:
        x, y = randint(stream, door_x - width + 2, door_x), door_y - height + 1
    elif entry == _LEFT:
        x, y = door_x, randint(stream, door_y - height + 2, door_y)
    else:
        x, y = randint(stream, door_x - width + 2, door_x), door_y
    if x < 0 or y < 0 or x + width > map_width or y + height >= map_height:
        return False
    for other in chain[: max(length - 1, 0)]:
        apart_x = x + width < other[_LEFT_EDGE] or other[_LEFT_EDGE] + other[_WIDTH] <= x
        apart_y = y + height < other[_TOP_EDGE] or other[_TOP_EDGE] + other[_HEIGHT] <= y
        if not (apart_x or apart_y):
            return False
    room = chain[length]
    room[_LEFT_EDGE], room[_TOP_EDGE], room[_WIDTH], room[_HEIGHT] = x, y, width, height
    room[_DOOR_X], room[_DOOR_Y] = door_x, door_y
    return True


@nb.njit
def _next_room(chain, length, entry, largest, map_width, map_height, stream):
    """Up to eight tries to append a room after the last one. Returns the new room's entry wall, -1 for none."""
    last = chain[length - 1]
    x, y, width, height = last[_LEFT_EDGE], last[_TOP_EDGE], last[_WIDTH], last[_HEIGHT]
    for _ in range(_TRIES):
        side = randint(stream, 0, 3)
        side += side >= entry  # any wall but the entrance
        if side == _RIGHT:
            door_x, door_y = x + width - 1, y + randint(stream, 1, height - 1)
        elif side == _DOWN:
            door_x, door_y = x + randint(stream, 1, width - 1), y + height - 1
        elif side == _LEFT:
            door_x, door_y = x, y + randint(stream, 1, height - 1)
        else:
            door_x, door_y = x + randint(stream, 1, width - 1), y
        if _try_room(chain, length, door_x, door_y, (side + 2) % 4, largest, map_width, map_height, stream):
            return (side + 2) % 4
    return -1


@nb.njit
def generate_multiroom(params, cells, agent, stream):
    """Draw one level in place; the arguments are those of `envs.grid.levels.dispatch.GENERATORS`."""
    map_width, map_height = cells.shape
    rooms = randint(stream, params[0], params[1] + 1)
    chain = np.empty((rooms, 6), np.int64)
    length = 0
    while length < rooms:
        length = 0
        entry = _LEFT
        x, y = randint(stream, 0, map_width - 2), randint(stream, 0, map_width - 2)
        if _try_room(chain, 0, x, y, entry, params[2], map_width, map_height, stream):
            length = 1
            while length < rooms and entry >= 0:
                entry = _next_room(chain, length, entry, params[2], map_width, map_height, stream)
                length += entry >= 0

    cells[:] = EMPTY_CELL
    agent[:] = 0
    colour = -1  # as a place in SORTED_COLOURS; two doors in a row never share it
    for n in range(rooms):
        room = chain[n]
        wall_rectangle(cells, room[_LEFT_EDGE], room[_TOP_EDGE], room[_WIDTH], room[_HEIGHT])
        if n == 1:
            colour = randint(stream, 0, 6)
        elif n > 1:
            other = randint(stream, 0, 5)
            colour = other + (other >= colour)
        if n > 0:
            cells[room[_DOOR_X], room[_DOOR_Y]] = pack(DOOR, SORTED_COLOURS[colour], CLOSED)
    first, last = chain[0], chain[rooms - 1]
    place_agent(cells, agent, stream, first[_LEFT_EDGE], first[_TOP_EDGE], first[_WIDTH], first[_HEIGHT])
    x, y = draw_empty(cells, agent, stream, last[_LEFT_EDGE], last[_TOP_EDGE], last[_WIDTH], last[_HEIGHT])
    cells[x, y] = GOAL_CELL
