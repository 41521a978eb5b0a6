"""Cloning: demonstrations enter the surrogate as steps of a known advantage."""

import gymnasium
import numpy as np
import pytest
import torch

from selfplay.core.config import PPOConfig
from selfplay.core.learner import Learner
from selfplay.core.streams import Stream
from selfplay.core.transitions import Demonstration, Transitions
from selfplay.rewards.task import TaskReward

SPACE = gymnasium.spaces.MultiDiscrete([6, 6], dtype=np.uint8)


def learner(**options):
    config = PPOConfig(normalise_over="batch", **options)
    streams = [Stream(TaskReward(), gamma=config.gamma)]
    return Learner(SPACE, gymnasium.spaces.Discrete(4), config, streams, seed=0)


def batch(player, rows=64):
    """One-step episodes that pay nothing, so that only the demonstrations steer."""
    obs = torch.randint(1, 6, (1, rows, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    act = player.act(obs[0])
    flags = torch.ones(1, rows, dtype=torch.bool)
    return Transitions(
        obs=obs, action=act.action[None], log_prob=act.log_prob[None], value=act.value[None], next_obs=obs,
        terminated=flags, truncated=~flags, task_reward=torch.zeros(1, rows), mask=flags,
    )  # fmt: skip


def probability(player, obs, action):
    parameters, _ = player.policy(obs)
    return player.policy.distribution.log_prob(parameters, action).exp().detach()


@pytest.mark.parametrize("fused", [True, False])
def test_demonstrated_actions_become_likely_and_values_stay(fused):
    player = learner(fused=fused, entropy=0.0)
    obs = torch.tensor([[1, 2], [3, 4], [5, 1]], dtype=torch.uint8).repeat(20, 1)
    action = torch.tensor([0, 2, 3]).repeat(20)
    before, values = probability(player, obs, action), player.value(obs)
    for _ in range(40):
        metrics = player.update(batch(player), demonstrations=[Demonstration(obs, action, 2.0)])
    assert metrics["demonstrated_steps"] == 60
    assert (probability(player, obs, action) > 0.9).all()
    assert (before < 0.5).all()
    torch.testing.assert_close(player.value(obs), values, atol=0.1, rtol=0)


def test_one_update_moves_a_probability_no_further_than_the_clip_lets_it():
    """The clipped ratio's gradient is zero beyond 1 + ε, so a single demonstrated action settles near it."""
    player = learner(entropy=0.0, epochs=500, clip=0.2, value_coef=0.0, learning_rate=1e-4)
    obs, action = torch.tensor([[1, 2]], dtype=torch.uint8).repeat(50, 1), torch.zeros(50, dtype=torch.int64)
    before = probability(player, obs, action)
    # Nothing is paid, and nobody else plays in this cell.
    played = batch(player)
    played.obs.fill_(5)
    player.update(played, demonstrations=[Demonstration(obs, action, 1.0)])
    ratio = (probability(player, obs, action) / before)[0]
    assert 1.2 <= ratio < 1.4


def test_normalising_over_minibatches_is_refused():
    player = Learner(SPACE, gymnasium.spaces.Discrete(4), PPOConfig(), [Stream(TaskReward())], seed=0)
    shown = Demonstration(torch.ones(1, 2, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64), 1.0)
    with pytest.raises(ValueError, match="normalise_over"):
        player.update(batch(player), demonstrations=[shown])
