"""From `--reward icm=0.01` to the streams of a learner."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, create_model

from curiosity.catalogue import SOURCES
from selfplay.errors import unknown
from selfplay.rewards.catalogue import TAUGHT

if TYPE_CHECKING:
    import gymnasium
    import numpy as np

    from curiosity.catalogue import SourceEntry
    from curiosity.config import SourceConfig
    from curiosity.source import RewardSource, Surroundings
    from selfplay.core.streams import Stream

TASK, LEASH = "task", "leash"
"""The names of sources that are no bonus: the environment's own reward, and KL to a frozen policy."""


def _settings(title: str, entries: Mapping[str, SourceEntry]) -> Any:
    return create_model(  # type: ignore[call-overload]
        title,
        __config__=ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False),
        **{name: (entry.config, entry.config()) for name, entry in entries.items()},
    )


BonusSettings: Any = _settings("BonusSettings", SOURCES)
"""The settings of every bonus, one group each: `bonus.icm.beta` and so on."""
TaughtSettings: Any = _settings("TaughtSettings", TAUGHT)
"""The settings of every reward that is taught, one group each: `taught.preferences.members` and so on."""


def parse_rewards(rewards: Sequence[str], taught: bool = True) -> dict[str, float]:
    """`("task=1", "icm=0.01")` as a mapping from names to weights; `ValueError` for what cannot be meant.

    taught: whether rewards that are taught are among the possible ones.
    """
    weights: dict[str, float] = {}
    known = [TASK, *SOURCES, *(TAUGHT if taught else ())]
    for text in rewards:
        name, equals, number = (part.strip() for part in text.partition("="))
        if not equals:
            raise ValueError(f"{text!r} has no weight, expected NAME=WEIGHT such as {name or 'rnd'}=0.1")
        if name not in known:
            raise ValueError(unknown("reward", name, known))
        if name in weights:
            raise ValueError(f"reward {name!r} is given twice, as {weights[name]:g} and as {number}")
        try:
            weights[name] = float(number)
        except ValueError:
            weights[name] = math.nan
        if not math.isfinite(weights[name]) or weights[name] < 0:
            raise ValueError(f"the weight of {name!r} is {number!r}, expected a finite number >= 0")
    if not any(weights.values()):
        raise ValueError(f"rewards is {', '.join(rewards) or 'empty'}, expected at least one with a weight above 0")
    return weights


def privileged_channels(rewards: Sequence[str], *settings: BaseModel) -> set[str]:
    """The channels beside "obs" that these rewards look at. settings: groups that have them all, by name."""
    wanted: set[str] = set()
    for name in parse_rewards(rewards):
        if name != TASK:
            wanted |= set(_config(name, settings).channels())
    return wanted - {"obs"}


def make_streams(
    rewards: Sequence[str],
    settings: Sequence[BaseModel],
    gamma: float,
    surroundings: Surroundings,
    rescale_task: bool = False,
) -> list[Stream]:
    """One stream for each reward, in the order given.

    settings: groups that have them all, by name. gamma, rescale_task: the task's; the others bring their own.
    """
    from selfplay.core.streams import Stream
    from selfplay.rewards.task import TaskReward

    streams = []
    for name, weight in parse_rewards(rewards).items():
        if name == TASK:
            streams.append(Stream(TaskReward(), weight, gamma, rescale_task))
        else:
            config = _config(name, settings)
            source = (SOURCES | TAUGHT)[name].build(config, surroundings)
            streams.append(Stream(source, weight, config.gamma, config.rescale))
    return streams


def _config(name: str, settings: Sequence[BaseModel]) -> SourceConfig:
    """The settings of the reward `name`, in whichever group has them."""
    return next(getattr(group, name) for group in settings if name in type(group).model_fields)


def bonuses(streams: Iterable[Stream]) -> list[RewardSource]:
    """The sources that are neither the task's nor a leash."""
    return [stream.source for stream in streams if stream.source.name not in (TASK, LEASH)]


def surroundings(
    observation_space: gymnasium.Space,
    action_space: gymnasium.Space,
    seed: int,
    device: str,
    channels: Mapping[str, gymnasium.Space] | None = None,
    pixels: Mapping[str, np.ndarray] | None = None,
) -> Surroundings:
    """What sources are told of one environment. channels, pixels: as a grid world gives them."""
    import torch

    from curiosity.source import Surroundings
    from selfplay.core.encoders import encoder_for

    hidden = {"shown", "clean", "tv"}  # a noisy TV's: sources know "shown" as "obs", and nothing of the others
    offered = {name: space for name, space in (channels or {}).items() if name not in hidden}
    tables = {name: torch.from_numpy(table).to(device) for name, table in (pixels or {}).items() if name not in hidden}
    return Surroundings({**offered, "obs": observation_space}, action_space, encoder_for, seed, tables, device)
