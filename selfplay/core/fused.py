"""The whole small network by hand: forward pass, loss and gradient in one kernel each, no autograd.

It takes autograd's very steps (held by test); it only skips what the plain path spends on gathering minibatches,
writing activations to memory and starting threads.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from selfplay.core import gru_kernels, kernels, losses
from selfplay.core.adam import Adam
from selfplay.core.config import PPOConfig
from selfplay.core.distributions import Categorical
from selfplay.core.encoders import BagEncoder, GradientRows, out_of_range
from selfplay.core.policy import ActorCritic
from selfplay.core.ppo import SMALLEST, SPREAD
from selfplay.core.tiles import CHUNKS

PADDING = 8  # outputs are padded to a multiple of this: the kernels' products go in steps of four


def fits(policy: ActorCritic) -> bool:
    """Whether there is a fused path: tokens, discrete actions, two hidden layers of widths divisible by 4, CPU."""
    return (
        isinstance(policy.encoder, BagEncoder)
        and isinstance(policy.distribution, Categorical)
        and policy.memory == 0
        and policy.activation == "relu"
        and policy.critic is None
        and len(policy.layers) == 1
        and policy.policy_head.in_features % 4 == 0
        and policy.encoder.table.shape[1] % 4 == 0
        and policy.encoder.table.device.type == "cpu"
    )


def uniform(count: int, generator: torch.Generator | None) -> np.ndarray:
    """float32 [count] in [0, 1), or -1 without a generator: the kernels then take the likeliest."""
    return np.full(count, -1, np.float32) if generator is None else torch.rand(count, generator=generator).numpy()


def checked_tokens(tokens: np.ndarray, count: int) -> np.ndarray:
    """The tokens, side by side; `ValueError` unless they are uint8 [B, count]."""
    if tokens.dtype != np.uint8 or tokens.ndim != 2 or tokens.shape[1] != count:
        raise ValueError(f"learner: obs must be uint8 [B, {count}], got {tokens.dtype} {list(tokens.shape)}")
    return np.ascontiguousarray(tokens)


def coefficients(advantage: np.ndarray, config: PPOConfig) -> losses.Coefficients:
    """The numbers of the loss for a minibatch of such advantages, float32 [B]."""
    centre, spread = 0.0, 1.0
    if config.normalise_advantage and config.normalise_over == "minibatch":
        centre, spread = losses.moments(advantage)
        spread += SPREAD
    return losses.Coefficients(
        *map(np.float32, (centre, spread, config.clip, config.clip_value or 0, config.value_coef, config.entropy))
    )


def metrics(sums: np.ndarray, steps: int, bonus: np.ndarray, head: np.ndarray, config: PPOConfig) -> dict[str, float]:
    """The metrics of `ppo_loss` from a kernel's sums [SUMS] over `steps` steps.

    bonus, head: float32 [A, H], the entropy bonus's gradient to the policy head's weights, and the whole of it.
    """
    if sums[losses.INVALID]:
        raise ValueError(out_of_range(int(sums[losses.INVALID])))
    surrogate, value_loss, entropy, kl, clipped = sums[: losses.CLIPPED + 1] / steps
    return {
        "loss": surrogate + config.value_coef * value_loss - config.entropy * entropy,
        "surrogate": surrogate,
        "value_loss": value_loss,
        "entropy": entropy,
        "approx_kl": kl,
        "clip_fraction": clipped,
        "entropy_to_surrogate": _length(bonus) / max(_length(head - bonus), SMALLEST),
    }


def _length(x: np.ndarray) -> float:
    return math.sqrt(np.vdot(x, x))


class FusedHeads:
    """What kernels for tokens and discrete actions share: both heads side by side, padded, and where gradients go."""

    def __init__(self, policy: ActorCritic, adam: Adam) -> None:
        self.adam = adam
        self.actions = policy.policy_head.out_features
        self.outputs = self.actions + policy.value_head.out_features
        self.padded = -(-self.outputs // PADDING) * PADDING
        self._parameters = {name: p.detach().numpy() for name, p in policy.named_parameters()}
        self._gradients = {name: adam.view(adam.gradient, name).numpy() for name in self._parameters}

    def _refresh_heads(self, net: kernels.Network | gru_kernels.Network) -> None:
        p, actions, outputs = self._parameters, self.actions, self.outputs
        net.heads[:actions], net.heads[actions:outputs] = p["policy_head.weight"], p["value_head.weight"]
        net.heads_bias[:actions], net.heads_bias[actions:outputs] = p["policy_head.bias"], p["value_head.bias"]
        net.heads_t[:] = net.heads.T

    def _reduce_heads(self, parts: kernels.Gradient | gru_kernels.Gradient) -> None:
        """Add the pieces up, in their order."""
        out, heads, bias = self._gradients, parts.heads.sum(0), parts.heads_bias.sum(0)
        out["policy_head.weight"][:] = heads[: self.actions]
        out["value_head.weight"][:] = heads[self.actions : self.outputs]
        out["policy_head.bias"][:] = bias[: self.actions]
        out["value_head.bias"][:] = bias[self.actions : self.outputs]

    def _metrics(
        self, parts: kernels.Gradient | gru_kernels.Gradient, steps: int, config: PPOConfig
    ) -> dict[str, float]:
        """`metrics` of what a kernel wrote, once it is reduced."""
        bonus = parts.bonus.sum(0)[: self.actions]
        return metrics(parts.sums.sum(0), steps, bonus, self._gradients["policy_head.weight"], config)


class FusedNetwork(FusedHeads):
    """`policy`'s parameters, read in place, and scratch for its gradient, which goes to `adam.gradient`."""

    def __init__(self, policy: ActorCritic, adam: Adam) -> None:
        super().__init__(policy, adam)
        encoder, padded = policy.encoder, self.padded
        assert isinstance(encoder, BagEncoder)
        rows, width = encoder.table.shape
        inner = policy.policy_head.in_features
        self._net = kernels.Network(
            offsets=encoder.offsets.numpy(),
            sizes=encoder.sizes.numpy(),
            table=self._parameters["encoder.table"],
            bias=self._parameters["encoder.bias"],
            hidden_t=np.zeros((width, inner), np.float32),
            hidden=self._parameters["layers.0.weight"],
            hidden_bias=self._parameters["layers.0.bias"],
            heads_t=np.zeros((inner, padded), np.float32),
            heads=np.zeros((padded, inner), np.float32),
            heads_bias=np.zeros(padded, np.float32),
            actions=self.actions,
        )
        scratch = GradientRows(rows, width)
        chunks = CHUNKS
        self._gradient = kernels.Gradient(
            rows=scratch.partial,
            touched=scratch.touched,
            bias=np.zeros((chunks, width), np.float32),
            hidden=np.zeros((chunks, inner, width), np.float32),
            hidden_bias=np.zeros((chunks, inner), np.float32),
            heads=np.zeros((chunks, padded, inner), np.float32),
            heads_bias=np.zeros((chunks, padded), np.float32),
            bonus=np.zeros((chunks, padded, inner), np.float32),
            sums=np.zeros((chunks, losses.SUMS)),
        )
        self._index = np.arange(0)

    def _refresh(self) -> None:
        """Copy what the kernels hold in another layout: small, and so nobody has to say that parameters changed."""
        self._net.hidden_t[:] = self._parameters["layers.0.weight"].T
        self._refresh_heads(self._net)

    def act(
        self,
        obs: np.ndarray,
        _state: np.ndarray,
        generator: torch.Generator | None,
        action: np.ndarray,
        log_prob: np.ndarray,
        value: np.ndarray,
        _after: np.ndarray,
    ) -> None:
        """Forward pass and one action for each of the tokens obs [B, P], drawn by `generator`, else the likeliest.

        See `kernels.act` for the arrays.
        """
        tokens = checked_tokens(obs, len(self._net.offsets))
        self._refresh()
        if len(self._index) < len(tokens):
            self._index = np.arange(len(tokens))
        drawn = uniform(len(tokens), generator)
        invalid = kernels.act(self._net, tokens, self._index, drawn, action, log_prob, value)
        if invalid:
            raise ValueError(out_of_range(invalid))

    def loss_gradient(self, samples: losses.Samples, index: np.ndarray, config: PPOConfig) -> dict[str, float]:
        """`ppo_loss` on samples `index` int64 [B]: the gradient to `adam.gradient`, the metrics returned."""
        by = coefficients(samples.advantage[index], config)
        self._refresh()
        kernels.loss_gradient(self._net, samples, index, by, self._gradient)
        self._reduce()
        return self._metrics(self._gradient, len(index), config)

    def _reduce(self) -> None:
        """Add the pieces up, in their order, into the gradients."""
        parts, out = self._gradient, self._gradients
        kernels.reduce_rows(parts.rows, parts.touched, self.adam.live, out["encoder.table"])
        np.sum(parts.bias, 0, out=out["encoder.bias"])
        np.sum(parts.hidden, 0, out=out["layers.0.weight"])
        np.sum(parts.hidden_bias, 0, out=out["layers.0.bias"])
        self._reduce_heads(parts)
