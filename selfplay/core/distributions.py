"""Distributions over actions as pure functions of the numbers a policy head puts out.

A policy holds one of these. Each has `size` (numbers the head puts out), `spreads` (how many come behind them, the same
for all observations) and the same functions; the batch dimensions come first and may be any.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import gymnasium
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


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

    def unplayed(self, given: Tensor) -> Tensor:
        """The action that the world was given."""
        return given


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

    def inside(self, action: Tensor) -> Tensor:
        """float32 [..., A]: the action within ±1 that is played as `action` is, in the policy's own units."""
        return torch.where(_units(self, action.device).bounded, action.clamp(-1, 1), action)

    def played(self, action: Tensor) -> Tensor:
        """float32 [..., A] in the action space's own units, inside its bounds."""
        units = _units(self, action.device)
        inside = torch.addcmul(units.middle, units.half, action.clamp(-1, 1))
        return torch.where(units.bounded, torch.minimum(torch.maximum(inside, units.low), units.high), action)

    def unplayed(self, given: Tensor) -> Tensor:
        """float32 [..., A]: the action within ±1, in the policy's own units, that is `played` as `given`."""
        units = _units(self, given.device)
        return torch.where(units.bounded, ((given - units.middle) / units.half).clamp(-1, 1), given)


class _Units(NamedTuple):
    """The bounds of an action space, float32 [A] each, and which numbers have any."""

    low: Tensor
    high: Tensor
    middle: Tensor
    half: Tensor
    bounded: Tensor


@lru_cache
def _units(distribution: Gaussian, device: torch.device) -> _Units:
    low, high = (torch.tensor(bound, device=device) for bound in (distribution.low, distribution.high))
    return _Units(low, high, (high + low) / 2, (high - low) / 2, low.isfinite())


class OrStop(gymnasium.spaces.Box):
    """The actions of `box` (flat, float32, A numbers), or STOP: one number more, 1 for STOP, else 0.

    chance: of STOP in a step before anything is learnt, between 0 and 1.
    """

    def __init__(self, box: gymnasium.spaces.Box, chance: float) -> None:
        if len(box.shape) != 1 or not 0 < chance < 1:
            raise ValueError(f"STOP: expected a flat Box and 0 < chance < 1, got {box} and {chance}")
        self.box, self.chance = box, chance
        low, high = (np.append(bound, end).astype(np.float32) for bound, end in ((box.low, 0), (box.high, 1)))
        super().__init__(low, high, dtype=np.float32)


@dataclass(frozen=True)
class GaussianOrStop:
    """STOP with a chance p, else A normal variables; from [..., A + 1 + A]: means, the logit of p, log deviations.

    Actions are [..., A + 1], the last number 1 for STOP (then the others are 0) and 0 else. What is said is one of the
    two, so the density of a STOP is p, that of anything else 1 - p times the normal one. The logit is `offset` more.
    """

    normal: Gaussian
    offset: float

    @property
    def size(self) -> int:
        """A + 1, the means and the logit."""
        return self.normal.size + 1

    @property
    def spreads(self) -> int:
        """A, the deviations."""
        return self.normal.spreads

    def log_prob(self, parameters: Tensor, action: Tensor) -> Tensor:
        """[...] nats of action float32 [..., A + 1]."""
        normal, logit = self._parts(parameters)
        goes_on = F.logsigmoid(-logit) + self.normal.log_prob(normal, action[..., :-1])
        return torch.where(action[..., -1] > 0.5, F.logsigmoid(logit), goes_on)

    def entropy(self, parameters: Tensor) -> Tensor:
        """[...] nats: that of saying STOP or not, and (1 - p) times the normal one."""
        normal, logit = self._parts(parameters)
        chance = torch.sigmoid(logit)
        return F.softplus(logit) - chance * logit + (1 - chance) * self.normal.entropy(normal)

    def sample(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        """float32 [..., A + 1]."""
        normal, logit = self._parts(parameters)
        moves = self.normal.sample(normal, generator)
        stops = torch.rand(logit.shape, generator=generator, device=logit.device) < torch.sigmoid(logit)
        return torch.cat([torch.where(stops[..., None], 0.0, moves), stops[..., None].float()], -1)

    def mode(self, parameters: Tensor) -> Tensor:
        """float32 [..., A + 1]: STOP where that is likelier than not, else the means."""
        normal, logit = self._parts(parameters)
        stops = (logit > 0)[..., None]
        return torch.cat([torch.where(stops, 0.0, self.normal.mode(normal)), stops.float()], -1)

    def played(self, action: Tensor) -> Tensor:
        """float32 [..., A + 1], the A numbers in the action space's own units, inside its bounds."""
        return torch.cat([self.normal.played(action[..., :-1]), action[..., -1:]], -1)

    def unplayed(self, given: Tensor) -> Tensor:
        """float32 [..., A + 1], `played` the other way round, within ±1."""
        return torch.cat([self.normal.unplayed(given[..., :-1]), given[..., -1:]], -1)

    def _parts(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """What the normal variables take, [..., 2A], and the logit of STOP, [...]."""
        mean, logit, log_std = parameters.split([self.normal.size, 1, self.normal.size], -1)
        return torch.cat([mean, log_std], -1), logit[..., 0] + self.offset


Distribution = Categorical | Gaussian | GaussianOrStop


def distribution_for(action_space: gymnasium.Space) -> Distribution:
    """The distribution for one environment's action space; `ValueError` if there is none."""
    if isinstance(action_space, gymnasium.spaces.Discrete):
        if action_space.start != 0:
            raise ValueError(f"policy: a Discrete action space must start at 0, got {action_space}")
        return Categorical(int(action_space.n))
    if isinstance(action_space, OrStop):
        normal = distribution_for(action_space.box)
        assert isinstance(normal, Gaussian)
        return GaussianOrStop(normal, math.log(action_space.chance / (1 - action_space.chance)))
    if isinstance(action_space, gymnasium.spaces.Box) and len(action_space.shape) == 1:
        if not np.issubdtype(action_space.dtype, np.floating):
            raise ValueError(f"policy: a Box of whole numbers has no distribution, expected one of floats or Discrete, "
                             f"got {action_space}")  # fmt: skip
        low, high = action_space.low, action_space.high
        if not (np.isfinite(low) == np.isfinite(high)).all() or not (low < high).all():
            raise ValueError(f"policy: an action needs both bounds, low < high, or none, got {action_space}")
        return Gaussian(tuple(map(float, low)), tuple(map(float, high)))
    raise ValueError(f"policy: no distribution for action space {action_space}, expected Discrete or a flat Box")
