"""A playing field of continuous actions small enough to follow by hand: a bead on a wire, the task's goal at 9 m."""

import numpy as np
from gymnasium import spaces


class SlideField:
    """A step moves the bead by the action, within ±2 m: a player's 1 is 2 m. Goals are reached within .3 m."""

    action_space, max_steps = spaces.Box(-2.0, 2.0, (1,), np.float32), 20
    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def __init__(self, num_envs, start=0.0):
        self.num_envs, self.start = num_envs, start
        self.x, self.given = np.full(num_envs, start), []

    def generate(self, ids):
        self.x[ids] = self.start

    def snapshot(self):
        return self.x.copy()

    def restore(self, state, ids):
        self.x[ids] = state[ids]

    def achieved(self):
        return self.x[:, None].copy()

    def reached(self, desired, ids):
        return np.abs(self.x[ids] - desired[ids, 0]) <= 0.3

    def observe(self, desired, out, ids):
        out[ids, 0] = self.x[ids]
        out[ids, 1] = 0 if desired is None else desired[ids, 0]

    def step(self, action, ids):
        self.given.append(action[ids].copy())
        self.x[ids] += action[ids, 0]
        nobody = np.zeros(self.num_envs, bool)
        return np.zeros(self.num_envs), nobody, nobody, nobody, nobody
