"""Small networks that reward sources are made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from curiosity.source import Surroundings


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Inside, weights are drawn from a stream started by `seed`; torch's global stream is left as it was.

    On one thread, because the last bits of orthogonal weights depend on their number.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def mlp(*sizes: int) -> nn.Sequential:
    """Linear layers from sizes[0] to sizes[-1] numbers with ReLU between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def network(surroundings: Surroundings, space: gymnasium.Space, *sizes: int) -> nn.Sequential:
    """Rows [B, P] of `space` to sizes[0] hidden units by the world's encoder, then ReLU and `mlp(*sizes)`."""
    return nn.Sequential(surroundings.encoder(space, sizes[0]), nn.ReLU(), *mlp(*sizes))


class Ensemble(nn.Module):
    """K perceptrons with one hidden layer, side by side: float32 [K, B, sizes[0]] to [K, B, sizes[2]]."""

    def __init__(self, heads: int, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        layers = [[nn.Linear(inputs, width), nn.Linear(width, outputs)] for _ in range(heads)]

        def stacked(layer: int, name: str) -> nn.Parameter:
            return nn.Parameter(torch.stack([getattr(head[layer], name).detach() for head in layers]))

        self.weight_1, self.bias_1 = stacked(0, "weight"), stacked(0, "bias")
        self.weight_2, self.bias_2 = stacked(1, "weight"), stacked(1, "bias")

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs [K, B, I] (or [B, I] for all heads alike) to [K, B, O]."""
        inputs = inputs.expand(len(self.weight_1), -1, -1) if inputs.dim() == 2 else inputs
        hidden = F.relu(torch.baddbmm(self.bias_1[:, None], inputs, self.weight_1.mT))
        return torch.baddbmm(self.bias_2[:, None], hidden, self.weight_2.mT)


class Actions:
    """How networks see actions: one-hot if Discrete; if a flat Box between -1 and 1, its bounds, whatever its units.

    So neither a model's input nor its inverse loss depends on what a force is measured in. A number of the action that
    has no bounds is seen as it is. size: A; reader: for the error.
    """

    def __init__(self, space: gymnasium.Space, reader: str) -> None:
        self.discrete = isinstance(space, gymnasium.spaces.Discrete)
        if isinstance(space, gymnasium.spaces.Discrete):
            self.size = int(space.n)
        elif isinstance(space, gymnasium.spaces.Box) and len(space.shape) == 1:
            self.size = space.shape[0]
            bounded = np.isfinite(space.low) & np.isfinite(space.high)
            low, high = np.where(bounded, space.low, -1.0), np.where(bounded, space.high, 1.0)
            self._middle, self._half = ((high + low) / 2).tolist(), ((high - low) / 2).tolist()
        else:
            raise ValueError(f"{reader}: action space must be Discrete or a flat Box, got {space}")

    def code(self, action: Tensor) -> Tensor:
        """int64 [S] or float [S, A] to float32 [S, A]."""
        if self.discrete:
            return F.one_hot(action, self.size).float()
        action = action.float()
        return (action - action.new_tensor(self._middle)) / action.new_tensor(self._half)

    def loss(self, predicted: Tensor, action: Tensor) -> Tensor:
        """How wrong `predicted` [B, A] is, mean over B: cross-entropy in nats, or the squared error summed over A,
        of actions between -1 and 1.
        """
        if self.discrete:
            return F.cross_entropy(predicted, action)
        return (predicted - self.code(action)).square().sum(-1).mean()
