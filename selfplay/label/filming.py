"""Clips with pictures, of what a run's policy does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from selfplay.core.collect import Rollout, World, collect
from selfplay.core.learner import Learner
from selfplay.label.segments import ClipStore, Segments, cut
from selfplay.label.sheets import Sheets, shrunk

_WORLDS = 8
_LENGTHS = 4  # horizons that are played at a time
_IDLE = 3  # lots that bring nothing new in a row, after which there is nothing more to see


class Filmed:
    """A world whose every step is drawn; the world needs `frame(index)`. What `World` says goes through.

    frames[t][n]: what environment n looked like before step t, uint8 [h, w, 3]. endings[t, n]: after step t where it
    ended an episode, in worlds that can show it (the engine has drawn a fresh level by then).
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.num_envs, self.succeeds, self.columns = world.num_envs, world.succeeds, world.columns
        self.observation_space, self.action_space = world.observation_space, world.action_space
        self.frames: list[list[np.ndarray]] = []
        self.endings: dict[tuple[int, int], np.ndarray] = {}
        self._ending = _ending_of(world)

    def reset(self, seed: int | None) -> np.ndarray:
        return self.world.reset(seed)

    def step(
        self,
        action: np.ndarray,
        next_obs_out: np.ndarray,
        obs_out: np.ndarray,
        reward_out: np.ndarray,
        terminated_out: np.ndarray,
        truncated_out: np.ndarray,
    ) -> None:
        self.frames.append(self.now())
        show = self._ending(action) if self._ending else None
        self.world.step(action, next_obs_out, obs_out, reward_out, terminated_out, truncated_out)
        if show:
            for n in np.flatnonzero(terminated_out | truncated_out).tolist():
                self.endings[len(self.frames) - 1, n] = shrunk(show(n))

    def now(self) -> list[np.ndarray]:
        """A frame of each environment. NotImplementedError in worlds without pictures."""
        if not hasattr(self.world, "frame"):
            raise NotImplementedError("this world has no pictures")
        return [shrunk(self.world.frame(n)) for n in range(self.num_envs)]

    def film(self, n: int, times: np.ndarray, done: bool) -> list[np.ndarray]:
        """Before each of the steps `times` of environment n, and after the last one. done: it ended an episode."""
        last = int(times[-1])
        shot = [self.frames[t][n] for t in times.tolist()]
        return [*shot, self.endings.get((last, n), shot[-1]) if done else self.frames[last + 1][n]]


def film_clips(
    world: World, learner: Learner, store: ClipStore, sheets: Sheets, *, count: int, horizon: int, seed: int
) -> list[str]:
    """Play `world` with `learner` and keep `count` different clips of `horizon` steps with their pictures; their ids.

    Fewer where the play keeps repeating itself. Which segments of what was played are kept is drawn.
    Raises NotImplementedError in worlds without pictures.
    """
    rng = np.random.default_rng(seed)
    rollout = Rollout(world, horizon * _LENGTHS, len(learner.streams), learner.memory)
    found: dict[str, None] = {}
    idle = 0
    with learner.aside(seed):
        rollout.start(world, seed)
        while len(found) < count and idle < _IDLE:
            before = len(found)
            filmed = Filmed(world)
            played, _ = collect(filmed, learner, rollout)
            filmed.frames.append(filmed.now())
            times, environments = np.indices(played.mask.shape)
            segments = cut(played, horizon, pictures={"time": times, "environment": environments})
            for m in rng.permutation(len(segments)).tolist():
                if len(found) < count:
                    found[_keep(segments.take([m]), filmed, store, sheets)] = None
            idle = idle + 1 if len(found) == before else 0
    return list(found)


def num_worlds(count: int) -> int:
    """How many worlds to film side by side for `count` clips."""
    return min(_WORLDS, count)


def _keep(segment: Segments, filmed: Filmed, store: ClipStore, sheets: Sheets) -> str:
    """Save one segment, which still says when and where it was played, and its pictures."""
    there = segment.steps.mask[:, 0].numpy()
    times, n = segment.pictures["time"][there, 0], int(segment.pictures["environment"][0, 0])
    done = bool(segment.steps.done[int(there.sum()) - 1, 0])
    [id] = store.save(replace(segment, pictures={}))
    sheets.save(id, filmed.film(n, times, done))
    return id


def _ending_of(world: World) -> Callable[[np.ndarray], Callable[[int], np.ndarray]] | None:
    """action -> (n -> what environment n would look like after it), asked before the step; None: cannot be shown.

    A second engine takes the step without beginning anew.
    """
    from envs.grid.engine import GridEngine
    from envs.grid.interop import engine_frame
    from envs.grid.world import GridWorld
    from envs.mujoco.rollout_world import MujocoWorld
    from envs.mujoco.vector_env import MujocoVectorEnv

    if isinstance(world, GridWorld):
        source = world.engine
        twin = GridEngine(source.spec, world.num_envs, max_steps=source.max_steps)
        outcome = np.zeros(world.num_envs), np.zeros(world.num_envs, bool), np.zeros(world.num_envs, bool)

        def after_grid(action: np.ndarray) -> Callable[[int], np.ndarray]:
            before, action = source.state.arrays(), action.copy()

            def show(n: int) -> np.ndarray:
                twin.state.load(before)
                twin.step(action, *outcome)
                return engine_frame(twin, n)

            return show

        return after_grid
    if isinstance(world, MujocoWorld):
        single: list[MujocoVectorEnv] = []

        def after_mujoco(action: np.ndarray) -> Callable[[int], np.ndarray]:
            before, action = world.env.snapshot(), action.copy()

            def show(n: int) -> np.ndarray:
                if not single:
                    single.append(MujocoVectorEnv(world.env.world, world.num_envs, dtype=np.float32, threads=1))
                single[0].restore(before)
                single[0].step(action)
                return single[0].frame(n)

            return show

        return after_mujoco
    return None
