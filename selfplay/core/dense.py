"""PPO's gradient by hand for vectors and continuous actions: the products of `ppo_loss` without a graph of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from selfplay.core.adam import Adam
from selfplay.core.config import PPOConfig
from selfplay.core.distributions import Gaussian
from selfplay.core.encoders import VectorEncoder
from selfplay.core.policy import ActorCritic
from selfplay.core.ppo import SMALLEST, Minibatch, normalised


def fits(policy: ActorCritic, config: PPOConfig) -> bool:
    """Whether there is a path by hand: vectors, continuous actions, no memory, values that move freely."""
    return (
        isinstance(policy.encoder, VectorEncoder)
        and isinstance(policy.distribution, Gaussian)
        and policy.memory == 0
        and config.clip_value is None
    )


class DenseNetwork:
    """`policy`'s layers and where in `adam.gradient` their gradients go. On any device."""

    def __init__(self, policy: ActorCritic, adam: Adam) -> None:
        self.policy = policy
        self.gradients = {name: adam.view(adam.gradient, name) for name, _ in policy.named_parameters()}
        self.actor = ["encoder", *(f"layers.{k}" for k in range(len(policy.layers)))]
        self.critic = [f"critic.{k}" for k in range(len(policy.critic))] if policy.critic is not None else []
        self.weights = {name: parameter.detach() for name, parameter in policy.named_parameters()}

    @torch.no_grad()
    def loss_gradient(self, batch: Minibatch, seen: Tensor, config: PPOConfig) -> dict[str, float]:
        """`ppo_loss` of `batch`, whose observations are `seen` once normalised: gradient written, metrics returned."""
        count, weights = len(seen), self.weights
        actor = self._forward(self.actor, seen)
        critic = self._forward(self.critic, seen) if self.critic else actor
        mean = torch.addmm(weights["policy_head.bias"], actor[-1], weights["policy_head.weight"].T)
        value = torch.addmm(weights["value_head.bias"], critic[-1], weights["value_head.weight"].T)
        log_std = weights["log_std"]
        scaled = (batch.action - mean) * (-log_std).exp()  # z
        square = scaled.square()
        constant = float(log_std.sum()) + 0.5 * len(log_std) * math.log(2 * math.pi)
        log_ratio = square.sum(-1).mul_(-0.5).sub_(constant).sub_(batch.log_prob)
        ratio = log_ratio.exp()
        advantage = batch.advantage
        if config.normalise_advantage and config.normalise_over == "minibatch":
            advantage = normalised(advantage)
        free = ratio * advantage
        held = ratio.clamp(1 - config.clip, 1 + config.clip) * advantage
        surrogate = -torch.minimum(free, held).mean()
        error = value - batch.returns
        value_loss = 0.5 * error.square().mean(0).sum()
        entropy = constant + 0.5 * len(log_std)

        of_log_prob = torch.where(free <= held, free, 0.0).mul_(-1 / count)[:, None]
        of_mean = of_log_prob * scaled * (-log_std).exp()
        of_spread = (of_log_prob * (square - 1)).sum(0)
        of_value = error.mul(config.value_coef / count)
        self.gradients["log_std"].copy_(of_spread).sub_(config.entropy)
        of_actor = self._head("policy_head", of_mean, actor[-1])
        of_critic = self._head("value_head", of_value, critic[-1])
        if self.critic:
            self._backward(self.critic, critic, of_critic)
        else:
            of_actor += of_critic
        self._backward(self.actor, actor, of_actor)

        numbers = torch.stack([
            surrogate, value_loss, (ratio - 1 - log_ratio).mean(),
            ((ratio - 1).abs() > config.clip).float().mean(), of_spread.norm(),
        ]).tolist()  # fmt: skip
        bonus = config.entropy * math.sqrt(len(log_std))
        return {
            "loss": numbers[0] + config.value_coef * numbers[1] - config.entropy * entropy,
            "surrogate": numbers[0],
            "value_loss": numbers[1],
            "entropy": entropy,
            "approx_kl": numbers[2],
            "clip_fraction": numbers[3],
            "entropy_to_surrogate": bonus / max(numbers[4], SMALLEST),
        }

    def _forward(self, layers: list[str], x: Tensor) -> list[Tensor]:
        """What goes into each layer and, last, what comes out."""
        passed = [x]
        for name in layers:
            x = torch.addmm(self.weights[f"{name}.bias"], x, self.weights[f"{name}.weight"].T)
            passed.append(x.tanh_() if self.policy.activation == "tanh" else x.relu_())
        return passed

    def _head(self, name: str, of_output: Tensor, x: Tensor) -> Tensor:
        """The gradient to a head's weights, written, and to its input, returned."""
        torch.mm(of_output.T, x, out=self.gradients[f"{name}.weight"])
        torch.sum(of_output, 0, out=self.gradients[f"{name}.bias"])
        return of_output @ self.weights[f"{name}.weight"]

    def _backward(self, layers: list[str], passed: list[Tensor], of_output: Tensor) -> None:
        """The gradients to the layers' weights, from that to what the last one put out."""
        for place in reversed(range(len(layers))):
            out = passed[place + 1]
            slope = 1 - out.square() if self.policy.activation == "tanh" else out > 0
            of_sum = of_output * slope
            torch.mm(of_sum.T, passed[place], out=self.gradients[f"{layers[place]}.weight"])
            torch.sum(of_sum, 0, out=self.gradients[f"{layers[place]}.bias"])
            if place:
                of_output = of_sum @ self.weights[f"{layers[place]}.weight"]
