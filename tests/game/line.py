"""A playing field small enough to follow by hand: cells 0..9 in a row, lava at 0, the task's goal at 9."""

import numpy as np
import torch
from gymnasium import spaces

LEFT, RIGHT, STOP = 0, 1, 2


class LineField:
    """Every world starts at cell `start`; achieved goals are the cell, [N, 1]."""

    action_space, max_steps = spaces.Discrete(2), 20
    observation_space = spaces.MultiDiscrete([11, 11], dtype=np.uint8)

    def __init__(self, num_envs, start=4):
        self.num_envs, self.start = num_envs, start
        self.x = np.full(num_envs, start)
        self.t = np.zeros(num_envs, int)

    def generate(self, ids):
        self.x[ids], self.t[ids] = self.start, 0

    def snapshot(self):
        return self.x.copy(), self.t.copy()

    def restore(self, state, ids):
        self.x[ids], self.t[ids] = state[0][ids], state[1][ids]

    def achieved(self):
        return self.x[:, None].astype(np.uint8)

    def reached(self, desired, ids):
        return self.x[ids] == desired[ids, 0]

    def observe(self, desired, out, ids):
        out[ids, 0] = 1 + self.x[ids]
        out[ids, 1] = 0 if desired is None else 1 + desired[ids, 0]

    def step(self, action, ids):
        self.x[ids] += np.where(action[ids] == RIGHT, 1, -1)
        self.t[ids] += 1
        # As MiniGrid's: what is reached late pays nothing, later still it costs.
        reward = np.where(self.x == 9, 1 - 0.9 * self.t / self.max_steps, 0.0)
        return reward, (self.x == 9) | (self.x == 0), self.t >= self.max_steps, self.x == 0, self.x < 0


class Script:
    """A player that plays `moves[k]` at its k-th decision in every world, or whatever `choose(obs, k)` says."""

    streams, memory = (None,), 0

    def __init__(self, moves):
        self.moves, self.k, self.seen = moves, 0, []

    def act(self, obs, state=None, deterministic=False):
        obs = np.asarray(obs)
        self.seen.append(obs.copy())
        move = self.moves(obs, self.k) if callable(self.moves) else np.full(len(obs), self.moves[self.k])
        self.k += 1
        return Act(torch.from_numpy(np.asarray(move, np.int64)), torch.zeros(len(obs)), torch.zeros(len(obs), 1))


class Rememberer(Script):
    """A player that remembers one number a world: the sum of the cells (counted from 1) it has acted in."""

    memory = 1

    def act(self, obs, state=None, deterministic=False):
        act = super().act(obs)
        act.state = state + torch.from_numpy(np.asarray(obs)[:, :1].astype(np.float32))
        return act


class Act:
    def __init__(self, action, log_prob, value):
        self.action, self.log_prob, self.value, self.state = action, log_prob, value, None


def towards_goal(obs, _k):
    """Bob's best play: obs is (1 + cell, 1 + goal)."""
    return np.where(obs[:, 1] > obs[:, 0], RIGHT, LEFT)
