"""The actor-critic network."""

from __future__ import annotations

import gymnasium
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selfplay.core.distributions import distribution_for
from selfplay.core.encoders import encoder_for

_MEMORY_STEPS = 16


class ActorCritic(nn.Module):
    """Encoder, shared layers with ReLU between, a policy head and K value heads.

    observation_space, action_space: of one environment. hidden: widths, the first one the encoder's. recurrent: the
    last shared layer is a gated recurrent unit (Cho et al. 2014, arXiv 1406.1078, in torch.nn.GRUCell's form), and
    `memory` is H, the numbers it remembers; otherwise `memory` is 0.

    Weights are orthogonal with gain √2 (Huang et al. 2022), .01 for the heads, 1 for each gate; the table of a
    `BagEncoder` is normal with variance 1/P. The update gate's biases are log U(1, 15), so that what is remembered
    lasts 2 to 16 steps before anything is learnt (Tallec and Ollivier 2018, arXiv 1804.11188). The customary gain of 1
    for the values drowns a sparse reward in made-up advantages: on DoorKey-8x8 some seeds then never start to learn.
    Drawn from torch's global generator, so seed or fork it around.
    """

    def __init__(
        self,
        observation_space: gymnasium.Space,
        action_space: gymnasium.Space,
        hidden: tuple[int, ...],
        streams: int,
        recurrent: bool = False,
    ) -> None:
        super().__init__()
        self.distribution = distribution_for(action_space)
        self.encoder = encoder_for(observation_space, hidden[0])
        plain = hidden[:-1] if recurrent else hidden
        self.layers = nn.ModuleList(_linear(plain[i], plain[i + 1], 2**0.5) for i in range(len(plain) - 1))
        self.memory = hidden[-1] if recurrent else 0
        self.gru = _gru(hidden[-2], hidden[-1]) if recurrent else None
        self.policy_head = _linear(hidden[-1], self.distribution.size, 0.01)
        self.value_head = _linear(hidden[-1], streams, 0.01)

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Without a memory: observations [B, …] to what the distribution takes [B, A] and the values [B, K]."""
        if self.gru is not None:
            raise ValueError("policy: this one has a memory, use step or unroll")
        return self._heads(self._encode(obs))

    def step(self, obs: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`forward` from what was remembered, state [B, H]; also gives what is remembered next, [B, H]."""
        x = self._encode(obs)
        if self.gru is not None:
            x = state = self.gru(x, state)
        return *self._heads(x), state

    def unroll(self, obs: Tensor, state: Tensor, restart: Tensor) -> tuple[Tensor, Tensor]:
        """L steps of S sequences: obs [L, S, …] to parameters [L, S, A] and values [L, S, K].

        state: [L, S, H], what was remembered when acting. restart: bool [L, S], the steps that begin with it; the
        others go on from the step before, and so does the gradient. The first step always begins with it.
        """
        assert self.gru is not None
        encoded = self._encode(obs.flatten(0, 1)).unflatten(0, obs.shape[:2])
        remembered, outputs = state[0], []
        for t in range(len(obs)):
            remembered = self.gru(encoded[t], torch.where(restart[t, :, None], state[t], remembered))
            outputs.append(remembered)
        return self._heads(torch.stack(outputs))

    def _encode(self, obs: Tensor) -> Tensor:
        x = F.relu(self.encoder(obs))
        for layer in self.layers:
            x = F.relu(layer(x))
        return x

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.policy_head(x), self.value_head(x)


def _linear(inputs: int, outputs: int, gain: float) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    with torch.no_grad():
        layer.bias.zero_()
    return layer


def _gru(inputs: int, outputs: int) -> nn.GRUCell:
    cell = nn.GRUCell(inputs, outputs)
    with torch.no_grad():
        for weight in (cell.weight_ih, cell.weight_hh):
            for gate in weight.chunk(3):
                nn.init.orthogonal_(gate)
        cell.bias_ih.zero_()
        cell.bias_hh.zero_()
        cell.bias_ih[outputs : 2 * outputs].uniform_(1, _MEMORY_STEPS - 1).log_()
    return cell
