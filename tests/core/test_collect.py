import dataclasses

import numpy as np
import pytest
import torch
from core_worlds import CueWorld, made_up

from selfplay.core.collect import Rollout, collect
from selfplay.core.config import PPOConfig
from selfplay.core.learner import Learner
from selfplay.core.streams import Stream
from selfplay.rewards.task import TaskReward


class CountingWorld(CueWorld):
    """The observation is the step within the episode, 1 at its start; episodes last `length` steps."""

    succeeds = True

    def reset(self, seed):
        self.clock = np.zeros(self.num_envs, np.int64)
        return np.ones((self.num_envs, 1), np.uint8)

    def step(self, action, next_obs_out, obs_out, reward_out, terminated_out, truncated_out):
        self.clock += 1
        done = self.clock == self.length
        reward_out[:] = np.where(done, 1.0, 0.25)
        terminated_out[:], truncated_out[:] = done & self.terminates, done & (not self.terminates)
        next_obs_out[:] = 1 + self.clock[:, None]
        self.clock[done] = 0
        obs_out[:] = 1 + self.clock[:, None]


def played(world, steps):
    learner = Learner(world.observation_space, world.action_space, PPOConfig(), [Stream(TaskReward())], 0)
    rollout = Rollout(world, steps, 1)
    rollout.start(world, seed=0)
    return learner, rollout


@pytest.mark.parametrize("terminates", [True, False])
def test_the_successor_across_a_reset_is_the_true_one(terminates):
    world = CountingWorld(2, actions=6, length=3, terminates=terminates)
    learner, rollout = played(world, 5)
    batch, stats = collect(world, learner, rollout)
    assert batch.obs[:, 0, 0].tolist() == [1, 2, 3, 1, 2]
    assert batch.next_obs[:, 0, 0].tolist() == [2, 3, 4, 2, 3]
    assert batch.done[:, 0].tolist() == [False, False, True, False, False]
    assert batch.played_steps == 10
    assert stats.returns.tolist() == [1.5, 1.5]
    assert stats.lengths.tolist() == [3, 3]
    assert stats.successes.tolist() == [terminates] * 2
    batch, stats = collect(world, learner, rollout)  # goes on where it stopped
    assert batch.obs[:, 0, 0].tolist() == [3, 1, 2, 3, 1]
    assert stats.lengths.tolist() == [3, 3, 3, 3]
    assert stats.returns.tolist() == [1.5] * 4


def test_a_rollout_goes_on_from_its_state():
    world = CountingWorld(2, actions=6, length=4)
    learner, rollout = played(world, 5)
    collect(world, learner, rollout)
    resumed = Rollout(world, 5, 1)
    resumed.load_state_dict(rollout.state_dict())
    batch, stats = collect(world, learner, resumed)
    assert batch.obs[0, :, 0].tolist() == [2, 2]
    assert stats.returns.tolist() == [1.75, 1.75]
    with pytest.raises(ValueError, match=r"'obs' must be torch.uint8 \[2, 1\], got torch.uint8 \[3, 1\]"):
        resumed.load_state_dict(rollout.state_dict() | {"obs": torch.zeros(3, 1, dtype=torch.uint8)})


def test_what_was_not_started_is_refused():
    world = CountingWorld(2)
    learner, _ = played(world, 5)
    with pytest.raises(ValueError, match="rollout was not started"):
        collect(world, learner, Rollout(world, 5, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: {"task_reward": b.task_reward[:2]}, r"task_reward must start with \[T, N\] = \[3, 4\]"),
        (lambda b: {"mask": b.mask.float()}, "mask must be bool"),
        (lambda b: {"value": b.value[..., 0]}, r"value must be \[T, N, K\]"),
        (lambda b: {"next_obs": b.next_obs.float()}, "obs and next_obs must be alike"),
        (lambda b: {"log_prob": b.value}, r"log_prob must be \[T, N\]"),
    ],
)
def test_transitions_of_wrong_shape_are_refused(change, message):
    batch = made_up(3, 4, [5, 5])
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(batch, **change(batch))
