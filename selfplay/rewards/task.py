"""The task's own reward as a source like any other."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from curiosity.source import Batch


class TaskReward:
    """Pays what the environment (or, in a game, the payoff rule) wrote into `task_reward`. Learns nothing."""

    name = "task"
    episodic = True

    def reward(self, batch: Batch) -> Tensor:
        """Float32 [T, N]: the batch's `task_reward`."""
        return batch.task_reward

    def fit(self, batch: Batch) -> Mapping[str, float]:
        """Nothing to learn, nothing to report."""
        return {}

    def state_dict(self) -> Mapping[str, Tensor]:
        """Empty: the task reward has no state."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Accepts only the empty state."""
        if state:
            raise ValueError(f"the task reward has no state, got {sorted(state)}")
