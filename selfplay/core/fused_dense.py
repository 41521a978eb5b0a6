"""Vectors and continuous actions in kernels: acting, and the gradient of `selfplay.core.dense`, on the CPU."""

from __future__ import annotations

import numpy as np
import torch

from selfplay.core import dense_kernels, gaussian_losses, losses
from selfplay.core.adam import Adam
from selfplay.core.config import PPOConfig
from selfplay.core.distributions import Gaussian, GaussianOrStop
from selfplay.core.encoders import VectorEncoder
from selfplay.core.fused import PADDING, coefficients, metrics, uniform
from selfplay.core.normaliser import BOUND
from selfplay.core.policy import ActorCritic
from selfplay.core.tiles import CHUNKS


def fits(policy: ActorCritic) -> bool:
    """Whether there is a fused path: vectors, continuous actions, no memory, widths divisible by 4, CPU."""
    return (
        isinstance(policy.encoder, VectorEncoder)
        and isinstance(policy.distribution, Gaussian | GaussianOrStop)
        and policy.memory == 0
        and all(width % 4 == 0 for width in _widths(policy))
        and policy.policy_head.weight.device.type == "cpu"
    )


def _widths(policy: ActorCritic) -> list[int]:
    return [layer.out_features for layer in (policy.encoder, *policy.layers)]


class FusedDense:
    """`policy`'s parameters, copied before each use, and scratch for their gradient, which goes to `adam.gradient`."""

    def __init__(self, policy: ActorCritic, adam: Adam) -> None:
        self.policy, self.adam = policy, adam
        distribution, encoder = policy.distribution, policy.encoder
        assert isinstance(distribution, Gaussian | GaussianOrStop)
        assert isinstance(encoder, VectorEncoder)
        self.moves, self.stops = distribution.spreads, isinstance(distribution, GaussianOrStop)
        widths, streams = _widths(policy), policy.value_head.out_features
        inner = ["encoder", *(f"layers.{k}" for k in range(len(policy.layers)))]
        towers = [[*inner, "policy_head"]]
        if policy.critic is not None:
            towers.append([*(f"critic.{k}" for k in range(len(policy.critic))), "value_head"])
        ends = [distribution.size, streams] if policy.critic is not None else [distribution.size + streams]
        inputs, outputs = [], []
        for end in ends:
            inputs += [_padded(encoder.in_features, 4), *widths]
            outputs += [*widths, _padded(end, PADDING)]
        sizes = [(i + 1) * o for i, o in zip(inputs, outputs, strict=True)]
        at = np.cumsum([0, *sizes])
        self._place = np.full(adam.parameter.numel(), -1)
        for k, name in enumerate(name for tower in towers for name in tower):
            self._put(name, at[k], inputs[k], outputs[k], 0)
        if policy.critic is None:
            last = len(inputs) - 1
            self._put("value_head", at[last], inputs[last], outputs[last], distribution.size)
        self._place[adam.slices["log_std"][0]] = at[-1] + np.arange(self.moves)
        assert (self._place >= 0).all()
        total = int(at[-1]) + self.moves
        self._net = dense_kernels.Network(
            numbers=np.zeros(total, np.float32),
            turned=np.zeros(total, np.float32),
            inputs=np.array(inputs),
            outputs=np.array(outputs),
            at=at[:-1],
            before=np.cumsum([0, *outputs]),
            depth=len(towers[0]),
            moves=self.moves,
            values=distribution.size if policy.critic is None else 0,
            log_std=int(at[-1]),
            stops=self.stops,
            offset=np.float32(distribution.offset if isinstance(distribution, GaussianOrStop) else 0),
            bends=policy.activation == "tanh",
        )
        self._gradient = dense_kernels.Gradient(
            np.zeros((CHUNKS, total), np.float32), np.zeros((CHUNKS, losses.SUMS + 1))
        )
        self._parameter, self._out = adam.parameter.numpy(), adam.gradient.numpy()
        self._log_std = adam.view(adam.gradient, "log_std").numpy()
        self.size = encoder.in_features
        self._plain = (np.zeros(self.size, np.float32), np.ones(self.size, np.float32), np.float32(np.inf))

    def _put(self, name: str, at: int, inputs: int, outputs: int, row: int) -> None:
        """Layer `name`'s weight and bias are at `at`, from row `row` of a padded weight [outputs, inputs]."""
        weight, shape = self.adam.slices[f"{name}.weight"]
        rows = row + np.arange(shape[0])
        self._place[weight] = (at + rows[:, None] * inputs + np.arange(shape[1])).ravel()
        self._place[self.adam.slices[f"{name}.bias"][0]] = at + inputs * outputs + rows

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
        """Forward pass and one action for each of obs [B, D], drawn by `generator` as `sample` draws it, else the mode.

        See `dense_kernels.act` for the arrays.
        """
        if obs.ndim != 2 or obs.shape[1] != self.size or not np.issubdtype(obs.dtype, np.floating):
            raise ValueError(f"learner: obs must be float32 [B, {self.size}], got {obs.dtype} {list(obs.shape)}")
        vectors = np.ascontiguousarray(obs, np.float32)
        noise = np.zeros((len(obs), self.moves), np.float32)
        if generator is not None:
            noise = torch.randn(len(obs), self.moves, generator=generator).numpy()
        drawn = uniform(len(obs), generator) if self.stops else np.zeros(len(obs), np.float32)
        normaliser = self.policy.normaliser
        seen = self._plain if normaliser is None else (normaliser.shift.numpy(), normaliser.factor.numpy(), _BOUND)
        dense_kernels.refresh(self._net, self._place, self._parameter)
        dense_kernels.act(self._net, vectors, *seen, noise, drawn, action, log_prob, value)

    def loss_gradient(self, samples: losses.Samples, index: np.ndarray, config: PPOConfig) -> dict[str, float]:
        """`ppo_loss` on samples `index` int64 [B]: the gradient to `adam.gradient`, the metrics returned.

        The samples' observations are normalised.
        """
        by = coefficients(samples.advantage[index], config)
        dense_kernels.refresh(self._net, self._place, self._parameter)
        pieces = dense_kernels.loss_gradient(self._net, samples, index, by, self._gradient)
        dense_kernels.reduce(self._gradient.numbers[:pieces], self._place, self._out)
        self.adam.mark_all()
        sums = self._gradient.sums[:pieces].sum(0)
        bonus = np.full(self.moves, -config.entropy * sums[gaussian_losses.MOVES] / len(index))
        return metrics(sums, len(index), bonus, self._log_std, config)


_BOUND = np.float32(BOUND)


def _padded(size: int, to: int) -> int:
    return -(-size // to) * to
