"""What all bonuses share: settings, the channel they read, and a state in parts."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from curiosity.config import BonusConfig
from curiosity.source import Surroundings


class Part(Protocol):
    """A piece of a bonus that has a state: a module, a trainer, a memory.

    `state_dict` gives the tensors themselves; who keeps them copies them.
    """

    def state_dict(self) -> Mapping[str, Tensor]: ...

    def load_state_dict(self, state: Mapping[str, Tensor]) -> object: ...


@runtime_checkable
class Checked(Protocol):
    """A part whose state can be wrong although every tensor has the right kind: lengths that differ, say."""

    def check_state(self, state: Mapping[str, Tensor]) -> None:
        """`ValueError` where `load_state_dict` could not take up `state`; nothing is changed."""
        ...


class Bonus:
    """A `RewardSource` but for `reward` and `fit`. Its state is that of `parts`, by name."""

    name: str
    remembers = False

    def __init__(self, config: BonusConfig, surroundings: Surroundings) -> None:
        self.space = surroundings.space(config.reads, self.name)
        self.episodic = config.episodic
        self.reads = config.reads
        self.device = torch.device(surroundings.device)
        self.group = surroundings.group
        self.seed = zlib.crc32(f"{self.name} {surroundings.seed}".encode())  # another stream than the learner's
        self.parts: dict[str, Part] = {}

    def state_dict(self) -> dict[str, Tensor]:
        """All that is needed to go on bit-identically, flat and copied."""
        return {key: tensor.clone() for key, tensor in self._tensors().items()}

    def _tensors(self) -> dict[str, Tensor]:
        """The state itself, not copied."""
        return {
            f"{part}.{key}": tensor.detach()
            for part, holder in self.parts.items()
            for key, tensor in holder.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave; `ValueError` names the first key that is missing, unknown or misshapen.

        All is checked before anything is taken up: a state that is refused changes nothing.
        """
        here = self._tensors()
        for key in sorted(here.keys() | state.keys()):
            if key not in state or key not in here:
                raise ValueError(f"{self.name} state: {key!r} is {'missing' if key in here else 'unknown'}")
            if not isinstance(state[key], Tensor):
                raise ValueError(f"{self.name} state: {key!r} must be a tensor, got {type(state[key]).__name__}")
            memory = key.startswith("memory.")  # as long as what is remembered
            if state[key].dtype != here[key].dtype or (not memory and state[key].shape != here[key].shape):
                raise ValueError(
                    f"{self.name} state: {key!r} must be {here[key].dtype} {list(here[key].shape)}, "
                    f"got {state[key].dtype} {list(state[key].shape)}"
                )
        theirs = {
            part: {key.removeprefix(f"{part}."): tensor for key, tensor in state.items() if key.startswith(f"{part}.")}
            for part in self.parts
        }
        for part, holder in self.parts.items():
            if isinstance(holder, Checked):
                try:
                    holder.check_state(theirs[part])
                except ValueError as error:
                    raise ValueError(f"{self.name} state: {part}: {error}") from None
        for part, holder in self.parts.items():
            holder.load_state_dict(theirs[part])
