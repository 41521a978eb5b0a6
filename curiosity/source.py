"""What every source of reward is: the task, a curiosity bonus, a learnt reward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor


class Batch(Protocol):
    """The steps a source is shown: T time steps of N environments, time-major. `selfplay.core.Transitions` is one."""

    @property
    def obs(self) -> Tensor:
        """[T, N, ...] what the player saw before it acted."""
        ...

    @property
    def action(self) -> Tensor:
        """[T, N] or [T, N, A]."""
        ...

    @property
    def next_obs(self) -> Tensor:
        """[T, N, ...] the true successor, never the first observation after a reset."""
        ...

    @property
    def terminated(self) -> Tensor:
        """Bool [T, N]."""
        ...

    @property
    def truncated(self) -> Tensor:
        """Bool [T, N]."""
        ...

    @property
    def task_reward(self) -> Tensor:
        """Float32 [T, N]."""
        ...

    @property
    def mask(self) -> Tensor:
        """Bool [T, N], which steps were really played. The others hold anything."""
        ...


@runtime_checkable
class RewardSource(Protocol):
    """Pays for steps, and may learn from them after it has paid.

    name: what its metrics and saved tensors are filed under; unique among the sources of a learner.
    episodic: whether the return ends with the episode. False: values bootstrap through terminations, so that
        exploring a way to die is not punished by the loss of all later novelty (Burda et al. 2018, arXiv 1810.12894).
    """

    name: str
    episodic: bool

    def reward(self, batch: Batch) -> Tensor:
        """Float32 [T, N], without gradient and without side effect. Steps outside `batch.mask` are not looked at."""
        ...

    def fit(self, batch: Batch) -> Mapping[str, float]:
        """Learn from the batch, called once after `reward`; returns metrics."""
        ...

    def state_dict(self) -> Mapping[str, Tensor]:
        """All that is needed to go on exactly as if never interrupted, as a flat mapping."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up a state that `state_dict` gave; `ValueError` if it does not fit."""
        ...
