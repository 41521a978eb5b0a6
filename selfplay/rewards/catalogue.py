"""The rewards that are taught: what somebody wants, said by comparisons, examples or weights. Loads no torch."""

from __future__ import annotations

from curiosity.catalogue import SourceEntry
from selfplay.rewards.preference_config import PreferenceConfig

TAUGHT: dict[str, SourceEntry] = {
    "preferences": SourceEntry(
        "a reward under which the preferred of two segments is worth more",
        PreferenceConfig,
        "selfplay.rewards.preferences:PreferenceReward",
        weight=1.0,
    ),
}
"""Name to entry, as `curiosity.catalogue.SOURCES` for the bonuses. A task is done for them, not explored."""
