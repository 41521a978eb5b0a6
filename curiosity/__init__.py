"""What is interesting: reward sources that pay a learner for more than its task. Knows no environment by name."""

from curiosity.source import Batch, RewardSource, Rows, Surroundings

__all__ = ["Batch", "RewardSource", "Rows", "Surroundings"]
