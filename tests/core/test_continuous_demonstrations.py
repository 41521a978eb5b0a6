"""Cloning continuous actions: the clipped ratio of OpenAI 2021 (arXiv 2101.04882, L_abc) with normal policies."""

import gymnasium
import numpy as np
import pytest
import torch

from selfplay.core.config import PPOConfig
from selfplay.core.learner import Learner
from selfplay.core.ppo import Minibatch
from selfplay.core.streams import Stream
from selfplay.core.transitions import Demonstration, Transitions
from selfplay.rewards.task import TaskReward

SEEN = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
MOVES = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)


def learner(**options):
    config = PPOConfig(**{"normalise_over": "batch", "hidden": (8, 8), "activation": "tanh", "entropy": 0.0} | options)
    return Learner(SEEN, MOVES, config, [Stream(TaskReward(), gamma=config.gamma)], seed=0)


def numbers(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch(player, rows=64):
    """One-step episodes that pay nothing, so that only the demonstrations steer."""
    obs = numbers(1, rows, 2, seed=1)
    act = player.act(obs[0])
    flags = torch.ones(1, rows, dtype=torch.bool)
    return Transitions(
        obs=obs, action=act.action[None], log_prob=act.log_prob[None], value=act.value[None], next_obs=obs,
        terminated=flags, truncated=~flags, task_reward=torch.zeros(1, rows), mask=flags,
    )  # fmt: skip


@pytest.mark.parametrize("fused", [True, False])
def test_the_gradient_is_that_of_the_formula(fused):
    """-w · mean min(ρ, clip(ρ, 1 - ε, 1 + ε)), ρ a ratio of normal densities, by finite differences in float64."""
    weight, clip, rows = 0.5, 0.2, 24
    player = learner(fused=fused, clip=clip, value_coef=0.0, log_std=-0.4)
    obs, action = numbers(rows, 2, seed=2), numbers(rows, 2, seed=3)
    with torch.no_grad():
        parameters, value = player.policy(obs)
        acted = player.policy.distribution.log_prob(parameters, action) + 0.3 * numbers(rows, seed=4)
    steps = Minibatch(obs, action, acted, torch.full((rows,), weight), value, value)
    player.gradients.of(steps, None)(torch.arange(rows))
    means, log_std = parameters[:, :2].numpy().astype(float), np.full(2, -0.4)

    def formula(shift, log_std):
        z = (action.numpy() - means - shift) / np.exp(log_std)
        log_prob = -0.5 * (z**2 + 2 * log_std + np.log(2 * np.pi)).sum(1)
        ratio = np.exp(log_prob - acted.numpy())
        return -(weight * np.minimum(ratio, np.clip(ratio, 1 - clip, 1 + clip))).mean()

    for name, shifted in (("policy_head.bias", True), ("log_std", False)):
        found = player.adam.view(player.adam.gradient, name)
        for k in range(2):
            step = 1e-6 * np.eye(2)[k]
            up, down = (formula(s * step * shifted, log_std + s * step * (not shifted)) for s in (1, -1))
            assert float(found[k]) == pytest.approx((up - down) / 2e-6, abs=2e-5), (name, k)
    ratio = (player.policy.distribution.log_prob(parameters, action) - acted).exp()
    assert 0 < (ratio > 1 + clip).float().mean() < 1  # some are beyond the clip, and pull no more


@pytest.mark.parametrize("fused", [True, False])
def test_demonstrated_actions_are_taken_up_and_values_stay(fused):
    player = learner(fused=fused, learning_rate=3e-3)
    obs = torch.tensor([[1.0, 0.0], [-1.0, 0.5]]).repeat(40, 1)
    action = torch.tensor([[0.8, -0.5], [-0.3, 1.0]]).repeat(40, 1)
    values = player.value(obs)
    for _ in range(60):
        metrics = player.update(batch(player), demonstrations=[Demonstration(obs, action, 2.0)])
    assert metrics["demonstrated_steps"] == 80
    torch.testing.assert_close(player.act(obs, deterministic=True).action, action, atol=0.15, rtol=0)
    torch.testing.assert_close(player.value(obs), values, atol=0.1, rtol=0)


def test_an_action_the_policy_can_hardly_take_does_not_blow_it_up():
    """Far beyond the deviation the density underflows; the ratio starts at 1 all the same."""
    player = learner(log_std=-3.0)
    shown = Demonstration(torch.zeros(8, 2), torch.ones(8, 2), 0.5)
    before = player.act(shown.obs, deterministic=True).action
    metrics = player.update(batch(player), demonstrations=[shown])
    assert np.isfinite(metrics["loss"])
    assert (player.act(shown.obs, deterministic=True).action > before).all()
