"""What a learner shares with those of the other ranks, so that all take the steps that one would take alone.

A minibatch is what all ranks take together: each has its share of the rows, advantages are normalised over the whole of
it, and the gradient is the mean of the ranks' own. Every rank must have played as many steps.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from curiosity.group import Group
from selfplay.core.adam import Adam
from selfplay.core.ppo import SPREAD, normalised


def check_alike(group: Group, steps: int, parameter: Tensor) -> None:
    """`ValueError` unless every rank has as many steps to learn from, and the same bits in `parameter` [n]."""
    if group.size == 1:
        return
    digest = zlib.crc32(parameter.detach().cpu().numpy().tobytes())
    found = group.gather(torch.tensor([steps, digest])).tolist()
    if any(one[0] != steps for one in found):
        raise ValueError(
            f"learner: ranks played {', '.join(str(one[0]) for one in found)} steps, expected as many each"
        )
    if any(one[1] != digest for one in found):
        raise ValueError("learner: the weights differ between ranks, expected the same everywhere")


def unite_gradient(group: Group, adam: Adam, metrics: dict[str, float]) -> dict[str, float]:
    """Put the mean of all ranks' gradients into `adam`, with every row that is live anywhere; the metrics' means."""
    if group.size == 1:
        return metrics
    live = torch.from_numpy(adam.live).to(adam.gradient)
    numbers = torch.tensor(list(metrics.values()), dtype=torch.float32, device=adam.gradient.device)
    group.mean_([adam.gradient, live, numbers])
    adam.live[:] = (live > 0).cpu().numpy()
    return dict(zip(metrics, numbers.tolist(), strict=True))


def normalised_together(group: Group, advantage: Tensor) -> Tensor:
    """advantage [B], this rank's share, as it is where that of all ranks has mean 0 and variance 1."""
    return normalised(advantage) if group.size == 1 else normalised_parts(group, [advantage])[0]


def normalised_parts(group: Group, parts: Sequence[Tensor]) -> list[Tensor]:
    """`normalised_together` of each of several minibatches [B]."""
    own = torch.zeros(3, len(parts), dtype=torch.float64)  # count, mean, Σ (x - mean)² of each
    for k, part in enumerate(parts):
        numbers = part.cpu().numpy().astype(np.float64)
        own[:, k] = torch.tensor([len(numbers), numbers.mean(), ((numbers - numbers.mean()) ** 2).sum()])
    counts, means, squares = group.gather(own).unbind(1)  # [R, parts]
    total = counts.sum(0)
    mean = (counts * means).sum(0) / total
    spread = ((squares + counts * (means - mean).square()).sum(0) / total).sqrt() + SPREAD
    return [(part - float(mean[k])) / float(spread[k]) for k, part in enumerate(parts)]
