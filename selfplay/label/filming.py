"""Clips with pictures, of what a run's policy does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from selfplay.core.collect import Rollout, World, collect
from selfplay.core.learner import Learner
from selfplay.label.cameras import Camera, camera
from selfplay.label.segments import ClipStore, Segments, cut
from selfplay.label.sheets import Sheets, shrunk

_WORLDS = 8
_LENGTHS = 4  # horizons that are played at a time
_IDLE = 3  # lots that bring nothing new in a row, after which there is nothing more to see


class Filmed:
    """A world under a camera, which remembers every step. What `World` says goes through.

    moments[t]: everything before step t, as the camera remembers it, and last, after `stop`, what came of the last one.
    """

    def __init__(self, world: World, camera: Camera) -> None:
        self.world = world
        self.num_envs, self.succeeds, self.columns = world.num_envs, world.succeeds, world.columns
        self.observation_space, self.action_space = world.observation_space, world.action_space
        self.camera = camera
        self.moments: list[Any] = []
        self.actions: list[np.ndarray] = []

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
        self.moments.append(self.camera.moment())
        self.actions.append(action.copy())
        self.world.step(action, next_obs_out, obs_out, reward_out, terminated_out, truncated_out)

    def stop(self) -> None:
        """Remember what came of the last step."""
        self.moments.append(self.camera.moment())

    def film(self, n: int, times: np.ndarray, done: bool) -> list[np.ndarray]:
        """Before each of the steps `times` of environment n, and after the last one; uint8 [h, w, 3].

        done: the last one ended an episode, so the world has begun anew since.
        """
        last = int(times[-1])
        frames = [self.camera.draw(self.moments[t], n) for t in times.tolist()]
        if done:
            frames.append(self.camera.draw_after(self.moments[last], self.actions[last], n))
        else:
            frames.append(self.camera.draw(self.moments[last + 1], n))
        return [shrunk(frame) for frame in frames]


def film_clips(
    world: World,
    learner: Learner,
    store: ClipStore,
    sheets: Sheets,
    *,
    count: int,
    horizon: int,
    seed: int,
    short: Literal["pad", "drop"] = "pad",
) -> list[str]:
    """Play `world` with `learner` and keep `count` different clips of `horizon` steps with their pictures; their ids.

    Fewer where the play keeps repeating itself. Which segments of what was played are kept is drawn. short: see `cut`.
    Raises NotImplementedError in worlds without pictures.
    """
    rng = np.random.default_rng(seed)
    rollout = Rollout(world, horizon * _LENGTHS, len(learner.streams), learner.memory)
    found: dict[str, None] = {}
    idle, eye = 0, camera(world)
    with learner.aside(seed):
        rollout.start(world, seed)
        eye.draw(eye.moment(), 0)  # complains now, not when all is played
        while len(found) < count and idle < _IDLE:
            before = len(found)
            filmed = Filmed(world, eye)
            played, _ = collect(filmed, learner, rollout)
            filmed.stop()
            times, environments = np.indices(played.mask.shape)
            shown = learner.as_played(played)  # rewards are shown what the world was given, so clips are as well
            segments = cut(shown, horizon, short, pictures={"time": times, "environment": environments})
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
    if sheets.find(id) is None:
        sheets.save(id, filmed.film(n, times, done))
    return id
