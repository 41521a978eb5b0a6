"""TensorBoard's page of charts of the stage of one learner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from selfplay.board import Layout
from selfplay.core.streams import Stream
from selfplay.rewards.streams import bonuses
from selfplay.stages.asking import CHARTS as PREFERENCE_CHARTS
from selfplay.stages.ppo_settings import GridStageConfig, PPOStageConfig

_SUCCESS_CHART = {"success": ["rollout/success", "eval/success"]}
_TASK_CHARTS = {
    "return": ["rollout/return", "eval/return"],
    "length": ["rollout/length", "eval/length"],
}
_LEARNING_CHARTS = {"entropy (nats)": ["train/entropy"], "KL to the acting policy (nats)": ["train/approx_kl"]}


def charts(streams: Sequence[Stream], world: Any, config: PPOStageConfig, explores: bool) -> Layout:
    """The charts of a learner of `streams` in `world`. explores: whether it is measured where the player goes."""
    names = [stream.source.name for stream in streams]
    paid = [source.name for source in bonuses(streams)]
    rescaled = [name for stream in streams if stream.rescale and (name := stream.source.name) in paid]
    success = _SUCCESS_CHART if world.succeeds else {}
    page: dict[str, dict[str, list[str]]] = {"task": success | _TASK_CHARTS}
    if config.ppo.learning_rate > 0:
        page["learning"] = dict(_LEARNING_CHARTS)
    page.setdefault("learning", {})["explained variance"] = [f"train/explained_variance/{name}" for name in names]
    if explores:
        states = isinstance(config, GridStageConfig)
        words = "share of the reachable cells" + (", of all states," if states else "") + " that an episode visits"
        tags = ["coverage/positions", *(["coverage/states"] if states else [])]
        page["exploration"] = {words: tags}
    bonus = page.setdefault("exploration", {}) if paid or rescaled else {}
    if paid:
        bonus["bonus per step as its stream saw it"] = [f"train/reward/{name}" for name in paid]
    if rescaled:
        bonus["bonus per step as it was paid"] = [f"train/raw_reward/{name}" for name in rescaled]
    if "classifier" in names:
        of = "train/classifier/"
        beside = ["rollout/success"] if world.succeeds else []
        words = "C of what is visited, share of true successes it misses (known, visited), true success"
        page["goal classifier"] = {words: [f"{of}{m}" for m in ("confidence", "missed", "missed_visited")] + beside}
        page["goal classifier"]["loss (nats)"] = [f"{of}loss"]
    if config.asks:
        page["preferences"] = dict(PREFERENCE_CHARTS)
    if "tv" in world.columns:
        page["noisy TV"] = {"share of steps in front of it": ["tv/in_view"]}
        if world.press_action is not None:
            presses = ["tv/press_rate", "tv/press_rate_in_view", "tv/press_chance"]
            page["noisy TV"]["presses (share of steps, in front of it, chance)"] = presses
        if paid:
            owed = ["tv/bonus_share", "tv/bonus_in_view"]
            page["noisy TV"]["share of the bonus that is owed to it, and paid in front of it"] = owed
    return page
