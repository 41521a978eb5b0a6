"""RIDE: paid for changing what one sees, less each time the episode has seen it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from curiosity.bonus import Bonus
from curiosity.config import RIDEConfig
from curiosity.features import InverseFeatures
from curiosity.networks import drawn_from, mlp
from curiosity.source import Batch, Surroundings
from curiosity.steps import played, spread
from curiosity.training import Trainer
from curiosity.visits import EpisodeVisits, Keys


class RIDE(Bonus):
    """r = ‖φ(s′) − φ(s)‖ / √N_ep(s′), N_ep the visits in this episode, this one among them.

    Raileanu and Rocktäschel 2020 (arXiv 2002.12292, section 4). φ minimises (1 − β) L_inverse + β · ½‖f(φ(s), a) −
    φ(s′)‖², both reaching φ as in the paper; reads `config.reads`, and counts the channel `config.keys`. Differs: the
    forward target φ(s′) is detached; the state an episode begins in has been visited.
    """

    name = "ride"
    remembers = True

    def __init__(self, config: RIDEConfig, surroundings: Surroundings) -> None:
        super().__init__(config, surroundings)
        self.beta, self.keys = config.beta, config.keys
        self.key = Keys(surroundings.space(config.keys, self.name), self.seed, config.bin_width, self.device)
        self.memory = EpisodeVisits(self.seed + 1, self.device)
        with drawn_from(self.seed):
            self.phi = InverseFeatures(surroundings, self.space, config.width, config.feature_width, self.name)
            inputs = config.feature_width + self.phi.actions.size
            self.forward_model = mlp(inputs, config.width, config.feature_width)
        net = nn.ModuleDict({"features": self.phi, "predictor": self.forward_model}).to(self.device)
        self.trainer = Trainer(net, config, self.seed, self.name, self.group)
        self.parts |= {"net": net, "trainer": self.trainer, "key": self.key, "memory": self.memory}

    @torch.no_grad()
    def reward(self, batch: Batch) -> Tensor:
        """Float32 [T, N]."""
        steps = played(batch, self.reads)
        phi = self.phi(steps.states)
        visit = self.memory.numbers(batch, *self.key.around(batch, self.keys))
        return spread(batch, (phi[steps.next] - phi[steps.now]).norm(dim=-1) * visit.double().rsqrt())

    def fit(self, batch: Batch) -> Mapping[str, float]:
        """Metrics: loss, forward_loss, inverse_loss, inverse_accuracy (if Discrete)."""
        self.memory.add(batch, *self.key.around(batch, self.keys))
        steps = played(batch, self.reads)
        self.phi.observe(steps.states)
        code = self.phi.actions.code(steps.action)

        def loss(index: Tensor) -> dict[str, Tensor]:
            rows = steps.states[torch.cat([steps.now[index], steps.next[index]])]
            both = self.phi(rows)
            before, after = both.chunk(2)
            metrics = self.phi.metrics(both, steps.action[index])
            guess = self.forward_model(torch.cat([before, code[index]], -1))
            metrics["forward_loss"] = (guess - after.detach()).square().sum(-1).mean() / 2
            metrics["loss"] = (1 - self.beta) * metrics["inverse_loss"] + self.beta * metrics["forward_loss"]
            return metrics

        return self.trainer.run(len(steps.now), loss, self.device)
