"""What a noisy TV does to a player: time in front of it, presses, and how much of a bonus is earned there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from curiosity.source import RewardSource
from selfplay.core.transitions import Transitions


def attention(batch: Transitions, actions: int, press: int | None) -> dict[str, float]:
    """Time at the TV, and presses against chance, over the played steps of a batch with the channel "tv".

    tv/in_view: share of steps after which the TV is in view. With a button, press_rate: share of steps that press it,
    press_rate_in_view: the same among the steps taken in front of the TV, press_chance: what a uniformly random player
    of `actions` actions does.
    """
    rows, mask = batch.channels["tv"], batch.mask
    before, after = (part[..., 0] > 1 for part in rows)
    measures = {"tv/in_view": _mean(after, mask)}
    if press is not None:
        pressed = batch.action == press
        measures["tv/press_rate"] = _mean(pressed, mask)
        measures["tv/press_chance"] = 1 / actions
        if bool((before & mask).any()):
            measures["tv/press_rate_in_view"] = _mean(pressed, mask & before)
    return measures


@torch.no_grad()
def bonus_at_tv(batch: Transitions, sources: Iterable[RewardSource]) -> dict[str, float]:
    """How much of each source's reward is owed to the TV; to be asked before the sources learn from the batch.

    tv/bonus_share/<name>: 1 - Σ reward of the same steps with the TV painted over ÷ Σ reward. Below 0 where the TV
    lowers the bonus. tv/bonus_in_view/<name>: share of the reward paid for steps after which the TV is in view.
    """
    occluded = replace(batch, channels={**batch.channels, "obs": batch.channels["clean"]})
    in_view = batch.channels["tv"].next[..., 0] > 1
    measures = {}
    for source in sources:
        paid, without = (_total(source.reward(shown), batch.mask) for shown in (batch, occluded))
        if paid != 0:
            measures[f"tv/bonus_share/{source.name}"] = 1 - without / paid
            measures[f"tv/bonus_in_view/{source.name}"] = _total(source.reward(batch), batch.mask & in_view) / paid
    return measures


def _mean(what: Tensor, mask: Tensor) -> float:
    return float(what[mask].float().mean())


def _total(reward: Tensor, mask: Tensor) -> float:
    return float(reward[mask].cpu().numpy().sum(dtype="float64"))
