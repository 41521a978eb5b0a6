"""The whole small network with a memory by hand: acting, loss and gradient in one kernel each, no autograd.

It takes the steps of `selfplay.core.sequences.sequence_loss` under autograd (held by test).
"""

from __future__ import annotations

import numpy as np
import torch

from selfplay.core import gru_kernels, kernels, losses
from selfplay.core.adam import Adam
from selfplay.core.config import PPOConfig
from selfplay.core.distributions import Categorical
from selfplay.core.encoders import BagEncoder, GradientRows, out_of_range
from selfplay.core.fused import FusedHeads, checked_tokens, coefficients, uniform
from selfplay.core.policy import ActorCritic
from selfplay.core.sequences import Sequences
from selfplay.core.tiles import CHUNKS


def fits(policy: ActorCritic) -> bool:
    """Whether there is a fused path: tokens, discrete actions, encoder and memory of widths divisible by 8, CPU."""
    return (
        isinstance(policy.encoder, BagEncoder)
        and isinstance(policy.distribution, Categorical)
        and policy.memory > 0
        and len(policy.layers) == 0
        and policy.memory % 8 == 0
        and policy.encoder.table.shape[1] % 8 == 0
        and policy.encoder.table.device.type == "cpu"
    )


def arrays(sequences: Sequences) -> gru_kernels.Sequences:
    """`sequences` (on the CPU) as the kernels take them."""
    fields = (sequences.first, sequences.stride, sequences.length, sequences.restart, sequences.state)
    return gru_kernels.Sequences(*(field.contiguous().numpy() for field in fields))


class FusedGRU(FusedHeads):
    """`policy`'s parameters, read in place or copied, and scratch for its gradient, which goes to `adam.gradient`."""

    def __init__(self, policy: ActorCritic, adam: Adam) -> None:
        super().__init__(policy, adam)
        encoder, padded = policy.encoder, self.padded
        assert isinstance(encoder, BagEncoder)
        rows, width = encoder.table.shape
        memory = self.memory = policy.memory
        self._net = gru_kernels.Network(
            offsets=encoder.offsets.numpy(),
            sizes=encoder.sizes.numpy(),
            table=self._parameters["encoder.table"],
            bias=self._parameters["encoder.bias"],
            input_t=np.zeros((width, 3 * memory), np.float32),
            input=np.zeros((3 * memory, width), np.float32),
            state_t=np.zeros((memory, 3 * memory), np.float32),
            state=self._parameters["gru.weight_hh"],
            gates_bias=np.zeros(4 * memory, np.float32),
            heads_t=np.zeros((memory, padded), np.float32),
            heads=np.zeros((padded, memory), np.float32),
            heads_bias=np.zeros(padded, np.float32),
            actions=self.actions,
        )
        scratch = GradientRows(rows, width)
        chunks = CHUNKS
        self._gradient = gru_kernels.Gradient(
            rows=scratch.partial,
            touched=scratch.touched,
            bias=np.zeros((chunks, width), np.float32),
            input_t=np.zeros((chunks, width, 3 * memory), np.float32),
            state_t=np.zeros((chunks, memory, 3 * memory), np.float32),
            gates_bias=np.zeros((chunks, 4 * memory), np.float32),
            heads=np.zeros((chunks, padded, memory), np.float32),
            heads_bias=np.zeros((chunks, padded), np.float32),
            bonus=np.zeros((chunks, padded, memory), np.float32),
            sums=np.zeros((chunks, losses.SUMS)),
        )

    def _refresh(self) -> None:
        """Copy what the kernels hold in another order: small, and so nobody has to say that parameters changed.

        torch's gates come as r, z, n; the kernels' as n, r, z.
        """
        net, p, one = self._net, self._parameters, self.memory
        net.input[:one] = p["gru.weight_ih"][2 * one :]
        net.input[one:] = p["gru.weight_ih"][: 2 * one]
        net.input_t[:] = net.input.T
        net.state_t[:] = net.state.T
        net.gates_bias[:one] = p["gru.bias_ih"][2 * one :]
        net.gates_bias[one : 3 * one] = p["gru.bias_ih"][: 2 * one] + p["gru.bias_hh"][: 2 * one]
        net.gates_bias[3 * one :] = p["gru.bias_hh"][2 * one :]
        self._refresh_heads(net)

    def act(
        self,
        obs: np.ndarray,
        state: np.ndarray,
        generator: torch.Generator | None,
        action: np.ndarray,
        log_prob: np.ndarray,
        value: np.ndarray,
        after: np.ndarray,
    ) -> None:
        """Forward pass and one action for each of the tokens obs [B, P], drawn by `generator`, else the likeliest.

        See `gru_kernels.act` for the arrays.
        """
        tokens, drawn = checked_tokens(obs, len(self._net.offsets)), uniform(len(obs), generator)
        self._refresh()
        remembered = np.ascontiguousarray(state)
        invalid = gru_kernels.act(self._net, tokens, remembered, drawn, action, log_prob, value, after)
        if invalid:
            raise ValueError(out_of_range(invalid))

    def loss_gradient(
        self, samples: losses.Samples, sequences: gru_kernels.Sequences, index: np.ndarray, config: PPOConfig
    ) -> dict[str, float]:
        """`sequence_loss` on sequences `index` int64 [B]: the gradient to `adam.gradient`, the metrics returned."""
        index = index[np.argsort(-sequences.length[index], kind="stable")]  # alike side by side, in a tile
        length = sequences.length[index]
        steps = int(length.sum())
        within = np.arange(steps) - np.repeat(np.cumsum(length) - length, length)
        rows = np.repeat(sequences.first[index], length) + within * np.repeat(sequences.stride[index], length)
        by = coefficients(samples.advantage[rows], config)
        self._refresh()
        bounds = _bounds(length[:: gru_kernels.TILE])
        scale = np.float32(1 / steps)
        gru_kernels.loss_gradient(self._net, samples, sequences, index, bounds, scale, by, self._gradient)
        self._reduce()
        return self._metrics(self._gradient, steps, config)

    def _reduce(self) -> None:
        """Add the pieces up, in their order, into the gradients."""
        parts, out, one = self._gradient, self._gradients, self.memory
        kernels.reduce_rows(parts.rows, parts.touched, self.adam.live, out["encoder.table"])
        np.sum(parts.bias, 0, out=out["encoder.bias"])
        of_input, bias = parts.input_t.sum(0).T, parts.gates_bias.sum(0)
        out["gru.weight_ih"][2 * one :] = of_input[:one]
        out["gru.weight_ih"][: 2 * one] = of_input[one:]
        out["gru.weight_hh"][:] = parts.state_t.sum(0).T
        out["gru.bias_ih"][2 * one :] = bias[:one]
        out["gru.bias_ih"][: 2 * one] = bias[one : 3 * one]
        out["gru.bias_hh"][:] = bias[one:]
        self._reduce_heads(parts)


def _bounds(longest: np.ndarray) -> np.ndarray:
    """int64 [CHUNKS + 1]: where each chunk's tiles begin, if tile k takes `longest[k]` steps, in about equal shares."""
    begins = np.concatenate(([0], np.cumsum(longest)))
    shares = np.arange(CHUNKS + 1) * begins[-1] / CHUNKS
    return np.searchsorted(begins, shares)
