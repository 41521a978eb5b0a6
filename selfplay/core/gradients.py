"""The gradient of a minibatch: by hand where there is a kernel for the policy, else by autograd."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from selfplay.core import dense, fused, fused_dense, fused_gru, losses
from selfplay.core.adam import Adam
from selfplay.core.config import PPOConfig
from selfplay.core.policy import ActorCritic
from selfplay.core.ppo import Minibatch, ppo_loss
from selfplay.core.sequences import Sequences, sequence_loss


class Gradients:
    """Gradients of `policy`'s loss under `config`, written to `adam.gradient`.

    fused: the kernels in use, which also act; dense: by hand on any device, where there are none. Both None: autograd.
    """

    def __init__(self, policy: ActorCritic, adam: Adam, config: PPOConfig) -> None:
        self.policy, self.adam, self.config = policy, adam, config
        self.fused: fused.FusedNetwork | fused_gru.FusedGRU | fused_dense.FusedDense | None = None
        self.dense: dense.DenseNetwork | None = None
        if config.fused and fused.fits(policy):
            self.fused = fused.FusedNetwork(policy, adam)
        elif config.fused and fused_gru.fits(policy):
            self.fused = fused_gru.FusedGRU(policy, adam)
        elif config.fused and fused_dense.fits(policy):
            self.fused = fused_dense.FusedDense(policy, adam)
        elif config.fused and dense.fits(policy, config):
            self.dense = dense.DenseNetwork(policy, adam)

    def of(self, steps: Minibatch, cut: Sequences | None) -> Callable[[Tensor], dict[str, float]]:
        """A function from the numbers of a minibatch's rows (with `cut`: sequences), int64 [B], to its metrics."""
        if self.fused is None and self.dense is None:
            return partial(self._autograd, steps, cut)
        normaliser = self.policy.normaliser
        seen = steps.obs if normaliser is None else normaliser(steps.obs)
        if self.dense is not None:
            return partial(self._by_hand, self.dense, steps, seen)
        assert self.fused is not None
        fields = (seen, steps.action, steps.log_prob, steps.advantage, steps.returns, steps.value)
        samples = losses.Samples(*(field.contiguous().numpy() for field in fields))
        if isinstance(self.fused, fused_gru.FusedGRU):
            assert cut is not None
            loss_gradient = partial(self.fused.loss_gradient, samples, fused_gru.arrays(cut))
        else:
            loss_gradient = partial(self.fused.loss_gradient, samples)
        return lambda index: loss_gradient(index.numpy(), self.config)

    def _by_hand(self, network: dense.DenseNetwork, steps: Minibatch, seen: Tensor, index: Tensor) -> dict[str, float]:
        self.adam.mark_all()
        return network.loss_gradient(steps.take(index), seen[index], self.config)

    def _autograd(self, steps: Minibatch, cut: Sequences | None, index: Tensor) -> dict[str, float]:
        self.adam.gradient.zero_()
        self.adam.mark_all()
        with torch.enable_grad():
            if cut is None:
                loss, metrics = ppo_loss(self.policy, steps.take(index), self.config)
            else:
                loss, metrics = sequence_loss(self.policy, steps, cut, index, self.config)
            loss.backward()
        return {name: metric.item() for name, metric in metrics.items()}
