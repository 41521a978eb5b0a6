"""Distributions over actions as pure functions of the numbers a policy head puts out.

A policy holds one of these. Each has `size` (numbers the head puts out), `spreads` (how many come behind them, the same
for all observations) and the same functions; the batch dimensions come first and may be any.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import gymnasium
import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Categorical:
    """One of `size` actions, from logits [..., size]."""

    size: int
    spreads: int = 0

    def log_prob(self, logits: Tensor, action: Tensor) -> Tensor:
        """[...] nats of action int64 [...]."""
        return torch.log_softmax(logits, -1).gather(-1, action[..., None])[..., 0]

    def entropy(self, logits: Tensor) -> Tensor:
        """[...] nats."""
        log_probs = torch.log_softmax(logits, -1)
        return -(log_probs.exp() * log_probs).sum(-1)

    def sample(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """int64 [...], by inverse CDF from one uniform number each."""
        uniform = torch.rand(logits.shape[:-1], generator=generator, device=logits.device)
        below = torch.softmax(logits, -1).cumsum(-1)
        return (uniform[..., None] >= below).sum(-1).clamp_(max=self.size - 1)

    def mode(self, logits: Tensor) -> Tensor:
        """int64 [...], the likeliest action, the first of equals."""
        return logits.argmax(-1)

    def played(self, action: Tensor) -> Tensor:
        """What the world is given: the action itself."""
        return action


@dataclass(frozen=True)
class Gaussian:
    """Independent normal variables, from [..., 2A]: A means, then the logarithms of A deviations.

    The policy acts in units of the action space: -1 and 1 are its bounds (where it has none, a unit is a unit). What
    is drawn beyond the bounds stays as it is for the learner, so that its probability is a normal one; the world and
    the reward sources are given the nearest action that is allowed, in the space's own units (`played`).

    low, high: float [A], the bounds; infinite where there are none (then both are).
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def size(self) -> int:
        """A, the means."""
        return len(self.low)

    @property
    def spreads(self) -> int:
        """A, the deviations."""
        return len(self.low)

    def log_prob(self, parameters: Tensor, action: Tensor) -> Tensor:
        """[...] nats (of density per unit) of action float32 [..., A]: -½ Σ ((a - μ)/σ)² + 2 log σ + log 2π."""
        mean, log_std = parameters.chunk(2, -1)
        return -0.5 * (((action - mean) / log_std.exp()).square() + 2 * log_std + math.log(2 * math.pi)).sum(-1)

    def entropy(self, parameters: Tensor) -> Tensor:
        """[...] nats: Σ log σ + ½ log 2πe. Below 0 where the density is narrow."""
        return (parameters.chunk(2, -1)[1] + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)

    def sample(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        """float32 [..., A]."""
        mean, log_std = parameters.chunk(2, -1)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        return mean + log_std.exp() * noise

    def mode(self, parameters: Tensor) -> Tensor:
        """float32 [..., A], the means."""
        return parameters.chunk(2, -1)[0].contiguous()

    def played(self, action: Tensor) -> Tensor:
        """float32 [..., A] in the action space's own units, inside its bounds."""
        low, high = (torch.tensor(bound, device=action.device) for bound in (self.low, self.high))
        inside = action.clamp(-1, 1)
        middle, half = (high + low) / 2, (high - low) / 2
        bounded = torch.minimum(torch.maximum(middle + half * inside, low), high)
        return torch.where(low.isfinite(), bounded, action)


Distribution = Categorical | Gaussian


def distribution_for(action_space: gymnasium.Space) -> Distribution:
    """The distribution for one environment's action space; `ValueError` if there is none."""
    if isinstance(action_space, gymnasium.spaces.Discrete):
        if action_space.start != 0:
            raise ValueError(f"policy: a Discrete action space must start at 0, got {action_space}")
        return Categorical(int(action_space.n))
    if isinstance(action_space, gymnasium.spaces.Box) and len(action_space.shape) == 1:
        if not np.issubdtype(action_space.dtype, np.floating):
            raise ValueError(f"policy: a Box of whole numbers has no distribution, expected one of floats or Discrete, "
                             f"got {action_space}")  # fmt: skip
        low, high = action_space.low, action_space.high
        if not (np.isfinite(low) == np.isfinite(high)).all() or not (low < high).all():
            raise ValueError(f"policy: an action needs both bounds, low < high, or none, got {action_space}")
        return Gaussian(tuple(map(float, low)), tuple(map(float, high)))
    raise ValueError(f"policy: no distribution for action space {action_space}, expected Discrete or a flat Box")
