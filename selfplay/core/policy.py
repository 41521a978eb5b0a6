"""The actor-critic network."""

from __future__ import annotations

import gymnasium
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selfplay.core.distributions import distribution_for
from selfplay.core.encoders import encoder_for


class ActorCritic(nn.Module):
    """Encoder, shared layers with ReLU between, a policy head and K value heads.

    observation_space, action_space: of one environment. hidden: widths, the first one the encoder's.
    Weights are orthogonal with gain √2 (Huang et al. 2022), .01 for the heads; the table of a `BagEncoder` is normal
    with variance 1/P. The customary gain of 1 for the values drowns a sparse reward in made-up advantages: on
    DoorKey-8x8 some seeds then never start to learn. Drawn from torch's global generator, so seed or fork it around.
    """

    def __init__(
        self,
        observation_space: gymnasium.Space,
        action_space: gymnasium.Space,
        hidden: tuple[int, ...],
        streams: int,
    ) -> None:
        super().__init__()
        self.distribution = distribution_for(action_space)
        self.encoder = encoder_for(observation_space, hidden[0])
        self.layers = nn.ModuleList(_linear(hidden[i], hidden[i + 1], 2**0.5) for i in range(len(hidden) - 1))
        self.policy_head = _linear(hidden[-1], self.distribution.size, 0.01)
        self.value_head = _linear(hidden[-1], streams, 0.01)

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Observations [B, …] to what the distribution takes [B, A] and the values [B, K]."""
        x = F.relu(self.encoder(obs))
        for layer in self.layers:
            x = F.relu(layer(x))
        return self.policy_head(x), self.value_head(x)


def _linear(inputs: int, outputs: int, gain: float) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    with torch.no_grad():
        layer.bias.zero_()
    return layer
