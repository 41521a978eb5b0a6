"""Which of the segments that were played may be asked about, and which steps a reward is normalised by."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from selfplay.core.transitions import Transitions
from selfplay.label.segments import Segments

REFERENCE = 4096  # steps, about


def candidates(ends: Tensor, full: int, few: int, endings: float, generator: torch.Generator) -> Tensor:
    """Numbers of some of the segments, int64, in a random order. ends: bool [M], whose episode terminates in it.

    full, few: how many are wanted, and have to be. endings: the share of those that end, if it can be had; where there
    are not enough for `full`, there are fewer others as well, down to `few` in all. So questions are about how episodes
    end more often than play is; nothing is looked at but that they end.
    """
    order = torch.randperm(len(ends), generator=generator)
    ended, others = order[ends[order]], order[~ends[order]]
    chosen = ended[: math.ceil(endings * full)]
    total = full
    if endings > 0 and len(chosen):
        total = min(full, max(few, math.ceil(len(chosen) / endings)))
        chosen = chosen[: math.ceil(endings * total)]
    both = torch.cat([chosen, others[: total - len(chosen)]])
    return both[torch.randperm(len(both), generator=generator)]


def sizes(questions: int, clips: int) -> tuple[int, int]:
    """How many segments are wanted for so many questions of `clips` clips each, and with how few they can be asked.

    A clip may be in several questions: of M there are M (M - 1) / 2 pairs.
    """
    return 2 * clips * questions, clips + math.ceil(2 * math.sqrt(questions))


def reference_of(played: Transitions, steps: int = REFERENCE) -> Segments:
    """About `steps` of the steps in `played` [T, N, …]: all that some of its environments played, as segments."""
    count = min(played.mask.shape[1], max(1, round(steps / len(played.mask))))
    return Segments(played.each(lambda tensor: tensor[:, :count]))
