"""MuJoCo worlds as the game between Alice and Bob sees them: batches that can be copied, put back and given goals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from gymnasium import spaces

from envs.mujoco.draws import Draws
from envs.mujoco.engine import MujocoEngine
from envs.mujoco.goals import GoalWorld
from envs.mujoco.maze_world import MazeWorld
from envs.mujoco.state import MujocoState
from envs.mujoco.unstable import Losses, step_or_cut

_TABLE_CELL, _TABLE_CELLS = 0.25, 12  # metres of a cell of the plane where there is no maze, and how many across
_REACHED_CELLS = 8  # across, of these, where blocks can be: they stay within 1 m of the middle


class MujocoField:
    """N worlds with goals. What its methods take and give is written at `selfplay.game.field.CurriculumField`.

    Actions are float32 [N, A]. Distances are metres, float64: in a maze the exact shortest way of the agent's disc,
    elsewhere how far what is farthest from its place is from it, straight (`ruler`).
    Observations are float32 [N, P]: what the world shows, with the way to the goal that is meant, or without one to
    that of the world's own task; 0 for a part that is not asked for. Achieved goals are float64 [N, G].

    world: its `parts` are those of its task, and `shown` all that are ever asked for.  parts: what of a goal must be
    matched; None: what the task asks for.  flag: whether the last number of an observation tells which it is, 1 where a
    goal was given, 0 for the task. For players who meet both: who never saw the 0 would not know what to do with it.
    threads: of MuJoCo's pool; None: as many as numba uses.
    """

    y_up = True

    def __init__(
        self,
        world: GoalWorld,
        num_envs: int,
        seed: int,
        threads: int | None = None,
        parts: Sequence[str] | None = None,
        flag: bool = True,
    ) -> None:
        self.parts = world.parts if parts is None else world.checked_parts(parts)
        if missing := sorted({*self.parts, *world.parts} - set(world.shown)):
            raise ValueError(f"goals ask for {missing[0]!r}, the world shows only {', '.join(world.shown)}")
        self.engine = MujocoEngine(world, num_envs, threads)
        self.world, self.num_envs = world, self.engine.num_envs
        self.engine.seed(seed, np.arange(self.num_envs))
        low, high = self.engine.model.actuator_ctrlrange.T.astype(np.float32)
        self.action_space = spaces.Box(low, high, dtype=np.float32)
        self._flag = flag
        width = world.observe(self.engine.moment(ids=[0])).shape[1] + flag
        self.observation_space = spaces.Box(-np.inf, np.inf, (width,), np.float32)
        self.max_steps = world.max_steps
        self.pixels: dict[str, np.ndarray] = {}
        maze = world.maze if isinstance(world, MazeWorld) else None
        self.ruler, self.tolerance = world.ruler, min(world.tolerance[part] for part in self.parts)
        self.shape: tuple[int, int] = maze.shape if maze else (_TABLE_CELLS, _TABLE_CELLS)
        self.wall_cells = ~maze.free if maze else None
        across = _REACHED_CELLS if self.parts[-1] == "objects" else _TABLE_CELLS
        self._margin = (_TABLE_CELLS - across) // 2
        self.cells = len(maze.free_cells) if maze else across**2
        self._nobody, self._losses = np.zeros(self.num_envs, bool), Losses()

    def generate(self, ids: np.ndarray) -> None:
        """Begin episodes in worlds `ids` (int [M], sorted)."""
        self.engine.begin(ids)

    def snapshot(self) -> MujocoState:
        """A copy of all worlds, random streams included."""
        return self.engine.state.take(slice(None))

    def restore(self, state: MujocoState, ids: np.ndarray) -> None:
        """Put worlds `ids` back to what they were in `state`."""
        self.engine.state.put(ids, state.take(ids))

    def achieved(self) -> np.ndarray:
        """What is achieved now, float64 [N, G] (m)."""
        return self.world.achieved(self.engine.moment().qpos).copy()

    def reached(self, desired: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """bool [M]: whether worlds `ids` are within their tolerance of their rows of `desired` [N, G] in `parts`."""
        return self.world.reached(self.world.achieved(self.engine.moment(ids=ids).qpos), desired[ids], self.parts)

    def observe(self, desired: np.ndarray | None, out: np.ndarray, ids: np.ndarray) -> None:
        """Write rows `ids` of `out` float32 [N, P]."""
        now = self.engine.moment(ids=ids)
        goal, parts = (now.goal, self.world.parts) if desired is None else (desired[ids], self.parts)
        seen = self.world.observe(replace(now, goal=self._only(goal, parts)))
        out[ids, : seen.shape[1]] = seen
        if self._flag:
            out[ids, -1] = desired is not None

    def step(
        self, action: np.ndarray, ids: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Step worlds `ids` (sorted) with action float [N, A]: reward, terminated, truncated, dead, lost, [N] each.

        Nobody ever dies here. Where the physics blew up a world is lost: it stays as it was before the step, which pays
        nothing and ends nothing (`UnstablePhysicsWarning` the first time); the others get the bits that they had got
        without it.
        """
        state, lost, why = step_or_cut(self.engine, action, self._nobody, ids)
        if why is not None:
            self._losses.report(lost, why)
        before, now = self.engine.moment(state), self.engine.moment()
        reward = np.where(lost, 0.0, self.world.reward(before, action, now, self.engine.dt))
        truncated = self.engine.state.steps >= self.max_steps
        return reward, self.world.terminated(now) & ~lost, truncated, self._nobody.copy(), lost

    def difficulty(self, state: MujocoState, desired: np.ndarray, ids: np.ndarray, parts: Sequence[str]) -> np.ndarray:
        """Metres from worlds `ids` of snapshot `state` to `desired` [N, G] in `parts`: float64 [M]; -1: no way.

        To the goal itself, whatever the tolerance.
        """
        return self._distances(self.world.achieved(self.engine.moment(state, ids).qpos), desired[ids], parts)

    def sample_goals(self, rng: np.random.Generator, parts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """One goal a world, never reached already: ([N, G], metres float64 [N]).

        In a maze uniform over all places at least the world's `room` from the walls; elsewhere as the task draws its
        own.
        """
        parts = self.world.checked_parts(parts)
        draws = Draws(rng.integers(0, 2**64, (self.num_envs, 2), np.uint64), np.arange(self.num_envs))
        start, desired = self.achieved(), self._anywhere(draws)
        while (there := self.world.reached(start, desired, parts)).any():
            desired[there] = self._anywhere(draws.only(there))
        return desired, self._distances(start, desired, parts)

    def _anywhere(self, draws: Draws) -> np.ndarray:
        """float64 [M, G]: a goal for each environment of `draws`."""
        if isinstance(self.world, MazeWorld):
            return self.world.maze.draw_clear(draws, self.world.room)
        return self.world.draw_places(draws)

    def _distances(self, start: np.ndarray, desired: np.ndarray, parts: Sequence[str]) -> np.ndarray:
        """Metres from each of `start` [M, G] to its of `desired` [M, G]: float64 [M], -1: no way."""
        parts = self.world.checked_parts(parts)
        if isinstance(self.world, MazeWorld):
            way = self.world.geodesic.distances(start, desired)
            return np.where(np.isfinite(way), way, -1.0)
        ways = np.hstack([(desired - start)[:, self.world.places[part]] for part in parts])
        return np.hypot(ways[:, ::2], ways[:, 1::2]).max(axis=1)

    def _only(self, goal: np.ndarray, parts: Sequence[str]) -> np.ndarray:
        """`goal` [M, G] with NaN in all other parts than `parts`: nothing is asked for there."""
        only = np.full_like(goal, np.nan)
        for part in parts:
            only[:, self.world.places[part]] = goal[:, self.world.places[part]]
        return only

    def describe(self, goal: np.ndarray) -> dict:
        """One achieved goal float64 [G]: places in metres, to the millimetre."""
        return {
            part: np.round(goal[columns].reshape(-1, 2), 3).tolist() if part == "objects" else
            np.round(goal[columns], 3).tolist()
            for part, columns in self.world.places.items()
        }  # fmt: skip

    def goal_cells(self, achieved: np.ndarray) -> np.ndarray:
        """Where goals float64 [M, G] lie on the plane, by the first of what must match: int64 [M, 2].

        In cells of the maze, elsewhere of .25 m, of those the nearest in which it can lie: the stops of blocks give way
        by some millimetres.
        """
        places = self._first_places(achieved)
        if isinstance(self.world, MazeWorld):
            return self.world.maze.cells(places)
        cells = np.floor(places / _TABLE_CELL).astype(np.int64) + np.array(self.shape) // 2
        return np.clip(cells, self._margin, np.array(self.shape) - 1 - self._margin)

    @property
    def step_seconds(self) -> float:
        """Simulated time of a step."""
        return self.engine.dt

    def place(self, index: int) -> np.ndarray:
        """Where the agent of world `index` is, float64 [2] (m)."""
        achieved = self.world.achieved(self.engine.moment(ids=[index]).qpos)
        return achieved[0, self.world.places["position"]].copy()

    def frame(self, index: int, desired: np.ndarray | None = None, trail: np.ndarray | None = None) -> np.ndarray:
        """One world from above, uint8 [H, W, 3], with `desired` [G] as rings, None: no goal, and `trail` [K, 2] (m)."""
        from envs.mujoco.pictures import draw  # brings in Pillow

        now = self.engine.moment(ids=[index])
        asked = np.full_like(now.goal, np.nan) if desired is None else np.asarray(desired, np.float64)[None]
        goal = self._only(asked, self.parts)
        return draw(self.world.scene(replace(now, goal=goal)), trail)

    def goal_picture(self, goals: np.ndarray, colours: np.ndarray) -> np.ndarray:
        """Where goals float64 [M, G] lie (see `goal_cells`), dots in `colours` uint8 [M, 3]: uint8 [H, W, 3]."""
        from envs.mujoco.pictures import Disc, draw  # brings in Pillow

        scene = self.world.scene(self.engine.moment(ids=[0]))
        size = scene.high[0] / 100
        dots = [
            Disc((x, y), size, (int(red), int(green), int(blue)))
            for (x, y), (red, green, blue) in zip(self._first_places(goals).tolist(), colours, strict=True)
        ]
        return draw(replace(scene, things=dots))

    def _first_places(self, achieved: np.ndarray) -> np.ndarray:
        """float64 [M, 2] of goals [M, G]: of the agent where it is all that must match, else of the first block."""
        columns = self.world.places[self.parts[-1]]
        return achieved[:, columns.start : columns.start + 2]

    def state_dict(self) -> dict[str, np.ndarray]:
        """The arrays of the state, copied."""
        return {name: array.copy() for name, array in self.engine.state.arrays().items()}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `state_dict`."""
        self.engine.state.load(state)
