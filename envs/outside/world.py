"""Somebody else's environments as a rollout sees them: flat, stepped together, new episodes begun where one ended."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from envs.errors import OutsideError
from envs.outside.flat import FlatActions, FlatObservations
from envs.outside.make import Vectorisation, inside, make_many
from envs.outside.spec import OutsideSpec


class OutsideWorld:
    """N environments of one kind. What its methods take and give is written at `selfplay.core.collect.World`.

    Observations are float32 [N, D] or tokens uint8 [N, P], see `FlatObservations`. What an environment gives is looked
    at in every step: numbers that are not finite are an OutsideError that names the environment and the step.

    Its state cannot be kept: after `load_state_dict` a reset begins new episodes, by a seed that follows from how far
    it had come.

    succeeds: whether an episode that terminates with a positive reward is a success: only the user knows.
    drawn: whether it is asked for pictures.
    """

    press_action: int | None = None
    resumes = False
    """Whether a state that is loaded goes on with the episodes that were under way."""

    def __init__(
        self,
        spec: OutsideSpec,
        num_envs: int,
        vectorisation: Vectorisation = "auto",
        succeeds: bool = False,
        drawn: bool = False,
    ) -> None:
        self.spec, self.num_envs, self.succeeds = spec, num_envs, succeeds
        self._drawn = drawn
        self._many = make_many(spec, num_envs, vectorisation, drawn)
        try:
            self._flat = FlatObservations(self._many.single_observation_space)
            self._act = FlatActions(self._many.single_action_space)
        except ValueError as error:
            raise ValueError(f"{spec.id}: {error}") from None
        self.unseen = self._flat.unseen
        self.observation_space, self.action_space = self._flat.space, self._act.space
        self.columns = {"obs": slice(0, self._flat.size)}
        self.channel_spaces: dict[str, spaces.Space] = {"obs": self.observation_space}
        self.pixels: dict[str, np.ndarray] = {}
        self._same_step = self._many.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
        self._steps = self._seed = 0
        self._anew: int | None = None

    def reset(self, seed: int | None) -> np.ndarray:
        """Begin episodes everywhere; the first rows [N, D].

        seed None: go on with the environments' own streams, or with what a state that was loaded makes of them.
        """
        if seed is not None:
            self._seed, self._steps = seed, 0
        elif self._anew is not None:
            seed = self._anew
        self._anew = None
        with inside(self.spec.id, "reset"):
            observations, _ = self._many.reset(seed=seed)
        return self._rows(observations)

    def step(
        self,
        action: np.ndarray,
        next_obs_out: np.ndarray,
        obs_out: np.ndarray,
        reward_out: np.ndarray,
        terminated_out: np.ndarray,
        truncated_out: np.ndarray,
    ) -> None:
        """Step all environments with action int64 [N] or float32 [N, A]."""
        self._steps += 1
        with inside(self.spec.id, f"step {self._steps}"):
            observations, reward, terminated, truncated, infos = self._many.step(self._act(action))
        reward_out[:], terminated_out[:], truncated_out[:] = reward, terminated, truncated
        if not np.isfinite(reward_out).all():
            n = int(np.flatnonzero(~np.isfinite(reward_out))[0])
            raise OutsideError(f"{self.spec.id}: environment {n}, step {self._steps}: the reward is {reward_out[n]}")
        rows = self._rows(observations)
        ended = terminated_out | truncated_out
        next_obs_out[:] = obs_out[:] = rows
        if not ended.any():
            return
        if self._same_step:
            next_obs_out[ended] = self._last(infos, np.flatnonzero(ended))
            return
        with inside(self.spec.id, "reset"):
            observations, _ = self._many.reset(options={"reset_mask": ended})
        obs_out[ended] = self._rows(observations)[ended]

    def frame(self, index: int) -> np.ndarray:
        """A picture of environment `index`, uint8 [H, W, 3]; NotImplementedError where it draws none."""
        if not self._drawn:
            raise NotImplementedError("this world was not made to be drawn")
        try:
            pictures: Any = self._many.render()
        except Exception as error:
            first = (str(error).strip().splitlines() or ["it says nothing"])[0]
            raise NotImplementedError(f"{self.spec.id} cannot be drawn: {first}") from None
        if pictures is None or pictures[index] is None:
            raise NotImplementedError(
                f"{self.spec.id} gives no pictures (render_mode 'rgb_array' is not among its own)"
            )
        return np.asarray(pictures[index], np.uint8)[..., :3]

    def state_dict(self) -> dict[str, np.ndarray]:
        """The seed and how many steps were taken since."""
        return {"progress": np.array([self._seed, self._steps], np.int64)}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """At the next reset begin anew: the same state always gives the same episodes."""
        self._seed, self._steps = (int(number) for number in state["progress"])
        self._anew = int(np.random.SeedSequence([self._seed, self._steps]).generate_state(1)[0] >> 1)

    def _rows(self, observations: Any) -> np.ndarray:
        with inside(self.spec.id, f"its observations at step {self._steps} do not fit its observation space"):
            rows = self._flat(observations)
            if rows.shape != (self.num_envs, self.columns["obs"].stop):
                raise OutsideError(
                    f"{self.spec.id}: observations are {list(rows.shape)} when laid flat, expected "
                    f"{[self.num_envs, self.columns['obs'].stop]} by its observation space"
                )
        if not np.isfinite(rows).all():
            n, place = (int(index) for index in np.argwhere(~np.isfinite(rows))[0])
            raise OutsideError(
                f"{self.spec.id}: environment {n}, step {self._steps}: number {place} of the observation is "
                f"{rows[n, place]}"
            )
        return rows

    def _last(self, infos: dict[str, Any], ended: np.ndarray) -> np.ndarray:
        """The last observations of the episodes that ended, of environments that begin the next in the same step."""
        if "final_obs" not in infos:
            raise OutsideError(
                f"{self.spec.id}: step {self._steps}: infos have no 'final_obs' for the episode that ended"
            )
        final = infos["final_obs"]
        with inside(self.spec.id, "its infos['final_obs']"):
            if isinstance(final, np.ndarray) and final.dtype == object:
                from gymnasium.vector.utils import concatenate, create_empty_array

                space = self._many.single_observation_space
                chosen = [final[n] for n in ended]
                empty = create_empty_array(space, len(chosen))
                assert empty is not None
                return self._flat(concatenate(space, chosen, empty))
            return self._flat(final)[ended]
