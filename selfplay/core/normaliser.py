"""Observations with mean 0 and deviation 1, by what was seen so far."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from curiosity.group import ALONE, Group, united

BOUND = 10.0
"""How many deviations from the mean an observation may be; what is farther is moved there."""
SPREAD = 1e-8
"""Added to a variance before its root is divided by."""


class Normaliser(nn.Module):
    """(x - mean) / deviation of each of D numbers, over all that `update` was given, inside ±`BOUND`.

    Part of the policy, and saved with it: weights mean nothing without it. Before the first `update` it only bounds, so
    a run's first rollout is seen in raw units (runs that began with one that was only looked at learnt no faster).
    Moments are merged as in Chan et al. 1979, in float64, and stay on the CPU whatever device the policy is on: not
    every device has float64 (Apple's has not). Buffers: count [], mean [D], square [D] (Σ (x - mean)²).
    """

    count: Tensor
    mean: Tensor
    square: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        for name, shape in (("count", ()), ("mean", (size,)), ("square", (size,))):
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))
        self._ready("cpu")

    def forward(self, x: Tensor) -> Tensor:
        """float32 [..., D] to the same."""
        return ((x - self.shift) * self.factor).clamp(-BOUND, BOUND)

    @torch.no_grad()
    def update(self, x: Tensor, group: Group = ALONE) -> None:
        """Take in x [B, D] of every rank; sums do not depend on threads. Not finite: `FloatingPointError`."""
        rows = x.cpu().numpy().astype(np.float64)
        if not len(rows):
            return
        mean = rows.mean(0)
        square = ((rows - mean) ** 2).sum(0)
        if not np.isfinite(square).all():
            odd = int(np.flatnonzero(~np.isfinite(square))[0])
            raise FloatingPointError(f"policy: number {odd} of an observation is not finite, or too large to square")
        count, middle, around = united(group, len(rows), torch.from_numpy(mean), torch.from_numpy(square))
        before = float(self.count)
        total = before + count
        delta = middle - self.mean
        self.square += around + delta**2 * (before * count / total)
        self.mean += delta * (count / total)
        self.count.fill_(total)
        self._ready(self.shift.device)

    def _ready(self, device: torch.device | str) -> None:
        """What `forward` needs, in float32 on `device`."""
        variance = self.square / self.count if self.count > 0 else torch.ones_like(self.square)
        self.shift = self.mean.float().to(device)
        self.factor = (variance + SPREAD).rsqrt().float().to(device)

    def _apply(self, fn, recurse=True):  # type: ignore[no-untyped-def]
        """Module.to and the like move what was made ready, not the moments."""
        self.shift, self.factor = fn(self.shift), fn(self.factor)
        return self

    def _load_from_state_dict(self, *args) -> None:  # type: ignore[no-untyped-def]
        super()._load_from_state_dict(*args)
        self._ready(self.shift.device)
