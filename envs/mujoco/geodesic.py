"""Shortest ways of a disc among the walls of a maze, exactly.

A disc of radius r goes where its centre keeps a distance of r to all walls. A shortest way is made of straight lines
and arcs of radius r around convex corners of walls, each tangent to the next. Here all bitangents of such arcs that
keep clear of the walls are found once; a question adds the tangents from its two places.

An arc is a corner and a sense, counterclockwise (+1) or clockwise (-1); a line leaves or meets it at a `turn`, the
angle in that sense from the middle of the quarter circle that an arc around this corner can be.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import shortest_path

from envs.mujoco.maze import Maze

_EPSILON = 1e-9  # metres and radians: tangents touch
_BLOCK = 64  # questions at a time


class Geodesic:
    """Distances in `maze` for a disc of `radius` (m), smaller than half a cell."""

    def __init__(self, maze: Maze, radius: float) -> None:
        if not 0 < radius < maze.size / 2:
            raise ValueError(f"geodesic: the radius is {radius} m, expected between 0 and {maze.size / 2}, half a cell")
        self.maze, self.radius = maze, radius
        corners, outward = _convex_corners(maze)
        self._corner = np.repeat(corners, 2, axis=0)  # arcs, [A, 2]
        self._outward = np.repeat(outward, 2, axis=0)
        self._sense = np.tile([1.0, -1.0], len(corners))

        leave, meet = (pairs.ravel() for pairs in np.indices((len(self._sense),) * 2))
        other = leave // 2 != meet // 2
        leave, meet = leave[other], meet[other]
        bent = radius * self._sense
        tail, head, length, normal = _tangents(self._corner[leave], bent[leave], self._corner[meet], bent[meet])
        left, met = self._turn(leave, normal), self._turn(meet, normal)
        good = np.isfinite(left + met)
        good[good] = self._clear(tail[good], head[good])
        self._leave, self._meet, self._left, self._met, self._length = (
            part[good] for part in (leave, meet, left, met, length)
        )
        way = self._met[:, None], self._left[None]
        follows = (self._meet[:, None] == self._leave[None]) & (way[1] >= way[0] - _EPSILON)
        steps = np.where(follows, radius * np.maximum(way[1] - way[0], 0.0) + self._length, np.inf)
        self._between = shortest_path(np.nan_to_num(steps, posinf=0.0)) if len(steps) else steps

    def distances(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """float64 [M]: length of the shortest way from each of `starts` [M, 2] to its of `ends` [M, 2] (m).

        A place nearer to a wall than the radius, as where the ball is pressed to it, counts as the nearest that is not;
        the difference is at most how much nearer it is. Inside of a wall or beyond the rim there is no way: infinite.
        """
        starts, ends = np.asarray(starts, np.float64), np.asarray(ends, np.float64)
        if starts.shape != ends.shape or starts.shape[1:] != (2,):
            raise ValueError(f"geodesic: places are {list(starts.shape)} and {list(ends.shape)}, expected both [M, 2]")
        found = np.full(len(starts), np.inf)
        fits = self._inside(starts) & self._inside(ends)
        for ids in np.split(np.flatnonzero(fits), range(_BLOCK, int(fits.sum()), _BLOCK)):
            found[ids] = self._distances(self._pushed_out(starts[ids]), self._pushed_out(ends[ids]))
        return found

    def _inside(self, places: np.ndarray) -> np.ndarray:
        """bool [M]: is each of `places` [M, 2] in the maze and in no wall?"""
        within = (np.abs(places) < np.array(self.maze.shape) * self.maze.size / 2).all(axis=1)
        return within & (self.maze.clearance(places) > 0)

    def _distances(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        direct = np.where(self._clear(starts, ends), np.hypot(*(ends - starts).T), np.inf)
        arcs = len(self._sense)
        if not arcs or np.isfinite(direct).all():
            return direct
        shape, arc = (len(starts), arcs), np.tile(np.arange(arcs), len(starts))
        corner, bent = self._corner[arc], self.radius * self._sense[arc]
        none = np.zeros(len(arc))
        out = _tangents(np.repeat(starts, arcs, axis=0), none, corner, bent)
        back = _tangents(corner, bent, np.repeat(ends, arcs, axis=0), none)
        (length_out, met), (length_back, left) = (
            tuple(part.reshape(shape) for part in self._reach(arc, *tangents)) for tangents in (out, back)
        )
        best = np.minimum(direct, (length_out + self._arc(met, left) + length_back).min(axis=1))
        if len(self._length):
            first = length_out[:, self._leave] + self._arc(met[:, self._leave], self._left) + self._length
            last = length_back[:, self._meet] + self._arc(self._met, left[:, self._meet])
            for m in range(len(starts)):
                best[m] = min(best[m], ((first[m][:, None] + self._between).min(axis=0) + last[m]).min())
        return best

    def _reach(self, arc, tail, head, length, normal) -> tuple[np.ndarray, np.ndarray]:
        """Of tangents between places and arcs: the length, infinite where a wall is in the way, and the turn."""
        turn = self._turn(arc, normal)
        good = np.isfinite(turn)
        good[good] = self._clear(tail[good], head[good])
        return np.where(good, length, np.inf), np.where(good, turn, 0.0)

    def _arc(self, met: np.ndarray, left: np.ndarray) -> np.ndarray:
        """Length of the way along an arc, infinite where it would lead backwards."""
        return np.where(left >= met - _EPSILON, self.radius * np.maximum(left - met, 0.0), np.inf)

    def _turn(self, arc: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """The turn at which lines with `normal` [M, 2] touch arcs `arc` [M]; NaN beyond their quarter circles."""
        middle, normal = self._outward[arc], self._sense[arc, None] * normal
        across = middle[:, 0] * normal[:, 1] - middle[:, 1] * normal[:, 0]
        turn = self._sense[arc] * np.arctan2(across, (middle * normal).sum(axis=1))
        return np.where(np.abs(turn) <= np.pi / 4 + _EPSILON, turn, np.nan)

    def _clear(self, tail: np.ndarray, head: np.ndarray) -> np.ndarray:
        """bool [M]: does the disc get along the lines from `tail` to `head` [M, 2]?"""
        return _line_clearance(tail, head, self.maze.walls) >= self.radius - _EPSILON

    def _pushed_out(self, places: np.ndarray) -> np.ndarray:
        places = places.copy()
        for _ in range(2):  # twice: a concave corner has two walls
            for x0, y0, x1, y1 in self.maze.walls:
                way = places - np.clip(places, (x0, y0), (x1, y1))
                distance = np.maximum(np.hypot(*way.T), 1e-12)
                close = distance < self.radius
                places[close] += (way * (self.radius / distance - 1)[:, None])[close]
        return places


def _convex_corners(maze: Maze) -> tuple[np.ndarray, np.ndarray]:
    """Where one of the four cells around is a wall: places [C, 2] (m), unit vectors away from the wall [C, 2]."""
    places, outward = [], []
    for i in range(1, maze.shape[0]):
        for j in range(1, maze.shape[1]):
            walls = np.argwhere(~maze.free[i - 1 : i + 1, j - 1 : j + 1])
            if len(walls) == 1:
                places.append([i, j])
                outward.append(1 - 2 * walls[0])
    cells = np.array(places, np.float64).reshape(-1, 2)
    return maze.corners(cells), np.array(outward, np.float64).reshape(-1, 2) / np.sqrt(2)


def _tangents(
    centre: np.ndarray, bent: np.ndarray, other: np.ndarray, other_bent: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The lines that leave one circle and meet another, running with both; centres [M, 2].

    bent: radius times sense [M], 0 for a point. Returns both ends [M, 2], length [M], and the unit vector [M, 2] to the
    right of the line, away from a circle with bent > 0. Where circles overlap there is none: the length is 0.

    A line along d leaves the circle at centre - bent d', d' being d turned left; so with D from centre to centre
    D = length d + (other_bent - bent) d'.
    """
    span, lean = other - centre, other_bent - bent
    square = np.maximum((span**2).sum(axis=1), 1e-300)
    length = np.sqrt(np.maximum(square - lean**2, 0.0))
    left = np.stack([-span[:, 1], span[:, 0]], axis=1)
    along = (length[:, None] * span - lean[:, None] * left) / square[:, None]
    normal = np.stack([along[:, 1], -along[:, 0]], axis=1)
    return centre + bent[:, None] * normal, other + other_bent[:, None] * normal, length, normal


def _line_clearance(tail: np.ndarray, head: np.ndarray, walls: np.ndarray) -> np.ndarray:
    """float64 [M]: distance of the lines from `tail` to `head` [M, 2] to the nearest of the rectangles [R, 4]."""
    nearest = np.full(len(tail), np.inf)
    way = head - tail
    square = np.maximum((way**2).sum(axis=1), 1e-300)
    for wall in walls:
        low, high = wall[:2], wall[2:]
        for end in (tail, head):
            nearest = np.minimum(nearest, np.hypot(*(end - np.clip(end, low, high)).T))
        for corner in ((wall[0], wall[1]), (wall[0], wall[3]), (wall[2], wall[1]), (wall[2], wall[3])):
            share = np.clip(((corner - tail) * way).sum(axis=1) / square, 0.0, 1.0)
            nearest = np.minimum(nearest, np.hypot(*(tail + share[:, None] * way - corner).T))
        with np.errstate(divide="ignore", invalid="ignore"):  # a line along an axis
            enter, leave = (low - tail) / way, (high - tail) / way
        first = np.where(way == 0, np.where((tail >= low) & (tail <= high), -np.inf, np.inf), np.minimum(enter, leave))
        last = np.where(way == 0, np.inf, np.maximum(enter, leave))
        through = np.maximum(first.max(axis=1), 0.0) <= np.minimum(last.min(axis=1), 1.0)
        nearest[through] = 0.0
    return nearest
