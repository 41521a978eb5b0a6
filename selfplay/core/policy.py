"""The actor-critic network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Literal

import gymnasium
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from selfplay.core.config import PPOConfig
from selfplay.core.distributions import distribution_for
from selfplay.core.encoders import VectorEncoder, encoder_for
from selfplay.core.normaliser import Normaliser

_MEMORY_STEPS = 16
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "tanh": torch.tanh}


class ActorCritic(nn.Module):
    """Encoder, shared layers with an activation between, a policy head and K value heads.

    observation_space, action_space: of one environment. hidden: widths, the first one the encoder's. recurrent: the
    last shared layer is a gated recurrent unit (Cho et al. 2014, arXiv 1406.1078, in torch.nn.GRUCell's form), and
    `memory` is H, the numbers it remembers; otherwise `memory` is 0.

    activation: between the layers. own_critic: the values have an encoder and layers of their own, like the policy's.
    normalise: vectors are seen through a `Normaliser`. log_std: where the deviations of continuous actions start, which
    are parameters that no observation changes. A policy with a memory has relu and a shared critic.

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
        *,
        activation: Literal["relu", "tanh"] = "relu",
        own_critic: bool = False,
        normalise: bool = False,
        log_std: float = 0.0,
    ) -> None:
        super().__init__()
        if recurrent and (own_critic or activation != "relu"):
            raise ValueError("policy: with a memory the activation is relu and the critic shares the policy's layers")
        self.activation = activation
        self.distribution = distribution_for(action_space)
        self.encoder = encoder_for(observation_space, hidden[0])
        self.normaliser: Normaliser | None = None
        if normalise and isinstance(self.encoder, VectorEncoder):
            self.normaliser = Normaliser(self.encoder.in_features)
        plain = hidden[:-1] if recurrent else hidden
        self.layers = nn.ModuleList(_linear(plain[i], plain[i + 1], 2**0.5) for i in range(len(plain) - 1))
        self.memory = hidden[-1] if recurrent else 0
        self.gru = _gru(hidden[-2], hidden[-1]) if recurrent else None
        self.policy_head = _linear(hidden[-1], self.distribution.size, 0.01)
        self.value_head = _linear(hidden[-1], streams, 0.01)
        spreads = self.distribution.spreads
        self.log_std = nn.Parameter(torch.full((spreads,), float(log_std))) if spreads else None
        self.critic: nn.ModuleList | None = None
        if own_critic:
            layers = [_linear(before, after, 2**0.5) for before, after in pairwise(hidden)]
            self.critic = nn.ModuleList([encoder_for(observation_space, hidden[0]), *layers])

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Without a memory: observations [B, …] to what the distribution takes [B, A] and the values [B, K]."""
        if self.gru is not None:
            raise ValueError("policy: this one has a memory, use step or unroll")
        obs = self._seen(obs)
        return self._heads(self._encode(obs), obs)

    def step(self, obs: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`forward` from what was remembered, state [B, H]; also gives what is remembered next, [B, H]."""
        obs = self._seen(obs)
        x = self._encode(obs)
        if self.gru is not None:
            x = state = self.gru(x, state)
        return *self._heads(x, obs), state

    def unroll(self, obs: Tensor, state: Tensor, restart: Tensor) -> tuple[Tensor, Tensor]:
        """L steps of S sequences: obs [L, S, …] to parameters [L, S, A] and values [L, S, K].

        state: [L, S, H], what was remembered when acting. restart: bool [L, S], the steps that begin with it; the
        others go on from the step before, and so does the gradient. The first step always begins with it.
        """
        assert self.gru is not None
        encoded = self._encode(self._seen(obs.flatten(0, 1))).unflatten(0, obs.shape[:2])
        remembered, outputs = state[0], []
        for t in range(len(obs)):
            remembered = self.gru(encoded[t], torch.where(restart[t, :, None], state[t], remembered))
            outputs.append(remembered)
        return self._heads(torch.stack(outputs), obs)

    def _seen(self, obs: Tensor) -> Tensor:
        return obs if self.normaliser is None else self.normaliser(obs)

    def _encode(self, obs: Tensor) -> Tensor:
        return self._through([self.encoder, *self.layers], obs)

    def _through(self, layers: Iterable[nn.Module], x: Tensor) -> Tensor:
        for layer in layers:
            x = _ACTIVATIONS[self.activation](layer(x))
        return x

    def _heads(self, x: Tensor, obs: Tensor) -> tuple[Tensor, Tensor]:
        """x: what the policy's layers made of obs."""
        parameters = self.policy_head(x)
        if self.log_std is not None:
            parameters = torch.cat([parameters, self.log_std.expand(*parameters.shape[:-1], -1)], -1)
        return parameters, self.value_head(x if self.critic is None else self._through(self.critic, obs))


def policy_for(
    observation_space: gymnasium.Space, action_space: gymnasium.Space, config: PPOConfig, streams: int
) -> ActorCritic:
    """The policy that `config` describes, with a value head for each of `streams`."""
    return ActorCritic(
        observation_space, action_space, config.hidden, streams, config.memory == "gru",
        activation=config.activation, own_critic=config.critic == "own", normalise=config.normalise_obs,
        log_std=config.log_std,
    )  # fmt: skip


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
