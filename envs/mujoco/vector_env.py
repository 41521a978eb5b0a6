"""`MujocoVectorEnv`: MuJoCo worlds, many at a time, behind `gymnasium.vector.VectorEnv`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from envs.mujoco.actions import checked_actions
from envs.mujoco.engine import MujocoEngine
from envs.mujoco.goals import GoalWorld
from envs.mujoco.state import MujocoState
from envs.mujoco.unstable import Losses, step_or_cut
from envs.mujoco.world import World
from envs.mujoco.worlds import world as world_of
from envs.vector import FamilyVectorEnv, checked_autoreset_mode, checked_count, checked_seed, final_info

DTYPES = (np.float64, np.float32)


class MujocoVectorEnv(FamilyVectorEnv):
    """N environments of one world.

    ## Description

    MuJoCo (Todorov, Erez and Tassa, 2012) on its own thread pool. What environment n does depends on the seed, n and
    its actions, not on N or the number of threads. The worlds are in `envs.mujoco.worlds`; the mirrors of Gymnasium's
    are equal to them given the same state and actions.

    ## Action Space

    `Box` float32 [N, nu] within the range of the model's actuators. As in Gymnasium what lies beyond acts as the bound,
    but is paid for as it is. NaN and infinities are errors.

    ## Observation Space

    `Box` float64 [N, D], see the world; float32 with `dtype=np.float32`.

    ## Rewards

    float64 [N], see the world.

    ## Starting State

    The world's own noise, under `reset(seed=...)`: an integer, or one for each environment.

    ## Episode End

    The world's own reasons terminate, `max_steps` truncates. Where the physics blows up (what MuJoCo warns of, or a
    position or velocity that is NaN or beyond 1e6) the episode is truncated as well: the observation is the one before
    the step, the reward 0, `info["unstable"]` names it (bool [N], with Gymnasium's `_unstable`; only there in such a
    step), the first time an `UnstablePhysicsWarning` says environment, step and field. The others are untouched.

    ## Arguments

    `world`: an id or a `World`. `max_steps`: by default the world's own. `autoreset_mode`: Gymnasium's three; with
    `DISABLED` reset by `reset(options={"reset_mask": bool [N]})`. `dtype`: of the observations. `threads`: of MuJoCo's
    pool; by default as many as numba uses. `render_mode`: None or "rgb_array". `tolerance`: metres, of all parts of a
    goal; by default the world's own.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (as in gymnasium)

    def __init__(
        self,
        world: str | World,
        num_envs: int = 1,
        max_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        dtype: Any = np.float64,
        threads: int | None = None,
        render_mode: str | None = None,
        tolerance: float | None = None,
    ) -> None:
        self.world = world if isinstance(world, World) else world_of(world)
        if tolerance is not None:
            self.world = self._goals().with_tolerance(tolerance)
        self.autoreset_mode = checked_autoreset_mode(autoreset_mode)
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode is {render_mode!r}, expected None or 'rgb_array'")
        self.render_mode = render_mode
        if dtype not in DTYPES:
            raise ValueError(f"dtype is {dtype!r}, expected np.float64 or np.float32")
        self.dtype = np.dtype(dtype)
        self.max_steps = checked_count("max_steps", self.world.max_steps if max_steps is None else max_steps)
        self.engine = MujocoEngine(self.world, num_envs, threads)
        self.num_envs = self.engine.num_envs
        fps = round(1 / self.engine.dt)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode, "render_fps": fps}
        self._losses = Losses()

        size = self.world.observe(self.engine.moment(ids=slice(0, 1))).shape[1]
        self.single_observation_space = spaces.Box(-np.inf, np.inf, (size,), self.dtype.type)
        low, high = self.engine.model.actuator_ctrlrange.T.astype(np.float32)
        self.single_action_space = spaces.Box(low, high, dtype=np.float32)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    @property
    def unstable(self) -> int:
        """How many episodes were cut because the physics blew up, since this was made."""
        return self._losses.count

    @property
    def state(self) -> MujocoState:
        """The environments themselves, not a copy."""
        return self.engine.state

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin episodes; see Gymnasium.

        seed: an integer (environment n gets stream n of it), one integer or None for each environment, or None: the
        streams go on where they are (at the very first reset they start from the operating system's entropy).
        options: `{"reset_mask": bool [N]}` resets only those; the observation returned is everybody's.
        """
        self._require_open()
        mask = self._reset_mask(options)
        ids = np.arange(self.num_envs) if mask is None else np.flatnonzero(mask)
        self._seed(seed, ids)
        self.engine.begin(ids)
        self._ready = True
        return self.observe(), {}

    def step(
        self, actions: Any, ids: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One action for each environment (floats [N, nu]); see Gymnasium.

        ids: who (int [M], sorted; None: all). The others stay as they are, with reward 0 and nothing ended.

        Returns copies: observation, reward float64 [N], terminated bool [N], truncated bool [N], info. ValueError for a
        wrong shape or number; then nothing has moved.
        """
        self._require_open()
        self._require_ready("step()")
        stays = np.full(self.num_envs, ids is not None)
        if ids is not None:
            stays[ids] = False
        over = self.state.over & ~stays
        if self.autoreset_mode is not AutoresetMode.NEXT_STEP and over.any():
            raise gym.error.ResetNeeded(f"the episode of environment {over.argmax()} is over: reset it with reset_mask")
        actions = self._checked_actions(actions, over | stays | self.engine.absurd())
        before, lost, why = step_or_cut(self.engine, actions, over, ids)

        earlier, now = self.engine.moment(before), self.engine.moment()
        reward = np.where(over | lost | stays, 0.0, self.world.reward(earlier, actions, now, self.engine.dt))
        terminated = self.world.terminated(now) & ~over & ~lost & ~stays
        truncated = (self.state.steps >= self.max_steps) & ~stays | lost
        done = terminated | truncated
        self.state.over[~stays] = done[~stays]
        observation = self.observe()
        info: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP and done.any():
            info = final_info(done, observation[done])
            self.engine.begin(np.flatnonzero(done))
            observation[done] = self.observe(done)
        if why is not None:
            info |= {"unstable": lost, "_unstable": lost.copy()}
            self._losses.report(lost, why)
        return observation, reward, terminated, truncated, info

    def snapshot(self, ids: Any = None) -> MujocoState:
        """A copy of environments `ids` (int [M], bool [N] or slice; None: all), random streams included."""
        return self.state.take(slice(None) if ids is None else ids)

    def restore(self, state: MujocoState, ids: Any = None) -> None:
        """Put a snapshot back into environments `ids` (None: all); what follows is bit for bit what followed then."""
        self._require_open()
        self.state.put(slice(None) if ids is None else ids, state)
        if ids is None:
            self._ready = True

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from `MujocoState.arrays` of as many environments of the same world."""
        self._require_open()
        self.state.load(arrays)
        self._ready = True

    def observe(self, ids: Any = None) -> np.ndarray:
        """The observation of environments `ids` (None: all) as they are, as after a `restore`."""
        moment = self.engine.moment(ids=slice(None) if ids is None else ids)
        return self.world.observe(moment).astype(self.dtype, copy=False)

    def achieved_goal(self, ids: Any = None) -> np.ndarray:
        """What environments `ids` (None: all) have achieved: float64 [M, G], metres; see `envs.mujoco.goals`."""
        return self._goals().achieved(self.engine.moment(ids=slice(None) if ids is None else ids).qpos).copy()

    def positions(self, ids: Any = None) -> np.ndarray:
        """Where the agents of environments `ids` (None: all) are: float32 [M, 2], x and y, metres."""
        return self.achieved_goal(ids)[:, self._goals().places["position"]].astype(np.float32)

    def desired_goal(self, ids: Any = None) -> np.ndarray:
        """What environments `ids` (None: all) are asked for in this episode: float64 [M, G], metres."""
        self._goals()
        return self.engine.moment(ids=slice(None) if ids is None else ids).goal.copy()

    def ask(self, desired: np.ndarray, ids: Any = None) -> None:
        """Ask environments `ids` (None: all) for `desired` (float64 [M, G], metres; NaN: for nothing) from now on."""
        self._require_open()
        who = slice(None) if ids is None else ids
        shape = (len(np.arange(self.num_envs)[who]), self._goals().goal_size)
        desired = np.asarray(desired, np.float64)
        if desired.shape != shape:
            raise ValueError(f"desired goals are {list(desired.shape)}, expected {list(shape)}")
        self.engine.moment().goal[who] = desired  # a view of the state

    def reached(self, achieved: np.ndarray, desired: np.ndarray, parts: Sequence[str] | None = None) -> np.ndarray:
        """bool [M]: is `achieved` [M, G] within the world's tolerance of `desired` in `parts` (None: the world's)?"""
        return self._goals().reached(achieved, desired, parts)

    def frame(self, index: int, trail: np.ndarray | None = None) -> np.ndarray:
        """A picture of environment `index`, uint8 [H, W, 3].

        Worlds with goals are drawn from above: walls, agent, blocks, goals as rings, and `trail` (float [K, 2], metres;
        other worlds show none), where the agent came by. Others by OpenGL: NotImplementedError where there is none.
        """
        now = self.engine.moment(ids=[index])
        if isinstance(self.world, GoalWorld):
            from envs.mujoco.pictures import draw  # brings in Pillow

            return draw(self.world.scene(now), trail)
        from envs.mujoco.rendering import painter

        return painter(type(self.world)).draw(now.qpos[0], now.qvel[0])

    def _picture(self, index: int) -> np.ndarray:
        return self.frame(index)

    def _goals(self) -> GoalWorld:
        if not isinstance(self.world, GoalWorld):
            raise ValueError(f"{type(self.world).__name__} has no goals, expected a world that has")
        return self.world

    def _checked_actions(self, actions: Any, ignored: np.ndarray) -> np.ndarray:
        """`actions` as floats [N, nu]; ValueError naming the first environment that would step by no number."""
        array = checked_actions(actions, self.engine.model.nu, self.state.steps)
        if array.dtype not in DTYPES:
            array = array.astype(np.float64)
        finite = np.isfinite(array)
        if not finite.all():
            wrong = ~finite & ~ignored[:, None]
            if wrong.any():
                n, k = (int(place) for place in np.argwhere(wrong)[0])
                step = self.state.steps[n] + 1
                raise ValueError(
                    f"environment {n}, step {step}: action[{k}] is {array[n, k]}, expected a finite number"
                )
            array = np.where(finite, array, 0)
        return array

    def _seed(self, seed: int | Sequence[int | None] | None, ids: np.ndarray) -> None:
        if seed is not None and not isinstance(seed, int | np.integer):
            if len(seed) != self.num_envs:
                raise ValueError(f"seed has {len(seed)} entries, expected one for each of {self.num_envs} environments")
            for n in ids:
                own = seed[int(n)]
                if own is not None:
                    self.engine.seed(own, ids=np.array([n]), first=0)
        elif seed is not None:
            super().reset(seed=checked_seed(seed))
            self.engine.seed(int(seed), ids=ids)
        unseeded = ids[~self.state.stream[ids].any(axis=1)]
        if len(unseeded):
            self.engine.seed(int(self.np_random.integers(2**63)), ids=unseeded)
