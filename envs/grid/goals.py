"""Goals: what a world has achieved, whether that is what was desired, and what a player reads of a desired goal.

An achieved goal is uint8 [G], G = 4 + W * H:

    0, 1   1 + x, 1 + y
    2      1 + direction, 0 where goals leave the direction out
    3      symbol of the carried object, 0 for none
    4 ...  the map, x-major: symbol of the key, ball, box or door in each cell, 0 elsewhere

Naming of achieved and desired goals as in Gymnasium-Robotics (Plappert et al., 2018, arXiv 1802.09464).
"""

from __future__ import annotations

from collections.abc import Sequence

import numba as nb
import numpy as np

from envs.grid.jit import kernel
from envs.grid.levels.spec import LevelSpec
from envs.grid.state import CARRYING, DIRECTION, GridState, X, Y
from envs.grid.symbols import BALL, BOX, DOOR, KEY, LOOK, NUM_SYMBOLS, SYMBOL

PARTS = ("position", "direction", "carried", "objects")
DEFAULT_PARTS = ("position", "carried", "objects")
POSITION_PART, DIRECTION_PART, CARRIED_PART, OBJECTS_PART = 1, 2, 4, 8
HEAD = 4
"""Where the map begins in a goal."""

OBJECT_SYMBOL = np.zeros(LOOK + 1, np.uint8)
"""uint8 [512]: the low nine bits of a cell to its symbol for keys, balls, boxes and doors, to 0 for the rest."""
for _kind in (DOOR, KEY, BALL, BOX):
    OBJECT_SYMBOL[_kind::16] = SYMBOL[_kind::16]
OBJECT_SYMBOL.flags.writeable = False


def part_bits(parts: Sequence[str]) -> int:
    """Names of parts as one integer. ValueError for an unknown name or none at all."""
    if isinstance(parts, str) or not parts:
        raise ValueError(f"goal parts are {parts!r}, expected a sequence of names from {', '.join(PARTS)}")
    for name in parts:
        if name not in PARTS:
            raise ValueError(f"unknown goal part {name!r}, expected names from {', '.join(PARTS)}")
    return sum(1 << PARTS.index(name) for name in set(parts))


def check_goals(goals: np.ndarray, rows: int, size: int, what: str = "desired") -> None:
    """ValueError unless `goals` is uint8 [rows, size]."""
    if goals.dtype != np.uint8 or goals.shape != (rows, size):
        raise ValueError(f"{what} goals are {goals.dtype} {list(goals.shape)}, expected uint8 [{rows}, {size}]")


def world_ids(state: GridState, ids: np.ndarray | None) -> np.ndarray:
    """int64 [M]: `ids`, or all worlds of `state`. ValueError for ids that name no world."""
    if ids is None:
        return np.arange(len(state.cells))
    ids = np.asarray(ids)
    if ids.ndim != 1 or (ids.size and not np.issubdtype(ids.dtype, np.integer)):
        raise ValueError(f"ids are {ids.dtype} {list(ids.shape)}, expected integers [M]")
    if ids.size and (ids.min() < 0 or ids.max() >= len(state.cells)):
        raise ValueError(f"ids hold {ids.min()}..{ids.max()}, expected 0..{len(state.cells) - 1}")
    return ids.astype(np.int64, copy=False)


def _rows(state: GridState) -> np.ndarray:
    return state.cells.reshape(len(state.cells), -1)


# One thread is enough here (2048 worlds of 8x8 take tens of microseconds), and spares a barrier. Worlds come with
# their cells in one row, [N, W * H], which numba turns into plain loops.


@kernel()
def _achieved(cells, agent, ids, direction, goals):
    for m in range(ids.shape[0]):
        n = ids[m]
        goals[m, 0] = 1 + agent[n, X]
        goals[m, 1] = 1 + agent[n, Y]
        goals[m, 2] = 1 + agent[n, DIRECTION] if direction else 0
        goals[m, 3] = OBJECT_SYMBOL[agent[n, CARRYING] & LOOK]
        for k in range(cells.shape[1]):
            goals[m, HEAD + k] = OBJECT_SYMBOL[cells[n, k] & LOOK]


def achieved_goal(
    state: GridState, direction: bool = False, ids: np.ndarray | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    """What worlds `ids` (int [M], all by default) have achieved: uint8 [M, G], written to `out` where given."""
    ids = world_ids(state, ids)
    size = HEAD + state.cells.shape[1] * state.cells.shape[2]
    if out is None:
        out = np.empty((len(ids), size), np.uint8)
    check_goals(out, len(ids), size, "out")
    _achieved(_rows(state), state.agent, ids, direction, out)
    return out


@nb.njit(inline="always")
def _same_head(x, y, look, carried, desired, m, parts):
    """Whether the first four bytes of `desired[m]` are met, as far as `parts` ask for them."""
    if parts & POSITION_PART and (desired[m, 0] != x or desired[m, 1] != y):
        return False
    if parts & DIRECTION_PART and desired[m, 2] != look:
        return False
    return not (parts & CARRIED_PART and desired[m, 3] != carried)


@kernel()
def _reached(achieved, desired, parts, hits):
    for m in range(achieved.shape[0]):
        hit = _same_head(achieved[m, 0], achieved[m, 1], achieved[m, 2], achieved[m, 3], desired, m, parts)
        if hit and parts & OBJECTS_PART:
            differs = np.uint8(0)
            for k in range(achieved.shape[1] - HEAD):
                differs |= achieved[m, HEAD + k] ^ desired[m, HEAD + k]
            hit = differs == 0
        hits[m] = hit


def reached(achieved: np.ndarray, desired: np.ndarray, parts: Sequence[str] = DEFAULT_PARTS) -> np.ndarray:
    """bool [M]: does goal `achieved[m]` equal `desired[m]` (uint8 [M, G]) in all of `parts`?

    With "direction" among the parts both must have been made with `direction=True`.
    """
    rows, size = np.atleast_2d(desired).shape
    check_goals(achieved, rows, size, "achieved")
    check_goals(desired, rows, size)
    hits = np.empty(len(achieved), np.bool_)
    _reached(achieved, desired, part_bits(parts), hits)
    return hits


@kernel()
def _satisfied(cells, agent, desired, parts, ids, hits):
    for m in range(ids.shape[0]):
        n = ids[m]
        carried = OBJECT_SYMBOL[agent[n, CARRYING] & LOOK]
        hit = _same_head(1 + agent[n, X], 1 + agent[n, Y], 1 + agent[n, DIRECTION], carried, desired, n, parts)
        if hit and parts & OBJECTS_PART:
            differs = np.uint8(0)
            for k in range(cells.shape[1]):
                differs |= OBJECT_SYMBOL[cells[n, k] & LOOK] ^ desired[n, HEAD + k]
            hit = differs == 0
        hits[m] = hit


def satisfied(
    state: GridState, desired: np.ndarray, parts: Sequence[str] = DEFAULT_PARTS, ids: np.ndarray | None = None
) -> np.ndarray:
    """bool [M]: does world `ids[m]` satisfy `desired[ids[m]]` (uint8 [N, G]) in all of `parts`?

    The same as `reached(achieved_goal(state), desired)[ids]` without writing the achieved goals down.
    """
    ids = world_ids(state, ids)
    check_goals(desired, len(state.cells), HEAD + state.cells.shape[1] * state.cells.shape[2])
    hits = np.empty(len(ids), np.bool_)
    _satisfied(_rows(state), state.agent, desired, part_bits(parts), ids, hits)
    return hits


@kernel()
def _write_tokens(cells, agent, longest, interior, desired, parts, ids, out):
    for m in range(ids.shape[0]):
        n = ids[m]
        if desired[n, 0] == 0:
            for k in range(out.shape[1]):
                out[n, k] = 0
            continue
        out[n, 0] = 1
        at = 1
        direction = agent[n, DIRECTION]
        if parts & POSITION_PART:
            dx, dy = np.int64(desired[n, 0]) - 1 - agent[n, X], np.int64(desired[n, 1]) - 1 - agent[n, Y]
            for _ in range(direction):
                dx, dy = dy, -dx  # into the agent's frame, a quarter turn at a time
            out[n, at] = desired[n, 0]
            out[n, at + 1] = desired[n, 1]
            out[n, at + 2] = longest + dx
            out[n, at + 3] = longest + dy
            at += 4
        if parts & DIRECTION_PART:
            out[n, at] = 1 + ((np.int64(desired[n, 2]) - 1 - direction) & 3)
            at += 1
        if parts & CARRIED_PART:
            out[n, at] = desired[n, 3]
            at += 1
        if parts & OBJECTS_PART:
            for k in range(interior.shape[0]):
                wanted = desired[n, HEAD + interior[k]]
                has = OBJECT_SYMBOL[cells[n, interior[k]] & LOOK]
                out[n, at + k] = 0 if has == wanted else 1 + wanted


class GoalTokens:
    """What a goal-conditioned player reads of its goal: a row of uint8 tokens [PG], 0 meaning "nothing here".

    mode       1 where a goal is given, 0 where none is (then all the row is 0): the target task's flag
    position   1 + x, 1 + y, then the goal's place in the agent's own frame: L + steps ahead, L + steps to the
               right (L = max(W, H), so that no offset makes 0)
    direction  1 + quarter turns to the right that are still to make
    carried    symbol of the object to carry, 0 for none
    objects    (W - 2) * (H - 2) tokens, the interior x-major: 0 where the world already has what the goal asks for
               in that cell, else 1 + the desired symbol (1: nothing should lie there). Only differences cost.

    names: the segments in use, in this order.  slices: name to slice of the row.  nvec: int64 [PG], tokens are below.
    """

    def __init__(self, spec: LevelSpec, parts: Sequence[str] = DEFAULT_PARTS) -> None:
        self.part_bits = part_bits(parts)
        longest = max(spec.width, spec.height)
        values = {
            "mode": [2],
            "position": [spec.width + 1, spec.height + 1, 2 * longest, 2 * longest],
            "direction": [5],
            "carried": [NUM_SYMBOLS],
            "objects": [NUM_SYMBOLS + 1] * ((spec.width - 2) * (spec.height - 2)),
        }
        if 2 * longest > 256:
            raise ValueError(f"level {spec.id} is {longest} cells long, goal tokens reach 128")
        self._longest = longest
        inner = np.arange(spec.width * spec.height, dtype=np.uint32).reshape(spec.width, spec.height)[1:-1, 1:-1]
        self._interior = np.ascontiguousarray(inner).reshape(-1)  # unsigned: numba then checks no negative index
        self.goal_size = HEAD + spec.width * spec.height
        self.names = tuple(name for name in values if name == "mode" or name in parts)
        self.slices: dict[str, slice] = {}
        nvec: list[int] = []
        for name in self.names:
            self.slices[name] = slice(len(nvec), len(nvec) + len(values[name]))
            nvec += values[name]
        self.nvec = np.array(nvec, np.int64)

    @property
    def width(self) -> int:
        """PG, tokens a row."""
        return len(self.nvec)

    def write(self, state: GridState, desired: np.ndarray, out: np.ndarray, ids: np.ndarray | None = None) -> None:
        """Write rows `ids` (int [M], all by default) of `out` uint8 [N, PG] for goals `desired` uint8 [N, G].

        A desired goal that is all zero (no real one has x = 0 in its first byte) means "no goal".
        """
        ids = world_ids(state, ids)
        check_goals(desired, len(state.cells), self.goal_size)
        check_goals(out, len(state.cells), self.width, "out")
        _write_tokens(_rows(state), state.agent, self._longest, self._interior, desired, self.part_bits, ids, out)
