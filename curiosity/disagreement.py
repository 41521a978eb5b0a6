"""Disagreement: paid where models that saw different data guess differently."""

from __future__ import annotations

from torch import Tensor, nn

from curiosity.config import DisagreementConfig
from curiosity.networks import Ensemble
from curiosity.prediction import Prediction
from curiosity.source import Surroundings


class Disagreement(Prediction):
    """r = mean over features d of Var_k f_k(φ(s), a)_d, over K models (Pathak et al. 2019, arXiv 1906.04161, eq. 1).

    Each model learns the squared error on its own bootstrap: of every minibatch it draws as many steps with
    replacement. Reads `config.reads`, through random features (the paper's), pixels, or an inverse model's. Differs:
    the bootstrap is drawn online (Oza and Russell 2001), and the models are perceptrons with one hidden layer.
    """

    name = "disagreement"

    def __init__(self, config: DisagreementConfig, surroundings: Surroundings) -> None:
        self.heads = config.heads
        super().__init__(config, config.features, surroundings)

    def model(self, inputs: int, width: int, outputs: int) -> nn.Module:
        """K models."""
        return Ensemble(self.heads, inputs, width, outputs)

    def pay(self, inputs: Tensor, after: Tensor) -> Tensor:
        """The variance [B] over the models (divided by K), mean over the features."""
        guesses = self.predictor(inputs)
        return (guesses - guesses.mean(0)).square().mean((0, 2))  # ten times as fast as `var`

    def loss(self, inputs: Tensor, after: Tensor) -> Tensor:
        """The squared error, summed over the features and models, mean over each model's bootstrap of the steps."""
        chosen = self.trainer.draw(len(inputs), self.heads, len(inputs)).to(self.device)
        return (self.predictor(inputs[chosen]) - after[chosen]).square().sum((0, 2)).mean()
