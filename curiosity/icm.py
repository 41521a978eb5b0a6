"""ICM: the error of guessing what comes next, in features of what the action governs."""

from __future__ import annotations

from torch import Tensor, nn

from curiosity.config import ICMConfig
from curiosity.networks import mlp
from curiosity.prediction import Prediction
from curiosity.source import Surroundings


class ICM(Prediction):
    """r = η/2 ‖f(φ(s), a) − φ(s′)‖² (Pathak et al. 2017, arXiv 1705.05363, eq. 6).

    Minimises (1 − β) L_inverse + β · ½‖·‖² (eq. 7 without the policy's term); φ learns from the inverse loss only,
    since the forward model sees it detached. So β weighs two losses that share no weights, and a step of Adam is the
    same for any scale of a loss: β is as good as without effect (in `RIDE`, where both losses reach φ, it has one).
    L_inverse is the cross-entropy of a discrete action, the squared error of a continuous one. Reads `config.reads`.
    Differs: perceptrons instead of convolutions, and the paper leaves open whether the forward loss reaches φ.
    """

    name = "icm"

    def __init__(self, config: ICMConfig, surroundings: Surroundings) -> None:
        super().__init__(config, "inverse", surroundings)
        self.eta = config.eta
        self.inverse_weight, self.forward_weight = 1 - config.beta, config.beta

    def model(self, inputs: int, width: int, outputs: int) -> nn.Module:
        """Two hidden layers."""
        return mlp(inputs, width, width, outputs)

    def pay(self, inputs: Tensor, after: Tensor) -> Tensor:
        """η/2 of the squared error [B], summed over the features."""
        return self.eta / 2 * (self.predictor(inputs) - after).square().sum(-1)

    def loss(self, inputs: Tensor, after: Tensor) -> Tensor:
        """½‖·‖², mean over steps."""
        return (self.predictor(inputs) - after).square().sum(-1).mean() / 2
