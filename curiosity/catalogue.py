"""Which reward sources there are. Importing this loads no torch."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from curiosity import config as settings
from curiosity.config import SourceConfig

if TYPE_CHECKING:
    from curiosity.source import RewardSource, Surroundings


@dataclass(frozen=True)
class SourceEntry:
    """A kind of source: a line on what it pays for, its settings, where its class is ("module:Class"), its weight.

    weight: the default factor of its stream's advantage beside a task of weight 1.
    """

    description: str
    config: type[SourceConfig]
    where: str
    weight: float = 0.1

    def build(self, config: SourceConfig, surroundings: Surroundings) -> RewardSource:
        """A source with these settings; `ValueError` if the world lacks what it reads."""
        module, name = self.where.split(":")
        source: RewardSource = getattr(importlib.import_module(module), name)(config, surroundings)
        return source


SOURCES: dict[str, SourceEntry] = {
    "forward": SourceEntry(
        "error of guessing the next state as it is seen", settings.ForwardConfig, "curiosity.forward:Forward"
    ),
    "icm": SourceEntry(
        "error of guessing the next state in features that tell the action", settings.ICMConfig, "curiosity.icm:ICM"
    ),
    "rnd": SourceEntry("error of imitating a random network", settings.RNDConfig, "curiosity.rnd:RND"),
    "disagreement": SourceEntry(
        "variance between models of what comes next", settings.DisagreementConfig, "curiosity.disagreement:Disagreement"
    ),
    "ama": SourceEntry(
        "error of guessing the next state, less its predicted variance", settings.AMAConfig, "curiosity.ama:AMA"
    ),
    "noveld": SourceEntry(
        "gain in novelty (RND) where the episode had not been", settings.NovelDConfig, "curiosity.noveld:NovelD"
    ),
    "e3b": SourceEntry("features that the episode has not spanned yet", settings.E3BConfig, "curiosity.e3b:E3B"),
    "ride": SourceEntry(
        "change of features, less with each visit in the episode", settings.RIDEConfig, "curiosity.ride:RIDE"
    ),
    "re3": SourceEntry("distance to the k-th nearest state of the batch", settings.RE3Config, "curiosity.re3:RE3"),
    "counts": SourceEntry("1/√ of the visits to a state", settings.CountsConfig, "curiosity.counts:Counts"),
}


def source_entry(name: str) -> SourceEntry:
    """The entry of source `name`; `ValueError` with the nearest name there is."""
    if name in SOURCES:
        return SOURCES[name]
    near = difflib.get_close_matches(name, SOURCES, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(SOURCES)}"
    raise ValueError(f"unknown reward source {name!r}; {hint}")


def make_source(name: str, config: SourceConfig | None, surroundings: Surroundings) -> RewardSource:
    """A source by name; config None: its defaults.

    `ValueError`: no such source, settings of another one, or a world that lacks what it reads.
    """
    entry = source_entry(name)
    config = entry.config() if config is None else config
    if type(config) is not entry.config:
        raise ValueError(f"{name} takes {entry.config.__name__}, got {type(config).__name__}")
    return entry.build(config, surroundings)
