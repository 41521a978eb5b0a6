"""Tiny worlds and made-up batches for the tests of the core."""

import gymnasium
import numpy as np
import torch

from selfplay.core.config import PPOConfig
from selfplay.core.learner import Learner
from selfplay.core.streams import Stream
from selfplay.core.transitions import Transitions
from selfplay.rewards.task import TaskReward

ACTIONS = 7


class ExtraReward:
    """Pays the first token of the successor; keeps count of its fits."""

    name = "extra"
    episodic = False

    def __init__(self):
        self.fits = torch.zeros(1)

    def reward(self, batch):
        return batch.next_obs[..., 0].float()

    def fit(self, batch):
        self.fits += 1
        return {"fits": self.fits.item()}

    def state_dict(self):
        return {"fits": self.fits.clone()}

    def load_state_dict(self, state):
        self.fits = state["fits"].clone()


def made_up(steps, envs, nvec, streams=1, seed=0, seen=0.4):
    """Random transitions with terminations and truncations; about `seen` of the tokens are not 0."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, nvec, (steps + 1, envs, len(nvec)), dtype=np.uint8)
    tokens *= rng.random(tokens.shape) < seen
    obs = torch.from_numpy(tokens)
    done = torch.from_numpy(rng.random((steps, envs)) < 0.1)
    died = torch.from_numpy(rng.random((steps, envs)) < 0.5)

    def normal(*shape):
        return torch.from_numpy(rng.normal(size=shape).astype(np.float32))

    return Transitions(
        obs=obs[:-1],
        action=torch.from_numpy(rng.integers(0, ACTIONS, (steps, envs))),
        log_prob=-1.95 + 0.2 * normal(steps, envs),
        value=normal(steps, envs, streams),
        next_obs=obs[1:],
        terminated=done & died,
        truncated=done & ~died,
        task_reward=normal(steps, envs),
        mask=torch.ones_like(done),
    )


def token_learner(nvec, streams=None, seed=1, **settings):
    """A learner that sees tokens of sizes `nvec` and has seven actions."""
    return Learner(
        gymnasium.spaces.MultiDiscrete(nvec),
        gymnasium.spaces.Discrete(ACTIONS),
        PPOConfig(**settings),
        streams or [Stream(TaskReward())],
        seed,
    )


class CueWorld:
    """Each observation is one token 1 … A; the action that it names pays 1. Every `length` steps the episode is cut."""

    succeeds = True

    def __init__(self, num_envs, actions=4, length=3, terminates=False, pays_always=False):
        self.num_envs, self.actions, self.length = num_envs, actions, length
        self.terminates, self.pays_always = terminates, pays_always
        self.observation_space = gymnasium.spaces.MultiDiscrete([actions + 1])
        self.action_space = gymnasium.spaces.Discrete(actions)
        self.columns = {"obs": slice(0, 1)}

    def reset(self, seed):
        self.rng = np.random.default_rng(seed)
        self.clock = np.arange(self.num_envs) % self.length
        self.cue = self.draw()
        return self.cue.copy()

    def draw(self):
        return self.rng.integers(1, self.actions + 1, (self.num_envs, 1), dtype=np.uint8)

    def step(self, action, next_obs_out, obs_out, reward_out, terminated_out, truncated_out):
        reward_out[:] = self.pays_always | (action + 1 == self.cue[:, 0])
        self.clock += 1
        done = self.clock == self.length
        terminated_out[:], truncated_out[:] = done & self.terminates, done & (not self.terminates)
        next_obs_out[:] = self.draw()
        self.cue = np.where(done[:, None], self.draw(), next_obs_out)
        self.clock[done] = 0
        obs_out[:] = self.cue


class RecallWorld:
    """A cue, 1 … A, is seen at the first of `length` steps and then no more; at the last the action it names pays 1.

    Between them the observation is 0, at the last step A + 1. Episodes terminate, each environment at its own time.
    """

    succeeds = True

    def __init__(self, num_envs, actions=2, length=5):
        self.num_envs, self.actions, self.length = num_envs, actions, length
        self.observation_space = gymnasium.spaces.MultiDiscrete([actions + 2])
        self.action_space = gymnasium.spaces.Discrete(actions)
        self.columns = {"obs": slice(0, 1)}

    def reset(self, seed):
        self.rng = np.random.default_rng(seed)
        self.clock = np.arange(self.num_envs) % self.length
        self.cue = self.rng.integers(1, self.actions + 1, self.num_envs)
        return self.seen()

    def seen(self):
        last = np.where(self.clock == self.length - 1, self.actions + 1, 0)
        return np.where(self.clock == 0, self.cue, last).astype(np.uint8)[:, None]

    def step(self, action, next_obs_out, obs_out, reward_out, terminated_out, truncated_out):
        over = self.clock == self.length - 1
        reward_out[:] = over & (action + 1 == self.cue)
        terminated_out[:], truncated_out[:] = over, False
        self.clock += 1
        next_obs_out[:] = self.seen()
        self.clock[over] = 0
        self.cue = np.where(over, self.rng.integers(1, self.actions + 1, self.num_envs), self.cue)
        obs_out[:] = self.seen()


class Corridor:
    """Rooms 1, 2, 3; any action goes to the next, and pays 1. The way out, 4, ends the episode: nobody acts there."""

    succeeds = True

    def __init__(self, num_envs):
        self.num_envs = num_envs
        self.observation_space = gymnasium.spaces.MultiDiscrete([5])
        self.action_space = gymnasium.spaces.Discrete(2)
        self.columns = {"obs": slice(0, 1)}

    def reset(self, seed):
        self.room = 1 + np.arange(self.num_envs) % 3
        return self.room.astype(np.uint8)[:, None]

    def step(self, action, next_obs_out, obs_out, reward_out, terminated_out, truncated_out):
        self.room += 1
        next_obs_out[:, 0] = self.room
        reward_out[:], terminated_out[:], truncated_out[:] = 1, self.room == 4, False
        self.room[self.room == 4] = 1
        obs_out[:, 0] = self.room
