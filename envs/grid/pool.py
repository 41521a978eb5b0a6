"""Levels that minigrid draws, from which the engine resets.

Some levels have no generator here. minigrid draws them, in other processes and ahead of time, and every reset takes
one of a pool, uniformly, by the world's own random stream.

The levels are an endless sequence L_0, L_1, … that depends on the pool's seed alone: level k is what minigrid draws
from a seed made of (pool seed, k), whoever draws it and however long it takes. Let D be the number of resets so far,
in all worlds together, P the pool's size and R its refresh. The pool then holds the newest P of L_0 … L_{F-1+D//R}:
it begins with F levels, every R resets bring one more, and once there are P the oldest leaves. D moves
between launches of the engine, so all resets of one launch see the same pool. A level that is due but not drawn yet
is waited for. So seeded runs are equal bit for bit with any number of threads and workers.

By default F = 16, R = 1024 and P = 512. Fewer than 16 worlds get F = R = their number, and a single world P = 1 as
well, which is a fresh level at every reset, as in minigrid.
"""

from __future__ import annotations

import os

import numpy as np

from envs.grid.drawers import Drawers, default_workers, drawers
from envs.grid.levels.spec import LevelSpec
from envs.grid.orders import Order, spec_text
from envs.grid.state import AGENT_FIELDS
from envs.grid.wfc import own_drawing, warn_of_drawings

FIRST, REFRESH, SIZE = 16, 1024, 512
"""F, R and P by default: levels at the beginning, resets that bring one more, most levels."""
_LARGEST = 4096
_AHEAD = 8  # levels drawn before they are due


class LevelPool:
    """The pool of one engine.

    spec: a level with a minigrid_id; minigrid needs to be able to draw it.  size: P.  refresh: R, in resets.
    first: F; more than P counts as P.  seed: of the sequence; None: from the operating system's entropy, at the first
    use.  workers: processes that draw, by default one a core, at most four.

    Nothing is drawn by the constructor. ValueError: a number out of range, or packages that minigrid needs are missing.
    """

    def __init__(
        self,
        spec: LevelSpec,
        size: int = SIZE,
        refresh: int = REFRESH,
        first: int = FIRST,
        seed: int | None = None,
        workers: int | None = None,
    ) -> None:
        self.workers = default_workers() if workers is None else workers
        limits = (("pool_size", size, _LARGEST), ("pool_refresh", refresh, 2**31 - 1), ("first", first, _LARGEST))
        for name, value, most in (*limits, ("workers", self.workers, 256)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= most:
                raise ValueError(f"{name} is {value!r}, expected an integer from 1 to {most}")
        if spec.minigrid_id is None:
            raise ValueError(f"level {spec.id} has no minigrid_id: minigrid cannot draw it")
        preset = own_drawing(spec.minigrid_id)
        if preset is not None:
            warn_of_drawings(preset)
        self.spec, self.size, self.refresh = spec, int(size), int(refresh)
        self.first, self.seed, self.resets = min(int(first), self.size), seed, 0
        self._text = spec_text(spec)
        self._crew: Drawers | None = None
        self._rows: dict[int, int] = {}  # row: the number of the level in it
        self._complete = self._prepared = 0  # held up to here, drawn ahead up to here
        self._cells = np.zeros((0, spec.width, spec.height), np.uint16)
        self._agent = np.zeros((0, AGENT_FIELDS), np.int32)

    @property
    def window(self) -> tuple[int, int]:
        """(first, stop): the pool holds L_first … L_{stop-1} now."""
        stop = self.first + self.resets // self.refresh
        return max(0, stop - self.size), stop

    def restart(self, seed: int) -> None:
        """Begin with the sequence of `seed`, at its beginning."""
        self.seed, self.resets = int(seed) & 0xFFFFFFFFFFFFFFFF, 0
        self._rows.clear()
        self._complete = self._prepared = 0

    def count(self, resets: int) -> None:
        """So many worlds were reset."""
        self.resets += int(resets)

    def levels(self) -> tuple[np.ndarray, np.ndarray]:
        """What the pool holds now, views: cells uint16 [M, W, H] and agent int32 [M, A], M up to P.

        Level k is in row k % P. Waits for levels that are due. LevelDrawingError: they cannot be drawn.
        """
        if self.seed is None:
            self.restart(int(np.random.SeedSequence().generate_state(1, np.uint64)[0]))
        first, stop = self.window
        if self._complete != stop:
            due = [k for k in range(first, stop) if self._rows.get(k % self.size) != k]
            self._make_room(stop)
            for k, drawn in zip(due, self._drawers().levels([self._order(k) for k in due]), strict=True):
                self._put(k, drawn)
            self._complete = stop
        if self._prepared < stop + _AHEAD and self._drawers().prepare(
            self._order(k) for k in range(stop, stop + _AHEAD)
        ):
            self._prepared = stop + _AHEAD
        held = stop - first
        return self._cells[:held], self._agent[:held]

    def arrays(self) -> dict[str, np.ndarray]:
        """What `load` takes: seed and resets, uint64 [2] (none before a seed is known), and the levels it holds."""
        position = np.array([] if self.seed is None else [self.seed, self.resets], np.uint64)
        first, stop = self.window
        whole = all(self._rows.get(k % self.size) == k for k in range(first, stop))
        held = stop - first if whole else 0
        return {"pool": position, "pool_cells": self._cells[:held].copy(), "pool_agent": self._agent[:held].copy()}

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Go on from `arrays`; what they lack is drawn again. ValueError: levels of another size."""
        position = np.asarray(arrays["pool"])
        if len(position) == 0:
            return
        cells, agent = np.asarray(arrays["pool_cells"]), np.asarray(arrays["pool_agent"])
        if cells.shape[1:] != self._cells.shape[1:] or agent.shape[1:] != self._agent.shape[1:]:
            raise ValueError(f"pool holds levels of {cells.shape[1:]}, this one of {self._cells.shape[1:]}")
        self.restart(int(position[0]))
        self.resets = int(position[1])
        first, stop = self.window
        if len(cells) == stop - first:
            self._make_room(stop)
            self._cells[: len(cells)], self._agent[: len(cells)] = cells, agent
            self._rows = {k % self.size: k for k in range(first, stop)}

    def close(self) -> None:
        """Let go of the workers; they end with the last pool that needs them."""
        self._crew = None

    def _order(self, k: int) -> Order:
        assert self.seed is not None
        return self._text, self.seed, k

    def _drawers(self) -> Drawers:
        if self._crew is None or self._crew.owner != os.getpid():
            self._crew = drawers(self.workers)
        return self._crew

    def _make_room(self, stop: int) -> None:
        """Arrays of at least as many rows as there are levels; doubled, so that a small pool stays small."""
        rows = len(self._cells)
        if rows < min(stop, self.size):
            more = min(self.size, max(stop, 2 * rows)) - rows
            self._cells = np.concatenate([self._cells, np.zeros((more, *self._cells.shape[1:]), np.uint16)])
            self._agent = np.concatenate([self._agent, np.zeros((more, AGENT_FIELDS), np.int32)])

    def _put(self, k: int, drawn: bytes) -> None:
        row, split = k % self.size, self._cells[0].nbytes
        self._cells[row] = np.frombuffer(drawn[:split], np.uint16).reshape(self._cells.shape[1:])
        self._agent[row] = np.frombuffer(drawn[split:], np.int32)
        self._rows[row] = k


def make_pool(spec: LevelSpec, num_envs: int, size: int | None = None, refresh: int | None = None) -> LevelPool:
    """The pool of an engine of `num_envs` worlds, with the defaults above for what is None."""
    few = min(num_envs, FIRST)
    usual_size = 1 if num_envs == 1 else SIZE
    usual_refresh = REFRESH if num_envs >= FIRST else few
    return LevelPool(
        spec, usual_size if size is None else size, usual_refresh if refresh is None else refresh, first=few
    )
