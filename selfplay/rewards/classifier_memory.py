"""What a goal classifier learns from: examples of success, and states that were visited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_HELD_OUT = 4  # one of so many successes
_NONE = -1.0  # in a checkpoint, for a share of nothing


class Examples(NamedTuple):
    """Rows of one channel: states of success [M, P], at least one, and of failure [F, P].

    succeeds: whether a step that terminates with a positive task reward is a true success, for what is reported.
    """

    success: Tensor
    failure: Tensor
    succeeds: bool = True


class Reservoir:
    """A uniform sample, without replacement, of at most `capacity` of all rows that were ever added (Vitter 1985,
    algorithm R). rows: [C, P]. seen: how many were added.
    """

    def __init__(self, rows: Tensor, capacity: int) -> None:
        self.rows, self.capacity, self.seen = rows[:0], capacity, 0

    def add(self, rows: Tensor, generator: torch.Generator) -> None:
        """Add rows [B, P]; each draws one number."""
        draws = torch.rand(len(rows), generator=generator, dtype=torch.float64).numpy()
        room = self.capacity - len(self.rows)
        self.rows = torch.cat([self.rows, rows[:room]])
        number = self.seen + np.arange(len(rows))
        place = (draws * (number + 1)).astype(np.int64)
        late = np.flatnonzero((np.arange(len(rows)) >= room) & (place < self.capacity))[::-1]
        where, first = np.unique(place[late], return_index=True)  # of two for one place the later one stays
        at, source = (torch.from_numpy(index.copy()).to(rows.device) for index in (where, late[first]))
        self.rows[at] = rows[source]
        self.seen += len(rows)


class Memory:
    """The examples, what was visited (failures from random play come first), and how often it was refitted.

    success, held_out: rows [M, P], to learn from and to judge by. missed: share of the true successes in the last batch
    that had any which were called failures, None before the first. A part of a source (`curiosity.bonus.Part`).
    """

    def __init__(self, empty: Tensor, capacity: int) -> None:
        self.success = self.held_out = empty
        self.visited = Reservoir(empty, capacity)
        self.fits, self.succeeds = 0, False
        self.missed: float | None = None

    def learn(self, examples: Examples, generator: torch.Generator) -> None:
        """Begin with `examples`; which successes are held out is drawn. Of fewer than four none is: all judge."""
        order = torch.randperm(len(examples.success), generator=generator).to(examples.success.device)
        held_out, learnt = order[: len(order) // _HELD_OUT], order[len(order) // _HELD_OUT :]
        self.success = examples.success[learnt]
        self.held_out = examples.success[held_out] if len(held_out) else examples.success
        self.visited.add(examples.failure, generator)
        self.succeeds = examples.succeeds

    def state_dict(self) -> dict[str, Tensor]:
        """Flat."""
        return {
            "success": self.success,
            "held_out": self.held_out,
            "visited": self.visited.rows,
            "counts": torch.tensor([self.visited.seen, self.fits, self.succeeds]),
            "missed": torch.tensor(_NONE if self.missed is None else self.missed, dtype=torch.float64),
        }

    def check_state(self, state: Mapping[str, Tensor]) -> None:
        """`ValueError` where rows are of another width, or counts cannot be."""
        width = self.success.shape[1]
        for name in ("success", "held_out", "visited"):
            if state[name].dim() != 2 or state[name].shape[1] != width:
                raise ValueError(f"{name} must be [M, {width}], got {list(state[name].shape)}")
        if state["counts"].shape != (3,) or state["missed"].shape != ():
            raise ValueError("counts must be [3] and missed one number")
        seen = int(state["counts"][0])
        if len(state["visited"]) != min(seen, self.visited.capacity):
            raise ValueError(f"visited has {len(state['visited'])} rows, but {seen} were seen")

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave."""
        device = self.success.device
        self.success, self.held_out = (state[name].to(device).clone() for name in ("success", "held_out"))
        self.visited.rows = state["visited"].to(device).clone()
        self.visited.seen, self.fits, succeeds = (int(count) for count in state["counts"])
        missed = float(state["missed"])
        self.succeeds, self.missed = bool(succeeds), None if missed == _NONE else missed
