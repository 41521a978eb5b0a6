"""NovelD: paid for crossing from the known into the new."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from curiosity.bonus import Bonus
from curiosity.config import NovelDConfig
from curiosity.rnd import Distillation
from curiosity.source import Batch, Surroundings
from curiosity.steps import played, spread
from curiosity.training import Trainer
from curiosity.visits import EpisodeVisits, Keys


class NovelD(Bonus):
    """r = max(e(s′) − α e(s), 0) · 1[s′ is visited for the first time in its episode], e the error of RND.

    Zhang et al. 2021, "NovelD: A Simple yet Effective Exploration Criterion" (NeurIPS), eq. 1 and 2. e reads
    `config.reads`; "first" is by the channel `config.keys`: "obs" is what the player sees, "state" and "position" are
    privileged. Differs: e is ‖f̂ − f‖², as `RND` has it, and is trained on s′; the state an episode begins in has been
    visited.
    """

    name = "noveld"
    remembers = True

    def __init__(self, config: NovelDConfig, surroundings: Surroundings) -> None:
        super().__init__(config, surroundings)
        self.alpha, self.keys = config.alpha, config.keys
        self.key = Keys(surroundings.space(config.keys, self.name), self.seed, config.bin_width, self.device)
        self.memory = EpisodeVisits(self.seed + 1, self.device)
        self.net = Distillation(config, surroundings, self.name, self.seed).to(self.device)
        self.trainer = Trainer(self.net, config, self.seed, self.name, self.group)
        self.parts |= {"net": self.net, "trainer": self.trainer, "key": self.key, "memory": self.memory}

    @torch.no_grad()
    def reward(self, batch: Batch) -> torch.Tensor:
        """Float32 [T, N]."""
        steps = played(batch, self.reads)
        error = self.net.error(steps.states)
        gain = (error[steps.next] - self.alpha * error[steps.now]).clamp_min(0)
        return spread(batch, gain * (self.memory.numbers(batch, *self.key.around(batch, self.keys)) == 1))

    def fit(self, batch: Batch) -> Mapping[str, float]:
        """Metrics: loss (mean error of RND) and first_share, of the steps that reached what their episode had not."""
        keys = self.key.around(batch, self.keys)
        first = int((self.memory.numbers(batch, *keys) == 1).sum())
        self.memory.add(batch, *keys)
        steps = played(batch, self.reads)
        return self.net.fit(steps.states[steps.next], self.trainer) | {"first_share": first / max(1, len(keys[0]))}
