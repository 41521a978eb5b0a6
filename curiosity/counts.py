"""Counts: the oracle of novelty in small worlds."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from curiosity.bonus import Bonus
from curiosity.config import CountsConfig
from curiosity.counter import Counter
from curiosity.source import Batch, Surroundings
from curiosity.steps import spread, successors
from curiosity.visits import Keys


class Counts(Bonus):
    """r = 1/√N(s′), N the visits in the whole life of the source: the i-th visit pays 1/√i, from the first on.

    The bonus of MBIE-EB (Strehl and Littman 2008) as in Bellemare et al. 2016 (arXiv 1606.01868, eq. 1), there with
    pseudo-counts. Reads `config.reads`; "position" and "state" are privileged. Vectors are counted by bins. Differs:
    visits are numbered in the order of time within a batch and, within a step, of environments (of
    several processes each numbers its own, and all count what any of them met); the states that
    episodes begin in are not counted.
    """

    name = "counts"

    def __init__(self, config: CountsConfig, surroundings: Surroundings) -> None:
        super().__init__(config, surroundings)
        self.key = Keys(self.space, self.seed, config.bin_width, self.device)
        self.memory = Counter(self.device)
        self.parts |= {"key": self.key, "memory": self.memory}

    @torch.no_grad()
    def reward(self, batch: Batch) -> torch.Tensor:
        """Float32 [T, N]."""
        return spread(batch, self.memory.numbers(self.key(successors(batch, self.reads))).double().rsqrt())

    def fit(self, batch: Batch) -> Mapping[str, float]:
        """Metrics: distinct states met so far, new_share of this batch's steps that met one for the first time."""
        keys = self.group.gather(self.key(successors(batch, self.reads))).flatten().to(self.device)
        before = len(self.memory)
        self.memory.add(keys)
        distinct = len(self.memory)
        return {"distinct": float(distinct), "new_share": (distinct - before) / max(1, len(keys))}
