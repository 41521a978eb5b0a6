"""What a reward of 0 means where episodes end at different times: a constant that equal lengths cannot tell."""

import dataclasses

import gymnasium
import numpy as np
import pytest
import torch

from curiosity.source import Surroundings
from selfplay.core.advantages import estimate
from selfplay.core.collect import Rollout, collect
from selfplay.core.config import PPOConfig
from selfplay.core.encoders import encoder_for
from selfplay.core.learner import Learner
from selfplay.core.streams import Stream
from selfplay.core.transitions import Transitions
from selfplay.label.pairs import Pairs
from selfplay.label.segments import cut
from selfplay.label.settings import OneTeacher
from selfplay.label.teachers import ScriptedTeacher
from selfplay.rewards.preference_config import PreferenceConfig
from selfplay.rewards.preferences import PreferenceReward, unequal_lengths


def answered(batch, count, seed=0, **teacher):
    """So many comparisons of the segments of `batch`, as a script answers them; a tenth is held out."""
    script = ScriptedTeacher("script", OneTeacher(**teacher), seed)
    stream, segments = torch.Generator().manual_seed(seed), batch.mask.shape[1]
    sets = torch.stack([torch.randperm(segments, generator=stream)[:2] for _ in range(count)])
    value = {"left": 1.0, "right": 0.0, "equal": 0.5}
    target = torch.tensor([value[said] for said in script.answer(batch, sets)])
    return Pairs(batch, sets[:, 0], sets[:, 1], target, torch.arange(count), torch.arange(count) < count / 10)


def segments(count, lengths, seed=0):
    """Segments [6, M] of one random number a step, which pays 1 + half of it. lengths: int64 [M]."""
    obs = torch.randn(6, count, 1, generator=torch.Generator().manual_seed(seed))
    mask = torch.arange(6)[:, None] < lengths
    none = torch.zeros(6, count, dtype=torch.bool)
    return Transitions(
        obs=obs, action=torch.zeros(6, count, dtype=torch.int64), log_prob=torch.zeros(6, count),
        value=torch.zeros(6, count, 0), next_obs=obs, terminated=none, truncated=none,
        task_reward=torch.where(mask, 1 + obs[..., 0] / 2, 0.0), mask=mask,
    )  # fmt: skip


def source_of(space, **settings):
    told = Surroundings({"obs": space}, gymnasium.spaces.Discrete(2), encoder_for, 0)
    settings = {"width": 16, "members": 3, "learning_rate": 0.003, "epochs": 40} | settings
    return PreferenceReward(PreferenceConfig(**settings), told)


LINE = gymnasium.spaces.Box(-np.inf, np.inf, (1,))


def test_shares_of_unequal_lengths_by_hand():
    batch = segments(4, torch.tensor([6, 6, 3, 2]))
    left, right = torch.tensor([0, 0, 2, 3]), torch.tensor([1, 2, 3, 3])
    pairs = Pairs(batch, left, right, torch.ones(4), torch.arange(4), torch.zeros(4, dtype=torch.bool))
    assert unequal_lengths(pairs) == 0.5
    assert unequal_lengths(pairs.where(torch.zeros(4, dtype=torch.bool))) == 0.0


@pytest.mark.parametrize(("shift", "constant"), [("auto", 2.0), ("none", 2.0), ("mean", 0.0)])
def test_comparisons_of_unequal_lengths_tell_the_constant(shift, constant):
    """The true mean is 1 and the deviation ½: scaled to deviation 1, the mean is 2."""
    lengths = torch.randint(1, 7, (200,), generator=torch.Generator().manual_seed(1))
    source = source_of(LINE, shift=shift)
    source.fit_pairs(answered(segments(200, lengths), 600, beta=3.0))
    fresh = segments(400, torch.full((400,), 6), seed=5)
    source.normalise(fresh)
    paid = source.reward(fresh)
    assert paid.std().item() == pytest.approx(1, abs=0.01)
    assert paid.mean().item() == pytest.approx(constant, abs=0.5 if constant else 1e-4)
    again = source_of(LINE, shift=shift)
    again.load_state_dict(source.state_dict())
    again.normalise(segments(50, torch.full((50,), 6), seed=6))  # what the fit found is part of the state
    assert again.reward(fresh).mean().item() == pytest.approx(constant, abs=0.7 if constant else 0.3)


def test_comparisons_of_one_length_tell_nothing_of_it():
    source = source_of(LINE)
    batch = segments(200, torch.full((200,), 6))
    assert source.fit_pairs(answered(batch, 600, beta=3.0))["unequal_lengths"] == 0
    source.normalise(batch)
    assert source.reward(batch).mean().item() == pytest.approx(0, abs=1e-4)


def test_through_the_ends_of_episodes_a_constant_decides_nothing():
    """r + c with V + c / (1 - γ) has the advantages of r with V; where returns end with the episode it has not."""
    stream = torch.Generator().manual_seed(0)
    batch = segments(8, torch.full((8,), 6))
    batch = dataclasses.replace(batch, terminated=torch.rand(6, 8, generator=stream) < 0.4)
    reward, value = torch.randn(2, 6, 8, 1, generator=stream)
    after = torch.randn(8, 1, generator=stream)
    gamma, constant = 0.9, 3.0
    more = constant / (1 - gamma)

    def advantage(episodic, c, v):
        def ahead(where):
            return (after + v)[where.any(0)] if where.dim() == 2 else (after + v)[where]

        flags = torch.tensor([episodic])
        last = torch.zeros(6, 8, dtype=torch.bool)
        last[-1] = True
        ended = dataclasses.replace(batch, terminated=batch.terminated & ~last)
        return estimate(
            ended, reward + c, value + v, ahead, torch.tensor([gamma]), flags, 0.95, lambda n: (after + v)[n]
        )

    torch.testing.assert_close(advantage(False, constant, more), advantage(False, 0.0, 0.0), atol=1e-4, rtol=1e-4)
    assert (advantage(True, constant, more) - advantage(True, 0.0, 0.0)).abs().max() > 1


class Lives:
    """Worlds of one state. Action 0 pays .1 and goes on, at most 20 steps; action 1 pays .5 and ends the episode."""

    succeeds = False
    observation_space = gymnasium.spaces.MultiDiscrete([2])
    action_space = gymnasium.spaces.Discrete(2)
    columns = {"obs": slice(0, 1)}  # noqa: RUF012

    def __init__(self, num_envs):
        self.num_envs = num_envs
        self.age = np.zeros(num_envs, np.int64)

    def reset(self, seed):
        self.age[:] = 0
        return np.ones((self.num_envs, 1), np.uint8)

    def step(self, action, next_obs_out, obs_out, reward_out, terminated_out, truncated_out):
        next_obs_out[:] = obs_out[:] = 1
        self.age += 1
        reward_out[:] = np.where(action == 1, 0.5, 0.1)
        terminated_out[:] = action == 1
        truncated_out[:] = ~terminated_out & (self.age == 20)
        self.age[terminated_out | truncated_out] = 0


@pytest.mark.parametrize(("shift", "stays"), [("auto", True), ("mean", False)])
def test_who_is_told_of_lives_of_unequal_length_lives_long(shift, stays):
    """Twenty quiet steps are worth 2, an end .5. At mean 0 staying is worth less than nothing, so it ends at once."""
    source = source_of(Lives.observation_space, shift=shift, episodic=True, gamma=0.99)
    config = PPOConfig(hidden=(16, 16), minibatch_size=320, learning_rate=0.01, entropy=0.0, epochs=4, fused=False)
    world = Lives(32)
    learner = Learner(world.observation_space, world.action_space, config, [Stream(source)], seed=0)
    rollout = Rollout(world, 20, 1)
    rollout.start(world, 0)
    with torch.no_grad():
        learner.policy.policy_head.bias += torch.tensor([2.0, 0.0])  # lives of some ten steps
    first, _ = collect(world, learner, rollout)
    clips = cut(first, 10).steps
    assert source.fit_pairs(answered(clips, 400, beta=5.0))["unequal_lengths"] > 0.5
    source.normalise(first)
    for _ in range(25):
        played, episodes = collect(world, learner, rollout)
        learner.update(played)
    assert (episodes.lengths.mean() > 15) == stays
    assert (episodes.lengths.mean() < 2) != stays
