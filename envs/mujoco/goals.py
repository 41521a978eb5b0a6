"""Worlds with goals: what is achieved, whether that is what was desired, and a task that asks for it.

Naming of achieved and desired goals as in Gymnasium-Robotics (Plappert et al., 2018, arXiv 1802.09464).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from envs.mujoco.world import Feature, Moment, World
from envs.ruler import STRAIGHT, Ruler

if TYPE_CHECKING:
    from envs.mujoco.draws import Draws
    from envs.mujoco.pictures import Scene

PARTS = ("position", "objects")


class GoalWorld(World):
    """A world whose task is a goal: places in the plane, those of the agent ("position") and of blocks ("objects").

    A goal is float64 [G], x and y of each thing (m), in the order of `places`. What an episode asks for is part of the
    state (MuJoCo's userdata), so that a snapshot holds it; NaN in it means that nothing is asked for: it is never
    reached, and the observation shows 0 in its place.

    goal: the parts that count, in the task as in `reached`; by default the world's own, `task`.
    shown: the parts to which the way is observed; by default those that count.

    ruler: how far goals are.  places: each part's columns of a goal.  tolerance: each part's, metres, in distance.
    """

    succeeds = True
    ruler: ClassVar[Ruler] = STRAIGHT
    task: ClassVar[tuple[str, ...]] = ("position",)
    places: Mapping[str, slice]
    tolerance: Mapping[str, float]

    def __init__(self, goal: Sequence[str] | None = None, shown: Sequence[str] | None = None) -> None:
        self.parts = self.checked_parts(self.task if goal is None else goal)
        self.shown = self.parts if shown is None else self.checked_parts(shown)

    @property
    @abstractmethod
    def walls(self) -> np.ndarray:
        """float64 [R, 4], rectangles (x0, y0, x1, y1) that nothing gets into (m)."""

    def with_tolerance(self, metres: float) -> Self:
        """The same world with this tolerance in all parts; ValueError for one with which anywhere is near enough."""
        low, high = self.walls[:, :2].min(axis=0), self.walls[:, 2:].max(axis=0)
        most = float((high - low).max()) / 4
        if isinstance(metres, bool) or not isinstance(metres, int | float | np.number) or not 0 < metres <= most:
            raise ValueError(f"tolerance is {metres!r}, expected metres above 0, at most {most:g}: a quarter of the "
                             "world")  # fmt: skip
        other = copy(self)
        other.tolerance = dict.fromkeys(self.tolerance, float(metres))
        return other

    @property
    def goal_size(self) -> int:
        """G."""
        return max(columns.stop for columns in self.places.values())

    @abstractmethod
    def achieved(self, qpos: np.ndarray) -> np.ndarray:
        """What is achieved in positions `qpos` float64 [M, nq]: float64 [M, G] (m)."""

    @abstractmethod
    def see(self, now: Moment) -> np.ndarray:
        """float64 [M, D - K], what is observed beside the K numbers of the goal."""

    @abstractmethod
    def draw_places(self, draws: Draws) -> np.ndarray:
        """float64 [M, G]: a goal for each environment of `draws`, at random among all."""

    @abstractmethod
    def scene(self, now: Moment) -> Scene:
        """What is to be seen from above of the one environment in `now`."""

    def reached(self, achieved: np.ndarray, desired: np.ndarray, parts: Sequence[str] | None = None) -> np.ndarray:
        """bool [M]: is everything in `achieved` [M, G] within its tolerance of its place in `desired` [M, G]?

        parts: what counts; None: this world's `parts`.
        """
        if achieved.shape != desired.shape or achieved.shape[1:] != (self.goal_size,):
            raise ValueError(f"goals are {list(achieved.shape)} and {list(desired.shape)}, expected both "
                             f"[M, {self.goal_size}]")  # fmt: skip
        hits = np.ones(len(achieved), bool)
        for part in self.parts if parts is None else self.checked_parts(parts):
            way = (achieved - desired)[:, self.places[part]]
            hits &= (np.hypot(way[:, ::2], way[:, 1::2]) <= self.tolerance[part]).all(axis=1)
        return hits

    def checked_parts(self, parts: Sequence[str]) -> tuple[str, ...]:
        """`parts` in this world's order; ValueError for what it does not have, or none at all."""
        known = ", ".join(self.places)
        if isinstance(parts, str) or not parts:
            raise ValueError(f"goal parts are {parts!r}, expected a sequence of names from {known}")
        for part in parts:
            if part not in self.places:
                raise ValueError(f"unknown goal part {part!r}, {type(self).__name__} has {known}")
        return tuple(part for part in self.places if part in parts)

    def observe(self, now: Moment) -> np.ndarray:
        """What is seen, then the way from what is achieved to what is desired (m), part by part."""
        way = now.goal - self.achieved(now.qpos)
        way[np.isnan(way)] = 0.0
        return np.hstack([self.see(now), *(way[:, self.places[part]] for part in self.shown)])

    def reward(self, before: Moment, action: np.ndarray, after: Moment, dt: float) -> np.ndarray:
        return self.terminated(after).astype(np.float64)

    def terminated(self, now: Moment) -> np.ndarray:
        return self.reached(self.achieved(now.qpos), now.goal)

    def features(self) -> dict[str, Feature]:
        return {
            "goal_distance": Feature("to the goal, straight, of several things the farthest (m)", self._goal_distance)
        }

    def _goal_distance(self, now: Moment) -> np.ndarray:
        way = now.goal - self.achieved(now.qpos)
        parts = [way[:, self.places[part]].reshape(len(way), -1, 2) for part in self.parts]
        return np.linalg.norm(np.concatenate(parts, axis=1), axis=2).max(axis=1)

    def draw_goal(self, qpos: np.ndarray, draws: Draws) -> np.ndarray:
        """Drawn anew where it is reached already: uniform among the others."""
        goal, start = self.draw_places(draws), self.achieved(qpos)
        while (there := self.reached(start, goal)).any():
            goal[there] = self.draw_places(draws.only(there))
        return goal
