"""STOP beside continuous actions: a chance p of STOP, else normal variables."""

import math

import gymnasium
import numpy as np
import pytest
import torch

from selfplay.core.config import PPOConfig
from selfplay.core.distributions import Gaussian, GaussianOrStop, OrStop, distribution_for
from selfplay.core.learner import Learner
from selfplay.core.streams import Stream
from selfplay.core.transitions import Transitions
from selfplay.rewards.task import TaskReward

BOX = gymnasium.spaces.Box(np.float32([-3, 0]), np.float32([3, 2]))


def parameters(rows, size, seed=0):
    """Means, logit and log deviations, [rows, 2 · size + 1]."""
    return torch.randn(rows, 2 * size + 1, generator=torch.Generator().manual_seed(seed)) * 0.7


def test_what_is_said_has_probability_one_in_all():
    """p, and (1 - p) spread over the line: a sum over a fine grid."""
    one = GaussianOrStop(Gaussian((-1.0,), (1.0,)), -1.5)
    line = torch.linspace(-12, 12, 24_001)
    said = torch.stack([line, torch.zeros_like(line)], -1)
    for row in parameters(5, 1):
        go = one.log_prob(row.expand(len(line), -1), said).exp().sum() * 24 / 24_000
        stop = one.log_prob(row, torch.tensor([0.0, 1.0])).exp()
        chance = 1 / (1 + math.exp(-(float(row[1]) - 1.5)))
        assert float(stop) == pytest.approx(chance, abs=1e-6)
        assert float(go) == pytest.approx(1 - chance, abs=1e-4)


def test_entropy_is_the_mean_surprise_of_what_is_drawn():
    distribution = distribution_for(OrStop(BOX, 0.2))
    for row in parameters(4, 2):
        many = row.expand(200_000, -1)
        said = distribution.sample(many, torch.Generator().manual_seed(1))
        surprise = -distribution.log_prob(many, said)
        error = float(surprise.std()) / math.sqrt(len(said))
        assert float(surprise.mean()) == pytest.approx(float(distribution.entropy(row)), abs=4 * error)


def test_a_policy_that_has_learnt_nothing_stops_as_often_as_it_is_told():
    space = OrStop(BOX, 0.05)
    player = Learner(gymnasium.spaces.Box(-1, 1, (4,)), space, PPOConfig(), [Stream(TaskReward())], seed=0)
    said = player.act(torch.randn(40_000, 4, generator=torch.Generator().manual_seed(0))).action
    stops = said[:, -1] > 0.5
    assert said.shape == (40_000, 3)
    assert float(stops.float().mean()) == pytest.approx(0.05, abs=0.005)
    assert (said[stops] == torch.tensor([0.0, 0.0, 1.0])).all()
    assert (said[~stops, -1] == 0).all()
    assert float(said[~stops, :2].std()) == pytest.approx(1.0, abs=0.02)


def test_the_likeliest_and_what_is_played():
    distribution = distribution_for(OrStop(BOX, 0.5))
    numbers = torch.tensor([[0.5, -9.0, -0.1, 0.0, 0.0], [0.5, -9.0, 0.1, 0.0, 0.0]])
    said = distribution.mode(numbers)
    assert said.tolist() == [[0.5, -9.0, 0.0], [0.0, 0.0, 1.0]]
    assert distribution.played(said).tolist() == [[1.5, 0.0, 0.0], [0.0, 1.0, 1.0]]  # in units of the box, inside it


def test_a_chance_that_is_none_is_refused():
    for chance in (0.0, 1.0, -0.1):
        with pytest.raises(ValueError, match="0 < chance < 1"):
            OrStop(BOX, chance)


def test_it_is_learnt_when_to_stop():
    """Seen a positive number STOP pays 1, seen a negative one it costs 1; anything else pays nothing."""
    space = OrStop(BOX, 0.1)
    config = PPOConfig(minibatch_size=128, epochs=4, learning_rate=3e-3)
    player = Learner(gymnasium.spaces.Box(-1, 1, (1,)), space, config, [Stream(TaskReward())], seed=0)
    generator = torch.Generator().manual_seed(3)
    ends = torch.ones(1, 256, dtype=torch.bool)
    for _ in range(40):
        obs = torch.rand(1, 256, 1, generator=generator) * 2 - 1
        act = player.act(obs[0])
        reward = torch.where(act.action[:, -1] > 0.5, obs[0, :, 0].sign(), 0.0)
        player.update(
            Transitions(
                obs=obs, action=act.action[None], log_prob=act.log_prob[None], value=act.value[None], next_obs=obs,
                terminated=ends, truncated=~ends, task_reward=reward[None], mask=ends,
            )
        )  # fmt: skip
    said = player.act(torch.tensor([[0.5], [-0.5]]).repeat(1000, 1)).action[:, -1].reshape(1000, 2).mean(0)
    assert said[0] > 0.9
    assert said[1] < 0.05
