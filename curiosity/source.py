"""What every source of reward is: the task, a curiosity bonus, a learnt reward."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import gymnasium
import torch
from torch import Tensor, nn

from curiosity.group import ALONE, Group


class Rows(NamedTuple):
    """What a channel held before and after the steps of a batch: two tensors [T, N, P]."""

    now: Tensor
    next: Tensor


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

    def channel(self, name: str) -> Rows:
        """What a source is to look at by the name of `name`; "obs" is what the player sees. `KeyError`: not recorded.

        uint8 tokens [T, N, P] or float32 vectors [T, N, D], as the channel's space in `Surroundings` says; `next` is
        the true successor. Where a noisy TV is hidden from the player, `channel("obs")` still shows it, `obs` does not.
        """
        ...


@dataclass(frozen=True)
class Surroundings:
    """What a source is told about where it will pay: the spaces of one environment, and how to read them.

    channels: name to space, MultiDiscrete [P] (uint8 tokens below nvec; 0 means "nothing here") or Box [D]. "obs" is
        always there; "position" (where the player stands) and "state" (all that matters of the world) are privileged:
        no player sees them, and not every world can give them.
    encoder: (space, H) -> a module from rows of that space, [B, P], to float32 [B, H]: a linear first layer. It draws
        its weights from torch's global stream.
    pixels: name to float32 [P, V, C], for channels of tokens: what token v at place p looks like, as C numbers in
        [0, 1]. A channel without an entry looks like v / (V_p - 1).
    seed: of the weights and of every draw. device: where the batches live. group: the processes that learn together.
    """

    channels: Mapping[str, gymnasium.Space]
    action_space: gymnasium.Space
    encoder: Callable[[gymnasium.Space, int], nn.Module]
    seed: int
    pixels: Mapping[str, Tensor] = field(default_factory=dict)
    device: torch.device | str = "cpu"
    group: Group = ALONE

    def space(self, name: str, reader: str) -> gymnasium.Space:
        """The space of channel `name`; `ValueError` saying what `reader` wanted and what there is."""
        if name in self.channels:
            return self.channels[name]
        near = difflib.get_close_matches(name, self.channels, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{reader} reads {name!r}, but this world gives only {', '.join(self.channels)}{hint}")


@runtime_checkable
class RewardSource(Protocol):
    """Pays for steps, and may learn from them after it has paid.

    name: what its metrics and saved tensors are filed under; unique among the sources of a learner.
    episodic: whether the return ends with the episode. False: values bootstrap through terminations, so that
        exploring a way to die is not punished by the loss of all later novelty (Burda et al. 2018, arXiv 1810.12894).
    remembers: may be left out where it is False. True: the source keeps what happened in each environment's episode
        from batch to batch, so that all batches must be of the same N environments, one batch in an update.
    as_drawn: may be left out where it is False. True: continuous actions are shown as the policy drew them, not as the
        world was given them.
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
