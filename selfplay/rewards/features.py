"""A reward designed by hand: weights over features of a step."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from curiosity.source import Batch, Surroundings
from curiosity.steps import spread, successors
from selfplay.rewards.taught_config import FeatureConfig, parse_weights


class FeatureReward:
    """r = Σ_i w_i φ_i(s′), φ_i a number that the world measures in the state after the step, a channel of its name.

    Such a reward pays for what was written down, not for what was meant: of a walker paid 2 · velocity forward +
    1 · upright + ½ · feet on the ground, falling forward at 5 m/s is worth 10 a step, walking 4.4, standing 2.

    Learns nothing and has no state. `ValueError`: no weights, or a feature that the world does not have.
    """

    name = "features"

    def __init__(self, config: FeatureConfig, surroundings: Surroundings) -> None:
        self.episodic = config.episodic
        self.weights = parse_weights(config.weights)
        if not self.weights:
            raise ValueError(
                "features: nothing has a weight, expected taught.features.weights=NAME=NUMBER,… (`selfplay envs` lists "
                "the features of each world)"
            )
        for name in self.weights:
            surroundings.space(name, self.name)

    def reward(self, batch: Batch) -> Tensor:
        """Float32 [T, N]."""
        measured = self._measured(batch)
        total = sum(
            (weight * measured[name] for name, weight in self.weights.items()), start=batch.task_reward.new_zeros(())
        )
        return spread(batch, total)

    def fit(self, batch: Batch) -> Mapping[str, float]:
        """Nothing to learn. Metrics: the mean of each feature over the played steps, in its own unit."""
        if not bool(batch.mask.any()):
            return {}
        return {name: float(numbers.double().mean()) for name, numbers in self._measured(batch).items()}

    def _measured(self, batch: Batch) -> dict[str, Tensor]:
        """Feature to float32 [S], of the played steps."""
        return {name: successors(batch, name)[:, 0].float() for name in self.weights}

    def state_dict(self) -> Mapping[str, Tensor]:
        """Empty."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Accepts only the empty state."""
        if state:
            raise ValueError(f"features has no state, got {sorted(state)}")
