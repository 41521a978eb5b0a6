"""Environments as somebody else might write them, some of them broken. Not a test: imported by name."""

from typing import ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv


class Count(gymnasium.Env):
    """Counts to `goal`; the action is where the count goes: 3 down, 4 up (a Discrete that begins at 3)."""

    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 4}

    def __init__(self, goal=4, fault=None, at=3, render_mode=None):
        self.goal, self.fault, self.at, self.render_mode = goal, fault, at, render_mode
        self.observation_space = spaces.Dict(
            {
                "count": spaces.Box(-100, 100, (1,), np.float64),
                "parity": spaces.Discrete(2, start=5),
                "note": spaces.Text(10),
                "bits": spaces.MultiBinary(2),
            }
        )
        self.action_space = spaces.Discrete(2, start=3)

    def _look(self):
        count = np.nan if self._broken("nan") else self.count
        return {
            "count": np.array([count], np.float64),
            "parity": np.int64(5 + self.count % 2),
            "note": "hello",
            "bits": np.array([self.count > 0, self.count > 1], np.int8),
        }

    def _broken(self, fault):
        return self.fault == fault and self.steps == self.at

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count, self.steps = int(self.np_random.integers(0, 2)), 0
        return self._look(), {}

    def step(self, action):
        assert action in (3, 4), action
        self.steps += 1
        if self._broken("raise"):
            raise RuntimeError("the sky fell\non us")
        self.count += 1 if action == 4 else -1
        reward = np.inf if self._broken("reward") else float(self.count == self.goal)
        return self._look(), reward, self.count == self.goal, False, {}

    def render(self):
        return np.full((8, 10, 3), min(255, 10 * max(self.count, 0)), np.uint8)


class Ladder(VectorEnv):
    """Only for many: each environment climbs by its action, and begins anew in the step that ended."""

    def __init__(self, num_envs=1, mode="same", final="array", max_episode_steps=None):
        modes = {"same": AutoresetMode.SAME_STEP, "next": AutoresetMode.NEXT_STEP}
        self.metadata = {"autoreset_mode": modes[mode]}
        self.num_envs, self.final = num_envs, final
        self.single_observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.single_action_space = spaces.Box(0.0, 1.0, (1, 1), np.float32)
        self.observation_space = spaces.Box(-np.inf, np.inf, (num_envs, 2), np.float32)
        self.action_space = spaces.Box(0.0, 1.0, (num_envs, 1, 1), np.float32)

    def reset(self, *, seed=None, options=None):
        self.height = np.zeros(self.num_envs, np.float32)
        return self._look(), {}

    def _look(self):
        return np.stack([self.height, np.arange(self.num_envs)], -1).astype(np.float32)

    def step(self, actions):
        assert actions.shape == (self.num_envs, 1, 1)
        self.height = self.height + actions[:, 0, 0]
        ended, last = self.height >= 2, self._look()
        self.height = np.where(ended, 0, self.height).astype(np.float32)
        final = last
        if self.final == "objects":
            final = np.array([None] * self.num_envs, dtype=object)
            for n in np.flatnonzero(ended):
                final[n] = last[n]
        infos = {"final_obs": final, "_final_obs": ended} if ended.any() and self.final != "none" else {}
        return self._look(), actions[:, 0, 0].astype(np.float64), ended, np.zeros(self.num_envs, bool), infos


class Crumbling(Ladder):
    """Its single version works, that for many breaks in its first step."""

    def __init__(self, num_envs=1, **kwargs):
        super().__init__(num_envs)

    def step(self, actions):
        raise RuntimeError("the rungs broke")


class Losing(Ladder):
    """Its own version for many loses the last observation of an episode."""

    def __init__(self, num_envs=1, **kwargs):
        super().__init__(num_envs, mode="next")


class Noise(gymnasium.Env):
    """Noise that no seed repeats, in the middle of many numbers, where a printed array leaves numbers out."""

    def __init__(self):
        self.observation_space = spaces.Box(0, 1, (50, 50), np.float32)
        self.action_space = spaces.Discrete(2)

    def _look(self):
        picture = np.zeros((50, 50), np.float32)
        picture[10:40, 10:40] = np.random.default_rng().random((30, 30))
        return picture

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._look(), {}

    def step(self, action):
        self.steps += 1
        return self._look(), float(action), self.steps == 9, False, {}


class Words(Count):
    """Nothing but text to see."""

    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Text(10)


class Unmade(gymnasium.Env):
    """Cannot be made."""

    def __init__(self):
        raise OSError("no such plug")


gymnasium.register("strange/Count-v0", Count, max_episode_steps=20)
gymnasium.register("strange/Endless-v0", Count)
gymnasium.register("strange/Ladder-v0", vector_entry_point=Ladder)
gymnasium.register("strange/Crumbling-v0", Count, vector_entry_point=Crumbling)
gymnasium.register("strange/Losing-v0", Count, vector_entry_point=Losing)
gymnasium.register("strange/Noise-v0", Noise)
gymnasium.register("strange/Words-v0", Words)
gymnasium.register("strange/Unmade-v0", Unmade)
