"""What a state is to a bonus: as it is seen, through a random network, or as an inverse model learns to see it."""

from __future__ import annotations

import gymnasium
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from curiosity.config import LearnedConfig
from curiosity.group import ALONE, Group, united
from curiosity.networks import Actions, mlp, network
from curiosity.source import Surroundings


class Whitening(nn.Module):
    """Vectors [B, D] less their running mean, over their running deviation, clipped to ±5 (arXiv 1810.12894, §2.4).

    Identity but for the clipping before the first `observe`; the paper plays random steps to fill it instead. The
    moments are those of what all ranks of `group` observe.
    """

    count: Tensor
    mean: Tensor
    square: Tensor

    def __init__(self, size: int, group: Group = ALONE) -> None:
        super().__init__()
        self.group = group
        for name, shape in (("count", ()), ("mean", (size,)), ("square", (size,))):
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))

    def observe(self, rows: Tensor) -> None:
        """Take rows [B, D] into the moments."""
        if len(rows) == 0:
            return
        values = rows.double()
        mean = values.mean(0)
        count, mean, square = united(self.group, len(rows), mean, (values - mean).square().sum(0))
        total = self.count + count
        delta = mean - self.mean
        self.square += square + delta.square() * self.count * count / total
        self.mean += delta * count / total
        self.count.copy_(total)

    def forward(self, rows: Tensor) -> Tensor:
        """float32 [B, D]."""
        if self.count == 0:
            return rows.clamp(-5, 5)
        deviation = (self.square / self.count).sqrt().clamp_min(1e-6)
        return ((rows.double() - self.mean) / deviation).clamp(-5, 5).float()


def whitening_of(space: gymnasium.Space, group: Group = ALONE) -> Whitening | None:
    """For a space of vectors; tokens need none."""
    return Whitening(space.shape[0], group) if isinstance(space, gymnasium.spaces.Box) else None


class PixelFeatures(nn.Module):
    """The state as it is seen: every token as its pixel [C] (else v / (V - 1)), vectors whitened. No weights."""

    table: Tensor
    offsets: Tensor

    def __init__(self, surroundings: Surroundings, space: gymnasium.Space, channel: str) -> None:
        super().__init__()
        self.whitening = whitening_of(space, surroundings.group)
        if not isinstance(space, gymnasium.spaces.MultiDiscrete):
            self.size = int((space.shape or (0,))[0])
            return
        sizes = [int(size) for size in space.nvec]
        if channel in surroundings.pixels:
            pixels = surroundings.pixels[channel]
            if pixels.dim() != 3 or len(pixels) != len(sizes) or pixels.shape[1] < max(sizes):
                raise ValueError(
                    f"pixels of {channel!r} must be [{len(sizes)}, {max(sizes)} or more, C], got {list(pixels.shape)}"
                )
        else:
            places = torch.tensor(sizes)[:, None, None]
            pixels = torch.arange(max(sizes))[None, :, None] / (places - 1).clamp_min(1)
        self.register_buffer("table", pixels.float().flatten(0, 1).clone(), persistent=False)
        self.register_buffer("offsets", torch.arange(len(sizes), dtype=torch.int32) * pixels.shape[1], persistent=False)
        self.size = len(sizes) * pixels.shape[2]

    def observe(self, rows: Tensor) -> None:
        """Take rows [B, P] into the moments that whiten."""
        if self.whitening is not None:
            self.whitening.observe(rows)

    def forward(self, rows: Tensor) -> Tensor:
        """[B, P] to float32 [B, size]."""
        if self.whitening is not None:
            return self.whitening(rows)
        return F.embedding(rows.int() + self.offsets, self.table).flatten(1)


class RandomFeatures(nn.Module):
    """A random network that never learns; vectors are whitened first. rows [B, P] to float32 [B, size]."""

    def __init__(self, surroundings: Surroundings, space: gymnasium.Space, width: int, size: int) -> None:
        super().__init__()
        self.whitening = whitening_of(space, surroundings.group)
        last = nn.Linear(width, size)
        nn.init.orthogonal_(last.weight, 2**0.5)
        self.net = nn.Sequential(surroundings.encoder(space, width), nn.ReLU(), last)
        self.net.requires_grad_(False)
        self.size = size

    def observe(self, rows: Tensor) -> None:
        """Take rows [B, P] into the moments that whiten."""
        if self.whitening is not None:
            self.whitening.observe(rows)

    def forward(self, rows: Tensor) -> Tensor:
        """[B, P] to float32 [B, size]."""
        return self.net(rows if self.whitening is None else self.whitening(rows))


class InverseFeatures(nn.Module):
    """φ learnt by guessing the action between two states (arXiv 1705.05363, eq. 2, 3); vectors are whitened."""

    def __init__(self, surroundings: Surroundings, space: gymnasium.Space, width: int, size: int, reader: str) -> None:
        super().__init__()
        self.actions = Actions(surroundings.action_space, reader)
        self.whitening = whitening_of(space, surroundings.group)
        self.net = network(surroundings, space, width, size)
        self.head = mlp(2 * size, width, self.actions.size)
        self.size = size

    def observe(self, rows: Tensor) -> None:
        """Take rows [B, P] into the moments that whiten."""
        if self.whitening is not None:
            self.whitening.observe(rows)

    def forward(self, rows: Tensor) -> Tensor:
        """[B, P] to float32 [B, size]."""
        return self.net(rows if self.whitening is None else self.whitening(rows))

    def metrics(self, both: Tensor, action: Tensor) -> dict[str, Tensor]:
        """inverse_loss (see `Actions.loss`) and, if Discrete, inverse_accuracy.

        both: φ [2B, size] of the B states before the actions, then of those after. action: int64 [B] or float [B, A].
        """
        guess = self.head(torch.cat(both.chunk(2), -1))
        found = {"inverse_loss": self.actions.loss(guess, action)}
        if self.actions.discrete:
            found["inverse_accuracy"] = (guess.argmax(-1) == action).float().mean()
        return found


Features = PixelFeatures | RandomFeatures | InverseFeatures


def make_features(kind: str, config: LearnedConfig, surroundings: Surroundings, reader: str) -> Features:
    """Features "pixels", "random" or "inverse" of the channel that `config` reads, for the bonus `reader`."""
    space = surroundings.space(config.reads, reader)
    if kind == "pixels":
        return PixelFeatures(surroundings, space, config.reads)
    if kind == "random":
        return RandomFeatures(surroundings, space, config.width, config.feature_width)
    return InverseFeatures(surroundings, space, config.width, config.feature_width, reader)
