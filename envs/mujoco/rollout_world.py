"""MuJoCo worlds as a rollout sees them: stepped in place, new episodes begun where one ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from envs.mujoco.goals import GoalWorld
from envs.mujoco.vector_env import MujocoVectorEnv
from envs.mujoco.world import World, watching
from envs.mujoco.worlds import world as world_of

CHANNELS = ("position",)
"""What can be written beside observations in worlds with goals, and features in all. No player sees it."""


def offered_channels(world: World) -> tuple[str, ...]:
    """What can be written beside observations of `world`."""
    placed = CHANNELS if isinstance(world, GoalWorld) and "position" in world.places else ()
    return (*placed, *world.features())


class MujocoWorld:
    """N environments of one world. What its methods take and give is written at `selfplay.core.collect.World`.

    Observations are float32 [N, D]; all else is `MujocoVectorEnv`'s. threads: of MuJoCo's pool, by default numba's.
    channels: what else is written, from `offered_channels`. Rows then are wider, float32 [N, W]: first the D numbers of
    which alone `observation_space` speaks, then each channel's. "position" is that of the agent, x and y (m), in worlds
    whose goals have it; the world's features (`World.features`) are one number each.

    traced: whether the agent's way can be drawn.  succeeds: whether the world says so.  press_action: None, there is no
    television.
    """

    press_action: int | None = None

    def __init__(
        self, world: str | World, num_envs: int, threads: int | None = None, channels: Sequence[str] = ()
    ) -> None:
        world = world if isinstance(world, World) else world_of(world)
        wanted = _checked(channels, world)
        self._features = [name for name in world.features() if name in wanted]
        self.env = MujocoVectorEnv(
            watching(world) if self._features else world,
            num_envs,
            autoreset_mode=AutoresetMode.DISABLED,
            dtype=np.float32,
            threads=threads,
        )
        self.num_envs = self.env.num_envs
        self.observation_space = self.env.single_observation_space
        self.action_space = self.env.single_action_space
        self.succeeds = self.env.world.succeeds
        self.traced = isinstance(self.env.world, GoalWorld)
        self._obs = slice(0, len(self.env.observe([0])[0]))
        self.columns = {"obs": self._obs}
        self.channel_spaces: dict[str, spaces.Space] = {"obs": self.observation_space}
        self._position: slice | None = None
        if "position" in wanted:
            self._position = slice(self._obs.stop, self._obs.stop + 2)
            self.columns["position"] = self._position
            self.channel_spaces["position"] = spaces.Box(-np.inf, np.inf, (2,), np.float32)
        first = max(part.stop for part in self.columns.values())
        for place, name in enumerate(self._features, first):
            self.columns[name] = slice(place, place + 1)
            self.channel_spaces[name] = spaces.Box(-np.inf, np.inf, (1,), np.float32)
        self.row_width = max(part.stop for part in self.columns.values())
        self.pixels: dict[str, np.ndarray] = {}
        self._playing: np.ndarray | None = None

    def reset(self, seed: int | None) -> np.ndarray:
        """Begin episodes everywhere; the first rows, float32 [N, W]. seed None: go on with the streams."""
        self.env.reset(seed=seed)
        self._playing = None
        return self._rows()

    def step(
        self,
        action: np.ndarray,
        next_obs_out: np.ndarray,
        obs_out: np.ndarray,
        reward_out: np.ndarray,
        terminated_out: np.ndarray,
        truncated_out: np.ndarray,
    ) -> None:
        """Step all worlds with action float32 [N, A]."""
        observation, reward_out[:], terminated_out[:], truncated_out[:], _ = self.env.step(action, self._playing)
        self._write(observation, next_obs_out)
        ended = terminated_out | truncated_out
        if ended.any():
            self._write(self.env.reset(options={"reset_mask": ended})[0], obs_out)
        else:
            obs_out[:] = next_obs_out

    def rest_but(self, ids: np.ndarray) -> None:
        """Step `ids` (int [M], sorted) alone until the next `reset`: physics is what a step costs."""
        self._playing = ids

    def success_rows(self, seed: int) -> np.ndarray:
        """Rows float32 [N, W] of success, by `envs.mujoco.examples.place_at_goals`."""
        from envs.mujoco.examples import place_at_goals

        place_at_goals(self.env, seed)
        return self._rows()

    def rows_of(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """Rows float32 [N, W] of N worlds as `MujocoState.arrays` has them; the worlds are put into these states."""
        self.load_state_dict(dict(state))
        return self._rows()

    def frame(self, index: int, trail: np.ndarray | None = None) -> np.ndarray:
        """A picture of environment `index`, uint8 [H, W, 3]; see `MujocoVectorEnv.frame`."""
        return self.env.frame(index, trail)

    def state_dict(self) -> dict[str, np.ndarray]:
        """The arrays of the state, copied."""
        return {name: array.copy() for name, array in self.env.state.arrays().items()}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `state_dict`."""
        self.env.load(state)

    def _rows(self) -> np.ndarray:
        """What is now, float32 [N, W]."""
        rows = np.empty((self.num_envs, self.row_width), np.float32)
        self._write(self.env.observe(), rows)
        return rows

    def _write(self, observation: np.ndarray, rows: np.ndarray) -> None:
        """Write what is now into `rows` float32 [N, W]."""
        rows[:, self._obs] = observation
        if self._position is not None:
            rows[:, self._position] = self.env.positions()
        if self._features:
            now, known = self.env.engine.moment(), self.env.world.features()
            for name in self._features:
                rows[:, self.columns[name].start] = known[name].of(now)


def _checked(channels: Sequence[str], world: World) -> Sequence[str]:
    """`channels`; ValueError for what is no channel of `world`."""
    if isinstance(channels, str):
        raise ValueError(f"channels is {channels!r}, expected a sequence of names")
    offered = offered_channels(world)
    for name in channels:
        if name not in offered:
            listed = ", ".join(offered) or "a world with goals or features"
            raise ValueError(f"channels names {name!r}, {type(world).__name__} has none: expected {listed}")
    return channels
