"""RND: the error of imitating a random network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from curiosity.bonus import Bonus
from curiosity.config import RNDConfig
from curiosity.features import RandomFeatures
from curiosity.networks import drawn_from, network
from curiosity.source import Batch, Surroundings
from curiosity.steps import spread, successors
from curiosity.training import Trainer


class Distillation(nn.Module):
    """A random network f and a learner f̂ of its output, both on rows [B, P] of one channel; vectors are whitened."""

    def __init__(self, config: RNDConfig, surroundings: Surroundings, reader: str, seed: int) -> None:
        super().__init__()
        space = surroundings.space(config.reads, reader)
        with drawn_from(seed):
            self.target = RandomFeatures(surroundings, space, config.width, config.feature_width)
            self.predictor = network(surroundings, space, config.width, config.width, config.feature_width)

    def error(self, rows: Tensor) -> Tensor:
        """‖f̂(s) − f(s)‖² [B] of rows [B, P]."""
        if self.target.whitening is not None:
            rows = self.target.whitening(rows)
        with torch.no_grad():
            target = self.target.net(rows)
        return (self.predictor(rows) - target).square().sum(-1)

    def fit(self, rows: Tensor, trainer: Trainer) -> dict[str, float]:
        """Whitens by rows [S, P] as well, then imitates on a share of them. Metrics: loss, the mean error."""
        self.target.observe(rows)
        return trainer.run(len(rows), lambda index: {"loss": self.error(rows[index]).mean()}, rows.device)


class RND(Bonus):
    """r = ‖f̂(s′) − f(s′)‖², f random and fixed, f̂ trained on s′ (Burda et al. 2018, arXiv 1810.12894, section 2.2).

    Trains on `config.proportion` of the batch, .25 as there; vectors are whitened and clipped to ±5. Reads
    `config.reads`. Differs: the whitening is filled by the batches themselves, not by random steps beforehand; symbols
    are not whitened; one quarter of the batch is drawn for a pass instead of each step being masked.
    """

    name = "rnd"

    def __init__(self, config: RNDConfig, surroundings: Surroundings) -> None:
        super().__init__(config, surroundings)
        self.net = Distillation(config, surroundings, self.name, self.seed).to(self.device)
        self.trainer = Trainer(self.net, config, self.seed, self.name, self.group)
        self.parts |= {"net": self.net, "trainer": self.trainer}

    @torch.no_grad()
    def reward(self, batch: Batch) -> Tensor:
        """Float32 [T, N]."""
        return spread(batch, self.net.error(successors(batch, self.reads)))

    def fit(self, batch: Batch) -> Mapping[str, float]:
        """Metrics: loss, the mean error over the steps that were trained on."""
        return self.net.fit(successors(batch, self.reads), self.trainer)
