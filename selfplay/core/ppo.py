"""PPO's loss (Schulman et al. 2017, arXiv 1707.06347, equations 7 and 9) as a pure function."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from selfplay.core.config import PPOConfig
from selfplay.core.policy import ActorCritic

SPREAD = 1e-8
"""Added to an advantage's deviation before dividing by it."""

SMALLEST = 1e-12
"""Least length of a gradient that another one is compared to."""


@dataclass(frozen=True)
class Minibatch:
    """B steps to learn from.

    obs [B, …], action [B, …], log_prob float32 [B] under the policy that acted, advantage float32 [B] (the streams'
    advantages, weighted and added), returns float32 [B, K] and value float32 [B, K] as they were when acting.
    """

    obs: Tensor
    action: Tensor
    log_prob: Tensor
    advantage: Tensor
    returns: Tensor
    value: Tensor

    def take(self, index: Tensor) -> Minibatch:
        """The steps `index` (int64 [M])."""
        fields = (self.obs, self.action, self.log_prob, self.advantage, self.returns, self.value)
        return Minibatch(*(field[index] for field in fields))


def ppo_loss(policy: ActorCritic, minibatch: Minibatch, config: PPOConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """`loss_of` what a policy without a memory says of the minibatch's observations."""
    parameters, value = policy(minibatch.obs)
    return loss_of(policy, parameters, value, minibatch, config)


def loss_of(
    policy: ActorCritic, parameters: Tensor, value: Tensor, minibatch: Minibatch, config: PPOConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss to minimise (a scalar) and its metrics (scalars without gradient).

    parameters [B, A], value [B, K]: what the policy's heads put out for the minibatch.

    loss = -mean min(ρA, clip(ρ)A) + value_coef · Σ_k mean ½(V_k - R_k)² - entropy · mean H.

    Metrics: loss, surrogate (the first term), value_loss, entropy (nats), approx_kl (nats, mean of ρ - 1 - log ρ),
    clip_fraction, entropy_to_surrogate (length of the entropy bonus's gradient to the policy head's weights over the
    length of the surrogate's: above 1 the bonus steers; with continuous actions, to the deviations).
    """
    log_ratio = policy.distribution.log_prob(parameters, minibatch.action) - minibatch.log_prob
    ratio = log_ratio.exp()
    advantage = minibatch.advantage
    if config.normalise_advantage and config.normalise_over == "minibatch":
        advantage = normalised(advantage)
    surrogate = -torch.minimum(ratio * advantage, ratio.clamp(1 - config.clip, 1 + config.clip) * advantage).mean()

    error = (value - minibatch.returns) ** 2
    if config.clip_value is not None:
        near = minibatch.value + (value - minibatch.value).clamp(-config.clip_value, config.clip_value)
        error = torch.maximum(error, (near - minibatch.returns) ** 2)
    value_loss = 0.5 * error.mean(0).sum()

    entropy = policy.distribution.entropy(parameters).mean()
    loss = surrogate + config.value_coef * value_loss - config.entropy * entropy

    metrics = {"loss": loss, "surrogate": surrogate, "value_loss": value_loss, "entropy": entropy}
    metrics["approx_kl"] = (ratio - 1 - log_ratio).mean()
    metrics["clip_fraction"] = ((ratio - 1).abs() > config.clip).float().mean()
    if parameters.requires_grad:
        head = policy.policy_head.weight if policy.log_std is None else policy.log_std
        (of_surrogate,) = torch.autograd.grad(surrogate, head, retain_graph=True)
        (of_bonus,) = torch.autograd.grad(config.entropy * entropy, head, retain_graph=True)
        metrics["entropy_to_surrogate"] = of_bonus.norm() / of_surrogate.norm().clamp_min(SMALLEST)
    return loss, {name: metric.detach() for name, metric in metrics.items()}


def normalised(advantage: Tensor) -> Tensor:
    """advantage [B] with mean 0 and variance 1."""
    if advantage.device.type == "cpu":  # numpy adds in one order; the last bits of torch's sums depend on its threads
        numbers = advantage.numpy()
        return (advantage - float(numbers.mean(dtype=np.float64))) / (float(numbers.std(dtype=np.float64)) + SPREAD)
    return (advantage - advantage.mean()) / (advantage.std(correction=0) + SPREAD)
