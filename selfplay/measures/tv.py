"""What a noisy TV does to a player: time in front of it, presses, and how much of a bonus is earned there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import gymnasium
import torch
from torch import Tensor

from curiosity.source import RewardSource
from envs.noisy_tv import PRESS_ABOVE
from selfplay.core.transitions import Transitions


def attention(
    batch: Transitions, actions: gymnasium.Space, press: int | None, log_std: float = 0.0
) -> dict[str, float]:
    """Time at the TV, and presses against chance, over the played steps of a batch with the channel "tv".

    press: the action that presses, or which number of an action does, above `PRESS_ABOVE`; None: there is no button.
    log_std: where the log deviation of actions that are numbers starts.

    tv/in_view: share of steps after which the TV is in view. With a button, press_rate: share of steps that press it,
    press_rate_in_view: the same among the steps taken in front of the TV, press_chance: what a player of `actions` does
    whose actions are uniform, or normal numbers of mean 0 and deviation exp(log_std), as of a policy that never learnt.
    """
    rows, mask = batch.channels["tv"], batch.mask
    before, after = (part[..., 0] > 1 for part in rows)
    measures = {"tv/in_view": _mean(after, mask)}
    if press is not None:
        if isinstance(actions, gymnasium.spaces.Discrete):
            pressed, chance = batch.action == press, 1 / int(actions.n)
        else:
            pressed = batch.action[..., press] > PRESS_ABOVE
            chance = math.erfc(PRESS_ABOVE / math.exp(log_std) / math.sqrt(2)) / 2
        measures["tv/press_rate"] = _mean(pressed, mask)
        measures["tv/press_chance"] = chance
        if bool((before & mask).any()):
            measures["tv/press_rate_in_view"] = _mean(pressed, mask & before)
    return measures


@torch.no_grad()
def bonus_at_tv(batch: Transitions, sources: Mapping[RewardSource, float]) -> dict[str, float]:
    """How much of the bonuses is owed to the TV; to be asked before the sources learn from the batch.

    sources: each with the factor that a unit of its reward counts for. tv/bonus_share: 1 - Σ reward of the same steps
    with the TV painted over ÷ Σ reward, of all sources together; below 0 where the TV lowers the bonus. What is under
    the paint may itself be new to a source that learnt with the TV on (always where it is everywhere), and one with a
    memory remembers having seen it: then the share is a lower bound, and tv/bonus_in_view says more.
    tv/bonus_in_view: share of the reward paid for steps after which the TV is in view. With several sources also
    tv/bonus_share/<name> and tv/bonus_in_view/<name>.
    """
    occluded = replace(batch, channels={**batch.channels, "obs": batch.channels["clean"]})
    in_view = batch.channels["tv"].next[..., 0] > 1
    measures, paid, without, at_tv = {}, 0.0, 0.0, 0.0
    for source, factor in sources.items():
        reward = source.reward(batch)
        one = [factor * _total(reward, batch.mask), factor * _total(source.reward(occluded), batch.mask)]
        one.append(factor * _total(reward, batch.mask & in_view))
        paid, without, at_tv = paid + one[0], without + one[1], at_tv + one[2]
        if len(sources) > 1 and one[0] != 0:
            measures[f"tv/bonus_share/{source.name}"] = 1 - one[1] / one[0]
            measures[f"tv/bonus_in_view/{source.name}"] = one[2] / one[0]
    if paid != 0:
        measures |= {"tv/bonus_share": 1 - without / paid, "tv/bonus_in_view": at_tv / paid}
    return measures


def _mean(what: Tensor, mask: Tensor) -> float:
    return float(what[mask].float().mean())


def _total(reward: Tensor, mask: Tensor) -> float:
    return float(reward[mask].cpu().numpy().sum(dtype="float64"))
