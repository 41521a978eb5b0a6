"""Distributions over actions as pure functions of the numbers a policy head puts out.

A policy holds one of these. Each has `size` (numbers the head puts out) and the same five functions; the batch
dimensions come first and may be any.
"""

from __future__ import annotations

from dataclasses import dataclass

import gymnasium
import torch
from torch import Tensor


@dataclass(frozen=True)
class Categorical:
    """One of `size` actions, from logits [..., size]."""

    size: int

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


def distribution_for(action_space: gymnasium.Space) -> Categorical:
    """The distribution for one environment's action space; `ValueError` if there is none."""
    if isinstance(action_space, gymnasium.spaces.Discrete):
        if action_space.start != 0:
            raise ValueError(f"policy: a Discrete action space must start at 0, got {action_space}")
        return Categorical(int(action_space.n))
    raise ValueError(f"policy: no distribution for action space {action_space}, expected Discrete")
