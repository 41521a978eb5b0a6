"""Bonuses that guess the features of the next state: what they share."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from curiosity.bonus import Bonus
from curiosity.config import LearnedConfig
from curiosity.features import InverseFeatures, make_features
from curiosity.networks import Actions, drawn_from
from curiosity.source import Batch, Surroundings
from curiosity.steps import played, spread
from curiosity.training import Trainer

CHUNK = 2048  # steps that are paid for at once: what lies between two layers stays in the cache


class Prediction(Bonus):
    """Features φ, a model of (φ(s), a) -> φ(s′), and their training. A subclass gives `model`, `pay` and `loss`.

    The model sees φ detached on both sides, so φ is fixed or learns from the inverse loss only: a forward loss that
    reached it would be least for a constant φ.
    """

    inverse_weight, forward_weight = 1.0, 1.0

    def __init__(self, config: LearnedConfig, kind: str, surroundings: Surroundings) -> None:
        super().__init__(config, surroundings)
        self.actions = Actions(surroundings.action_space, self.name)
        with drawn_from(self.seed):
            self.features = make_features(kind, config, surroundings, self.name)
            self.predictor = self.model(self.features.size + self.actions.size, config.width, self.features.size)
        net = nn.ModuleDict({"features": self.features, "predictor": self.predictor}).to(self.device)
        self.trainer = Trainer(net, config, self.seed, self.name, self.group)
        self.parts |= {"net": net, "trainer": self.trainer}

    def model(self, inputs: int, width: int, outputs: int) -> nn.Module:
        """The predictor, from φ(s) and the action's code (together `inputs` numbers)."""
        raise NotImplementedError

    def pay(self, inputs: Tensor, after: Tensor) -> Tensor:
        """The bonus [B] of steps with inputs [B, I] and φ(s′) [B, F]."""
        raise NotImplementedError

    def loss(self, inputs: Tensor, after: Tensor) -> Tensor:
        """What the predictor minimises, a mean over steps."""
        raise NotImplementedError

    @torch.no_grad()
    def reward(self, batch: Batch) -> Tensor:
        """Float32 [T, N]."""
        steps = played(batch, self.reads)
        phi = self.features(steps.states)
        code = self.actions.code(steps.action)
        paid = [phi.new_zeros(0)]
        for index in torch.arange(len(code), device=self.device).split(CHUNK):
            inputs = torch.cat([phi[steps.now[index]], code[index]], -1)
            paid.append(self.pay(inputs, phi[steps.next[index]]))
        return spread(batch, torch.cat(paid))

    def fit(self, batch: Batch) -> Mapping[str, float]:
        """Metrics: loss, forward_loss; of features that learn also inverse_loss and inverse_accuracy (if Discrete)."""
        steps = played(batch, self.reads)
        code = self.actions.code(steps.action)
        self.features.observe(steps.states)

        def loss(index: Tensor) -> dict[str, Tensor]:
            both = self.features(steps.states[torch.cat([steps.now[index], steps.next[index]])])
            metrics: dict[str, Tensor] = {}
            if isinstance(self.features, InverseFeatures):
                metrics = self.features.metrics(both, steps.action[index])
            before, target = both.detach().chunk(2)
            metrics["forward_loss"] = self.loss(torch.cat([before, code[index]], -1), target)
            metrics["loss"] = self.forward_weight * metrics["forward_loss"]
            if "inverse_loss" in metrics:
                metrics["loss"] = metrics["loss"] + self.inverse_weight * metrics["inverse_loss"]
            return metrics

        return self.trainer.run(len(steps.now), loss, self.device)
