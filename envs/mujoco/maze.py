"""Mazes of square cells: where the walls are, which cell a place is in, and places at random."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from envs.mujoco.draws import Draws

LAYOUTS = {
    "Open": ("#######", "#.....#", "#.....#", "#.....#", "#.....#", "#.....#", "#######"),
    "U": ("#####", "#...#", "###.#", "#...#", "#####"),
    "Medium": ("########", "#......#", "#.##.#.#", "#.#..#.#", "#.#.##.#", "#...#..#", "#.#...##", "########"),
    "Large": (
        "############",
        "#....#.....#",
        "#.##.#.###.#",
        "#.#....#...#",
        "#.#.####.#.#",
        "#...#....#.#",
        "###.#.####.#",
        "#...#......#",
        "############",
    ),
    "Corridor": ("#" * 27, "#" + "." * 25 + "#", "#" * 27),
}
"""Mazes by name, "#" a wall. The last line has the smallest y: as on a map, x grows to the right and y upwards."""


class Maze:
    """A maze around the origin.

    layout: its lines, see `LAYOUTS`; walled all around, all free cells connected.  size: edge of a cell (m).
    free: bool [W, H], whether cell (i, j) is free; i grows with x, j with y.
    """

    def __init__(self, layout: tuple[str, ...], size: float) -> None:
        if len({len(line) for line in layout}) != 1 or set("".join(layout)) - set("#."):
            raise ValueError(f"maze: the layout is {layout!r}, expected lines of '#' and '.', all of one length")
        self.size = size
        self.free = np.array([list(line) for line in reversed(layout)]).T == "."
        self.shape: tuple[int, int] = self.free.shape  # type: ignore[assignment]
        rim = np.ones(self.shape, bool)
        rim[1:-1, 1:-1] = False
        if self.free[rim].any() or not self.free.any() or not self._connected():
            raise ValueError(f"maze: {layout!r} has a gap in its rim or free cells that are not connected")

    @cached_property
    def free_cells(self) -> np.ndarray:
        """int64 [F, 2], all free cells: each can be reached from each."""
        return np.argwhere(self.free)

    @cached_property
    def walls(self) -> np.ndarray:
        """float64 [R, 4], rectangles (x0, y0, x1, y1) that make up all walls (m), as few as a greedy choice finds."""
        left, found = ~self.free, []
        for i, j in np.ndindex(self.shape):
            if not left[i, j]:
                continue
            width = height = 1
            while i + width < self.shape[0] and left[i + width, j]:
                width += 1
            while j + height < self.shape[1] and left[i : i + width, j + height].all():
                height += 1
            left[i : i + width, j : j + height] = False
            found.append([i, j, i + width, j + height])
        return self.corners(np.array(found).reshape(-1, 2)).reshape(-1, 4)

    def corners(self, cells: np.ndarray) -> np.ndarray:
        """float64 [M, 2]: the corners of smallest x and y of `cells` int [M, 2] (m)."""
        return (cells - np.array(self.shape) / 2) * self.size

    def centres(self, cells: np.ndarray) -> np.ndarray:
        """float64 [M, 2]: the centres of `cells` int [M, 2] (m)."""
        return self.corners(cells) + self.size / 2

    def cells(self, places: np.ndarray) -> np.ndarray:
        """int64 [M, 2]: the cells that `places` float [M, 2] (m) are in, or nearest to."""
        cells = np.floor(places / self.size + np.array(self.shape) / 2).astype(np.int64)
        return np.clip(cells, 0, np.array(self.shape) - 1)

    def clearance(self, places: np.ndarray) -> np.ndarray:
        """float64 [M]: from `places` [M, 2] to the nearest wall (m), 0 inside of one."""
        x, y = places[:, :1], places[:, 1:]
        x0, y0, x1, y1 = self.walls.T
        return np.hypot(np.maximum(np.maximum(x0 - x, x - x1), 0), np.maximum(np.maximum(y0 - y, y - y1), 0)).min(
            axis=1
        )

    def open_between(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """bool [M]: does the straight line from each of `starts` [M, 2] to its of `ends` [M, 2] (m) enter no wall?"""
        way = ends - starts
        low, high = self.walls[:, :2], self.walls[:, 2:]  # of each wall, [R, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            one = (low - starts[:, None]) / way[:, None]  # [M, R, 2]: shares of the way where its edges are crossed
            other = (high - starts[:, None]) / way[:, None]
        still = (way == 0)[:, None] & (starts[:, None] > low) & (starts[:, None] < high)
        first = np.where(still, -np.inf, np.fmin(one, other)).max(axis=2)
        last = np.where(still, np.inf, np.fmax(one, other)).min(axis=2)
        return ~((np.maximum(first, 0) < np.minimum(last, 1)).any(axis=1))

    def draw(self, draws: Draws, room: float) -> np.ndarray:
        """float64 [M, 2]: a free cell each, uniform, and a place in it at least `room` from its edges, uniform (m)."""
        cell, x, y = draws.uniform(0.0, 1.0, 3).T
        offsets = (np.stack([x, y], axis=1) - 0.5) * (self.size - 2 * room)
        return self.centres(self.free_cells[(cell * len(self.free_cells)).astype(int)]) + offsets

    def draw_clear(self, draws: Draws, clearance: float) -> np.ndarray:
        """float64 [M, 2]: places at least `clearance` from all walls, uniform (m)."""
        found = self.draw(draws, 0.0)
        while (close := self.clearance(found) < clearance).any():
            found[close] = self.draw(draws.only(close), 0.0)
        return found

    def _connected(self) -> bool:
        seen = np.zeros(self.shape, bool)
        seen[tuple(np.argwhere(self.free)[0])] = True
        while True:
            grown = seen.copy()
            grown[1:] |= seen[:-1]
            grown[:-1] |= seen[1:]
            grown[:, 1:] |= seen[:, :-1]
            grown[:, :-1] |= seen[:, 1:]
            grown &= self.free
            if (grown == seen).all():
                return bool((seen == self.free).all())
            seen = grown
