"""Forward: the error of guessing what comes next."""

from __future__ import annotations

from torch import Tensor, nn

from curiosity.config import ForwardConfig
from curiosity.networks import mlp
from curiosity.prediction import Prediction
from curiosity.source import Surroundings


class Forward(Prediction):
    """r = ‖f(s, a) − s′‖², f trained on the mean of the same: the oldest bonus, which any noise holds for ever.

    Stadie et al. 2015 (arXiv 1507.00814, section 3) with "random" or no features as in Burda et al. 2018 (arXiv
    1808.04355, section 2.1). Reads `config.reads`: its pixels, or fixed random features of it. Differs: symbols are
    looked up in a table of pixels, and f is a perceptron.
    """

    name = "forward"

    def __init__(self, config: ForwardConfig, surroundings: Surroundings) -> None:
        super().__init__(config, config.features, surroundings)

    def model(self, inputs: int, width: int, outputs: int) -> nn.Module:
        """Two hidden layers."""
        return mlp(inputs, width, width, outputs)

    def pay(self, inputs: Tensor, after: Tensor) -> Tensor:
        """The squared error [B], summed over the features."""
        return (self.predictor(inputs) - after).square().sum(-1)

    def loss(self, inputs: Tensor, after: Tensor) -> Tensor:
        """Its mean over steps."""
        return self.pay(inputs, after).mean()
