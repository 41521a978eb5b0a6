"""The rewards that are taught: what somebody wants, said by comparisons, examples or weights. Loads no torch."""

from __future__ import annotations

from curiosity.catalogue import SourceEntry
from selfplay.rewards.preference_config import PreferenceConfig
from selfplay.rewards.taught_config import ClassifierConfig, FeatureConfig

TAUGHT: dict[str, SourceEntry] = {
    "classifier": SourceEntry(
        "how much the state that is reached looks like examples of success",
        ClassifierConfig,
        "selfplay.rewards.classifier:GoalClassifier",
        weight=1.0,
    ),
    "features": SourceEntry(
        "weights over what the world measures of a step",
        FeatureConfig,
        "selfplay.rewards.features:FeatureReward",
        weight=1.0,
    ),
    "preferences": SourceEntry(
        "a reward under which the preferred of two segments is worth more",
        PreferenceConfig,
        "selfplay.rewards.preferences:PreferenceReward",
        weight=1.0,
    ),
}
"""Name to entry, as `curiosity.catalogue.SOURCES` for the bonuses. A task is done for them, not explored."""
