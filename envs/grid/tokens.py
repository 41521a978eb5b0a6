"""Observations as rows of bytes, made of segments: MiniGrid's images, and the tokens that learners read.

A token row is uint8 [P], one token a place. Token 0 means "nothing here", and an encoder may skip it. The layout of a
row is a plan, int64 [S, 2]: segment code and offset, which `write_row` follows for one world.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba as nb
import numpy as np
from gymnasium import spaces

from envs.grid.jit import borrowing
from envs.grid.kernel import LOOKS, look_around
from envs.grid.levels.spec import LevelSpec
from envs.grid.state import CARRYING, DIRECTION, MISSION, MISSION_FIELDS, X, Y
from envs.grid.symbols import AGENT, EMPTY, LOOK, NUM_SYMBOLS

SEGMENTS = ("view", "full", "position", "direction", "carried", "mission")
DEFAULT_SEGMENTS = ("view", "direction", "mission")
LARGEST_VIEW = 61  # a row of the view is one 64-bit mask

# The last two are no learners' segments but MiniGrid's images.
_VIEW, _FULL, _POSITION, _DIRECTION, _CARRIED, _MISSION, _IMAGE, _FULL_IMAGE = range(8)
_SYMBOL_BITS = NUM_SYMBOLS - 1


def check_view_size(view_size: int) -> int:
    """`view_size` if it is an odd number from 3 to 61, else ValueError."""
    if isinstance(view_size, bool) or not isinstance(view_size, int | np.integer):
        raise ValueError(f"view_size is {view_size!r}, expected an odd integer")
    if view_size % 2 == 0 or not 3 <= view_size <= LARGEST_VIEW:
        raise ValueError(f"view_size is {view_size}, expected an odd number from 3 to {LARGEST_VIEW}")
    return int(view_size)


class RowLayout:
    """How a world becomes a row of bytes.

    width: P, bytes a row.  plan: int64 [S, 2], segment codes and offsets.  view_size: cells along the view's edge.
    """

    def __init__(self, plan: Sequence[tuple[int, int]], width: int, view_size: int) -> None:
        self.plan = np.array(plan, np.int64).reshape(-1, 2)
        self.width = width
        self.view_size = view_size


def token_space(nvec: np.ndarray) -> spaces.MultiDiscrete[Any]:
    """The space of token rows uint8 [P] with tokens below nvec int64 [P].

    Gymnasium keeps nvec in the dtype of the rows, where 256 becomes 0 and sums overflow (stable-baselines3 adds them
    up): it is put back as int64.
    """
    space = spaces.MultiDiscrete(np.minimum(nvec, 255), dtype=np.uint8)
    space.nvec = np.array(nvec, np.int64)
    return space


def image_layout(view_size: int = 7) -> RowLayout:
    """Rows are MiniGrid's `image`, uint8 [V, V, 3] flattened."""
    size = check_view_size(view_size)
    return RowLayout([(_IMAGE, 0)], size * size * 3, size)


def full_image_layout(spec: LevelSpec) -> RowLayout:
    """Rows are the `image` of MiniGrid's FullyObsWrapper, uint8 [W, H, 3] flattened."""
    return RowLayout([(_FULL_IMAGE, 0)], spec.width * spec.height * 3, 7)


def both_images_layout(spec: LevelSpec, view_size: int = 7) -> RowLayout:
    """Rows are the view, uint8 [V, V, 3], and behind it the full image, uint8 [W, H, 3], each flattened."""
    size = check_view_size(view_size)
    view, full = size * size * 3, spec.width * spec.height * 3
    return RowLayout([(_IMAGE, 0), (_FULL_IMAGE, view)], view + full, size)


class TokenLayout(RowLayout):
    """The learners' observation of a level.

    Segments stand in this order when asked for (W, H: the level's size, V: the view's):

    view       V * V tokens: the symbols of the agent's view, ordered as MiniGrid's image; 0 where unseen
    full       (W - 2) * (H - 2) tokens: the symbols of the interior, x-major, 0 for an empty cell; the agent not drawn
    position   1 + x, 1 + y
    direction  1 + direction
    carried    the symbol of the carried object, 0 for none
    mission    1 + code, for as many codes as the level's mission has

    names: the segments in order.  slices: name to slice of the row.  nvec: int64 [P], tokens are below nvec.
    """

    def __init__(self, spec: LevelSpec, segments: Sequence[str] = DEFAULT_SEGMENTS, view_size: int = 7) -> None:
        size = check_view_size(view_size)
        if isinstance(segments, str) or not segments:
            raise ValueError(f"segments is {segments!r}, expected a sequence of names from {', '.join(SEGMENTS)}")
        unknown = [name for name in segments if name not in SEGMENTS]
        if unknown:
            raise ValueError(f"segments names {unknown[0]!r}, expected names from {', '.join(SEGMENTS)}")
        values = {
            "view": [NUM_SYMBOLS] * size**2,
            "full": [NUM_SYMBOLS] * ((spec.width - 2) * (spec.height - 2)),
            "position": [spec.width + 1, spec.height + 1],
            "direction": [5],
            "carried": [NUM_SYMBOLS],
            "mission": [1 + count for count in spec.mission.nvec],
        }
        self.names = tuple(name for name in SEGMENTS if name in segments)
        self.slices: dict[str, slice] = {}
        nvec: list[int] = []
        for name in self.names:
            self.slices[name] = slice(len(nvec), len(nvec) + len(values[name]))
            nvec += values[name]
        if max(nvec, default=0) > 256:
            raise ValueError(f"level {spec.id} needs {max(nvec)} values in one token, a byte holds 256")
        self.nvec = np.array(nvec, np.int64)
        plan = [(SEGMENTS.index(name), self.slices[name].start) for name in self.names]
        super().__init__(plan, len(nvec), size)


@nb.njit(inline="always")
def _write_triple(look, row, at):
    """MiniGrid's (object, colour, state) of `look` into three bytes of `row`."""
    row[at] = look & 15
    row[at + 1] = (look >> 4) & 7
    row[at + 2] = look >> 7


@borrowing
def write_row(cells, agent, plan, size, see_through, looks, row):
    """Write one world's row (uint8 [P]) by `plan`. looks: uint16 [size * size], scratch."""
    width, height = cells.shape
    for s in range(plan.shape[0]):
        segment = plan[s, 0]
        part = row[plan[s, 1] :]  # a slice, so that indices are seen not to be negative and loops become vector code
        if segment == _VIEW:
            look_around(cells, agent, size, see_through, looks)
            for k in range(looks.shape[0]):
                part[k] = LOOKS[looks[k]] & _SYMBOL_BITS
        elif segment == _IMAGE:
            look_around(cells, agent, size, see_through, looks)
            for k in range(looks.shape[0]):
                _write_triple(np.uint32(looks[k]), part, 3 * k)
        elif segment == _FULL_IMAGE:
            for x in range(width):
                for y in range(height):
                    _write_triple(np.uint32(cells[x, y] & LOOK), part, 3 * (x * height + y))
            here = np.uint32(AGENT | np.int64(agent[DIRECTION]) << 7)
            _write_triple(here, part, 3 * (agent[X] * height + agent[Y]))
        elif segment == _FULL:
            for x in range(width - 2):
                for y in range(height - 2):
                    look = cells[x + 1, y + 1] & LOOK
                    part[x * (height - 2) + y] = LOOKS[look] & _SYMBOL_BITS if look != EMPTY else 0
        elif segment == _POSITION:
            part[0] = 1 + agent[X]
            part[1] = 1 + agent[Y]
        elif segment == _DIRECTION:
            part[0] = 1 + agent[DIRECTION]
        elif segment == _CARRIED:
            part[0] = LOOKS[agent[CARRYING] & LOOK] & _SYMBOL_BITS
        elif segment == _MISSION:  # the last segment: it takes what is left of the row
            for k in range(min(part.shape[0], MISSION_FIELDS)):
                part[k] = 1 + agent[MISSION + k]
