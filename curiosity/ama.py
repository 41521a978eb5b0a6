"""AMA: the error of guessing what comes next, less what cannot be guessed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from curiosity.config import AMAConfig
from curiosity.networks import mlp
from curiosity.prediction import Prediction
from curiosity.source import Surroundings

FLOOR = 1e-4  # of σ² in the loss alone: what never varies must not drown the gradient of all else
LOW, HIGH = -12.0, 8.0  # of log σ²
START = -2.0  # of x: larger pays nothing before it has been learnt, smaller leaves σ² unbounded far from what was seen


class AMA(Prediction):
    """r = max(‖φ(s′) − μ‖² − λ Σ_d σ²_d, 0), where the model gives μ and σ² of every feature d.

    Mavor-Parker et al. 2022, "How to stay curious while avoiding noisy TVs using aleatoric uncertainty estimation"
    (arXiv 2102.04399). Minimises Σ_d e^(−log σ²_d) err²_d + λ log σ²_d, mean over steps: least at σ² = E[err²]/λ, so
    that pure noise pays nothing on average before the max. Reads `config.reads`: its pixels (the paper's), or random or
    inverse features. Differs: one λ in both places; log σ² = −2 + 10 tanh(x/10) lies in [−12, 8], so that nothing can
    overflow, where the network gives x, which begins at −2; the loss, not the reward, has σ² + .0001 for σ², so that
    noise may still pay up to λ · .0001 a feature.
    """

    name = "ama"

    def __init__(self, config: AMAConfig, surroundings: Surroundings) -> None:
        self.lam = config.lam
        super().__init__(config, config.features, surroundings)

    def model(self, inputs: int, width: int, outputs: int) -> nn.Module:
        """Two hidden layers, for μ and x side by side."""
        last = nn.Linear(width, 2 * outputs)
        with torch.no_grad():
            last.bias[outputs:] = START
        return nn.Sequential(*mlp(inputs, width, width), nn.ReLU(), last)

    def guess(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """μ and σ², [B, F] both."""
        mean, x = self.predictor(inputs).chunk(2, -1)
        half = (HIGH - LOW) / 2
        return mean, ((x / half).tanh() * half + (LOW + HIGH) / 2).exp()

    def pay(self, inputs: Tensor, after: Tensor) -> Tensor:
        """[B]."""
        mean, variance = self.guess(inputs)
        return ((mean - after).square() - self.lam * variance).sum(-1).clamp_min(0)

    def loss(self, inputs: Tensor, after: Tensor) -> Tensor:
        """A number."""
        mean, variance = self.guess(inputs)
        variance = variance + FLOOR
        return ((mean - after).square() / variance + self.lam * variance.log()).sum(-1).mean()
