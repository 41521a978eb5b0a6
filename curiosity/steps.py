"""From a batch to its played steps, one behind the other, and back."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from curiosity.source import Batch


class Steps(NamedTuple):
    """The S played steps of a batch, time-major, and the M states they touch, each once.

    states: [M, P] rows of a channel. now, next: int64 [S], the numbers of the states before and after each step.
    action: int64 [S] or float32 [S, A].
    """

    states: Tensor
    now: Tensor
    next: Tensor
    action: Tensor


def played(batch: Batch, channel: str) -> Steps:
    """The played steps of `batch` as `channel` shows them; a state between two steps is listed once."""
    mask, rows = batch.mask, batch.channel(channel)
    goes_on = torch.zeros_like(mask)
    goes_on[:-1] = mask[:-1] & mask[1:] & ~(batch.terminated | batch.truncated)[:-1]
    last = mask & ~goes_on
    number = mask.flatten().cumsum(0).view_as(mask) - 1
    count = int(mask.sum())
    after = torch.empty_like(number)
    after[:-1][goes_on[:-1]] = number[1:][goes_on[:-1]]
    after[last] = count + torch.arange(int(last.sum()), device=mask.device)
    states = torch.cat([_where(mask, rows.now), _where(last, rows.next)])
    return Steps(states, torch.arange(count, device=mask.device), after[mask], batch.action[mask])


def _where(mask: Tensor, rows: Tensor) -> Tensor:
    """rows[mask], several times as fast."""
    return rows.flatten(0, 1).index_select(0, mask.flatten().nonzero()[:, 0])


def successors(batch: Batch, channel: str) -> Tensor:
    """The states [S, P] after the played steps, time-major."""
    return _where(batch.mask, batch.channel(channel).next)


def spread(batch: Batch, values: Tensor) -> Tensor:
    """values [S] of the played steps in their places, float32 [T, N]; 0 where nothing was played."""
    out = torch.zeros(batch.mask.shape, device=batch.mask.device)
    out[batch.mask] = values.float()
    return out


class Segments(NamedTuple):
    """Which steps belong together.

    begins: bool [T, N], played steps that begin an episode as far as is known. episode: int64 [T, N], which of its
    environment's episodes: 0 goes on from the last batch, 1, 2, … begin in this one. open: bool [N], whether the last
    goes on into the next batch.
    """

    begins: Tensor
    episode: Tensor
    open: Tensor


def segments(batch: Batch, open: Tensor) -> Segments:
    """The episodes of a batch, where `open` [N] says which environments' episodes went on when the last one ended.

    A step whose predecessor was not played begins an episode.
    """
    mask = batch.mask
    goes_on = mask & ~(batch.terminated | batch.truncated)
    before = torch.cat([open[None], goes_on[:-1]])
    begins = mask & ~before
    return Segments(begins, begins.long().cumsum(0), goes_on[-1])
