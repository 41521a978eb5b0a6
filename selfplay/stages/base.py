"""What every stage offers to the training loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch

from selfplay.board import Layout
from selfplay.pictures import HOLD


@dataclass
class Report:
    """What one iteration has to tell.

    scalars: TensorBoard tag to value; nothing in it depends on the clock, so that a resumed run repeats it bit for bit.
    proposals: lines for `proposals.jsonl`.
    """

    scalars: dict[str, float]
    proposals: list[dict] = field(default_factory=list)


class Stage(Protocol):
    """Something that learns, one iteration at a time."""

    steps: int
    """Environment steps charged so far, all players and the target task together."""
    compared_by: tuple[str, ...]
    """Tags by which TensorBoard's page of hyper-parameters compares runs."""

    @property
    def charts(self) -> Layout:
        """TensorBoard's page of charts."""

    def iterate(self, progress: float) -> Report:
        """Collect and learn once; `progress` in [0, 1) is the share of the budget already spent."""

    def evaluate(self) -> dict[str, float]:
        """Scores on fresh levels under `eval/…`; leaves every random stream of the training untouched."""

    def scores(self, episodes: int, seed: int, deterministic: bool = False) -> dict[str, Any]:
        """What `selfplay evaluate` reports over `episodes` fresh levels of `seed`: `task` and, for Bob, `goals`."""

    def pictures(self) -> dict[str, np.ndarray | list[np.ndarray]]:
        """TensorBoard tag to a picture uint8 [H, W, 3], or to the frames of a moving one."""

    @property
    def step_seconds(self) -> float | None:
        """Simulated time of a step; None where steps have no length."""

    def film(
        self, seed: int, longest: int, deterministic: bool, stride: int = 1, hold: int = HOLD
    ) -> Iterator[np.ndarray]:
        """An episode or a round frame by frame, uint8 [H, W, 3], of an episode or a turn at most `longest` steps.

        Of every `stride`-th step there is one; starts and ends stay for `hold` frames. NotImplementedError, with the
        reason, in worlds without pictures.
        """

    def headline(self) -> dict[str, str]:
        """A few words for the progress line."""

    def state_dict(self) -> dict[str, torch.Tensor | np.ndarray]:
        """Everything that the next iteration depends on."""

    def load_state_dict(self, state: dict[str, torch.Tensor | np.ndarray]) -> None:
        """Go on from `state_dict`."""

    def load_learners(self, state: dict[str, torch.Tensor | np.ndarray]) -> None:
        """Take only what was learnt from a `state_dict`, for other worlds; ValueError where it does not fit."""


def prefixed(prefix: str, entries: dict) -> dict:
    """`entries` with `prefix/` before every key."""
    return {f"{prefix}/{key}": value for key, value in entries.items()}


def under(prefix: str, entries: dict) -> dict:
    """The entries below `prefix/`, without it."""
    return {key[len(prefix) + 1 :]: value for key, value in entries.items() if key.startswith(prefix + "/")}
