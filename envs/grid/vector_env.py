"""`GridVectorEnv`: the batched grid engine behind `gymnasium.vector.VectorEnv`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from envs.grid.advance import DRAW, STEP, WRITE
from envs.grid.engine import GridEngine
from envs.grid.levels import LevelSpec, level_spec
from envs.grid.observations import Observations
from envs.grid.state import AGENT_FIELDS, MISSION, OVER, GridState
from envs.grid.tokens import DEFAULT_SEGMENTS
from envs.vector import FamilyVectorEnv, checked_autoreset_mode, final_info


class GridVectorEnv(FamilyVectorEnv):
    """N worlds of one level.

    ## Description

    MiniGrid (Chevalier-Boisvert et al., 2023), many worlds at a time, equal to minigrid 3.2.0 given the same level and
    actions. Levels are drawn afresh at every reset, each world from a random stream of its own: what world n does
    depends on the seed, n and its actions, not on N or the number of threads.

    ## Action Space

    `MultiDiscrete([7] * N)`: left, right, forward, pick up, drop, toggle, done. Dynamic-Obstacles has the first three;
    Hallway two: towards -x, towards +x.

    ## Observation Space

    `observation="image"`: a dictionary of `image` uint8 [N, V, V, 3], MiniGrid's partial view (object, colour, state),
    `direction` int64 [N] and `mission` int64 [N, M], codes that `mission_text` puts in words.
    `observation="full"`: the same with `image` uint8 [N, W, H, 3], as MiniGrid's FullyObsWrapper.
    `observation="both"`: the view as `image` and uint8 [N, W, H, 3] as `full`.
    `position=True` adds `position` int64 [N, 2], x and y: what no agent should see but a privileged bonus may.
    `observation="tokens"`: uint8 [N, P], see `envs.grid.tokens.TokenLayout` and `segments`.

    ## Rewards

    float64 [N]: `1 - 0.9 * steps / max_steps` on success, else 0; -1 for walking into things in Dynamic-Obstacles.

    ## Starting State

    The level's own generator, under `reset(seed=...)`: an integer, or one for each world.

    ## Episode End

    Success, lava and what the level's rule forbids (`envs.grid.levels.rules`) terminate, `max_steps` truncates.

    ## Arguments

    `level`: an id or a `LevelSpec`. `view_size`: V, odd. `max_steps`: by default the level's own. `autoreset_mode`:
    Gymnasium's three; with `DISABLED` reset by `reset(options={"reset_mask": bool [N]})`. `render_mode`: `"rgb_array"`.
    `pool_size`, `pool_refresh`: see `envs.grid.pool`, for levels that minigrid draws (`grid/WFC-…`); these also depend
    on how often the other worlds were reset.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 (as in gymnasium)

    def __init__(
        self,
        level: str | LevelSpec,
        num_envs: int = 1,
        observation: str = "image",
        view_size: int = 7,
        segments: Sequence[str] = DEFAULT_SEGMENTS,
        position: bool = False,
        max_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        pool_size: int | None = None,
        pool_refresh: int | None = None,
    ) -> None:
        self.level = level if isinstance(level, LevelSpec) else level_spec(level)
        self._observations = Observations(self.level, observation, view_size, segments, position)
        self.layout = self._observations.layout
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode is {render_mode!r}, expected None or 'rgb_array'")
        self.render_mode = render_mode
        self.autoreset_mode = checked_autoreset_mode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}

        self.engine = GridEngine(self.level, num_envs, self.layout, max_steps, pool_size, pool_refresh)
        self.num_envs = self.engine.num_envs
        self.max_steps = self.engine.max_steps

        self.single_action_space = spaces.Discrete(self.engine.num_actions)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.single_observation_space = self._observations.space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)

    @property
    def state(self) -> GridState:
        """The worlds themselves, not a copy."""
        return self.engine.state

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Draw fresh levels; see Gymnasium.

        seed: an integer (world n gets stream n of it), one integer or None for each world, or None: the streams go on
        where they are (at the very first reset they start from the operating system's entropy).
        options: `{"reset_mask": bool [N]}` resets only those worlds; the observation returned is everybody's.
        """
        self._require_open()
        mask = self._reset_mask(options)
        self._require_generator()
        self._seed(seed, mask)
        task = np.where(np.ones(self.num_envs, bool) if mask is None else mask, np.uint8(DRAW), np.uint8(WRITE))
        rows = np.empty((self.num_envs, self.layout.width), np.uint8)
        self.engine.advance_tasks(task, np.zeros(self.num_envs, np.int64), *self._outcome(), rows)
        self._ready = True
        return self._observations.of(rows, self.state.agent), {}

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One action for each world (integers [N]); see Gymnasium.

        Returns copies: observation, reward float64 [N], terminated bool [N], truncated bool [N], info.
        """
        self._require_open()
        self._require_ready("step()")
        engine = self.engine
        over = engine.state.agent[:, OVER]
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            if over.any():
                self._require_generator()
            task = np.where(over, np.uint8(DRAW), np.uint8(STEP))
        else:
            if self.autoreset_mode is AutoresetMode.DISABLED and over.any():
                n = int(over.argmax())
                raise gym.error.ResetNeeded(f"the episode of environment {n} is over: reset it with reset_mask")
            task = np.full(self.num_envs, STEP, np.uint8)
        actions = engine.checked_actions(actions, task)
        rows = np.empty((self.num_envs, self.layout.width), np.uint8)
        reward, terminated, truncated = self._outcome()
        info: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            final = np.empty_like(rows)
            final_agent = np.empty((self.num_envs, AGENT_FIELDS), np.int32)
            engine.advance_tasks(task, actions, reward, terminated, truncated, rows, final, final_agent)
            info = self._final_info(terminated | truncated, final, final_agent)
        else:
            engine.advance_tasks(task, actions, reward, terminated, truncated, rows)
        return self._observations.of(rows, engine.state.agent), reward, terminated, truncated, info

    def mission_text(self, ids: Any = None) -> list[str]:
        """The missions of worlds `ids` (int [M], bool [N] or slice; None: all) in MiniGrid's words."""
        agents = self.state.agent[slice(None) if ids is None else ids]
        return [self.level.mission.text(codes) for codes in agents[:, MISSION:OVER]]

    def snapshot(self, ids: Any = None) -> GridState:
        """A copy of worlds `ids` (int [M], bool [N] or slice; None: all), random streams included."""
        return self.state.take(slice(None) if ids is None else ids)

    def restore(self, state: GridState, ids: Any = None) -> None:
        """Put a snapshot back into worlds `ids` (None: all); what follows is bit for bit what followed then.

        Levels out of a pool (WFC) are drawn from the pool as it is, not as it was.
        """
        self._require_open()
        self.state.put(slice(None) if ids is None else ids, state)
        if ids is None:
            self._ready = True

    def observe(self) -> Any:
        """The observation of the worlds as they are, as after a `restore`."""
        rows = np.empty((self.num_envs, self.layout.width), np.uint8)
        self.engine.write(rows)
        return self._observations.of(rows, self.state.agent)

    def achieved_goal(self, ids: Any = None, direction: bool = False) -> np.ndarray:
        """uint8 [N, G]: position, carried object, objects and doors (and direction), see `envs.grid.goals`."""
        from envs.grid import goals

        state = self.state if ids is None else self.snapshot(ids)
        return goals.achieved_goal(state, direction)

    def reached(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """bool [N]: whether `achieved` (uint8 [N, G]) meets `desired` in position, carried object and objects."""
        from envs.grid import goals

        return goals.reached(achieved, desired)

    def close_extras(self, **kwargs: Any) -> None:
        """Ends the processes that draw levels, unless another pool needs them; called by `close`."""
        self.engine.close()

    def _picture(self, index: int) -> np.ndarray:
        """MiniGrid's own, uint8 [32 * H, 32 * W, 3]."""
        from envs.grid.interop import picture

        return picture(self, index)

    def _require_generator(self) -> None:
        if not self.level.can_draw:
            raise ValueError(f"level {self.level.id} has no generator here: use restore() to put a state back")

    def _seed(self, seed: int | Sequence[int | None] | None, mask: np.ndarray | None) -> None:
        chosen = np.arange(self.num_envs) if mask is None else np.flatnonzero(mask)
        if seed is None:
            unseeded = chosen[~self.state.stream[chosen].any(axis=1)]
            if len(unseeded):
                self.engine.seed(int(self.np_random.integers(2**63)), ids=unseeded)
        elif isinstance(seed, int | np.integer):
            super().reset(seed=int(seed))
            others = None if mask is None else self.state.stream[~mask]
            self.engine.seed(int(seed))
            if mask is not None:
                self.state.stream[~mask] = others
        else:
            if len(seed) != self.num_envs:
                raise ValueError(f"seed has {len(seed)} entries, expected one for each of {self.num_envs} environments")
            for n in chosen:
                own = seed[int(n)]
                if own is not None:
                    self.engine.seed(own, ids=np.array([n]))
                elif not self.state.stream[n].any():
                    self.engine.seed(int(self.np_random.integers(2**63)), ids=np.array([n]))
            given = [own for own in seed if own is not None]
            if self.engine.pool is not None and given:
                self.engine.pool.restart(given[0])

    def _outcome(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        count = self.num_envs
        return np.empty(count, np.float64), np.empty(count, np.bool_), np.empty(count, np.bool_)

    def _final_info(self, done: np.ndarray, rows: np.ndarray, agents: np.ndarray) -> dict[str, Any]:
        """What Gymnasium is told of episodes that ended in this step, from their last rows and agents [N, …]."""
        ids = np.flatnonzero(done)
        if len(ids) == 0:
            return {}
        final = self._observations.of(rows[ids], agents[ids])
        if isinstance(final, dict):
            final = [{key: part[k] for key, part in final.items()} for k in range(len(ids))]
        return final_info(done, final)
