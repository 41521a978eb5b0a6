"""What a level is: its size, rules and mission, and which generator draws it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.grid.levels.rules import FAMILY_POOL

PARAMS = 8


def need(good: bool, what: str) -> None:
    """ValueError saying `what` unless `good`: for the arguments of the factories."""
    if not good:
        raise ValueError(what)


@dataclass(frozen=True)
class MissionText:
    """A mission as MiniGrid words it, with what varies from level to level as integer codes.

    template: the text, one `{}` a placeholder.
    choices: for each placeholder its words; code `c` of placeholder `k` is `choices[k][c]`. At most four.
    """

    template: str
    choices: tuple[tuple[str, ...], ...] = ()

    @property
    def nvec(self) -> tuple[int, ...]:
        """How many values each used code can take; its length is the number of codes in use."""
        return tuple(len(words) for words in self.choices)

    def text(self, codes: Sequence[int] | np.ndarray) -> str:
        """The mission of one world. codes: int [>= len(nvec)], the rest is ignored."""
        return self.template.format(*(words[int(code)] for words, code in zip(self.choices, codes, strict=False)))

    def codes(self, text: str) -> tuple[int, ...]:
        """The codes of a mission's text; ValueError where the text is not one of this level's missions."""
        for codes in itertools.product(*(range(count) for count in self.nvec)):
            if self.text(codes) == text:
                return codes
        raise ValueError(f"mission {text!r} does not fit {self.template!r}")


@dataclass(frozen=True)
class LevelSpec:
    """One kind of level.

    id: our id without the namespace, such as "DoorKey-8x8-v0" ("grid/DoorKey-8x8-v0" for Gymnasium).
    minigrid_id: the id of the same level in the minigrid package, None for our own.
    family, params: which generator draws it, with which integers (at most eight).
    width, height: cells, border included.  max_steps: steps until truncation.
    rule: one of `envs.grid.levels.rules`.  see_through_walls: walls do not hide what is behind them.
    num_actions: MiniGrid's seven, or two in the hallway.
    has_native: there is a generator here.
    """

    id: str
    minigrid_id: str | None
    family: int
    params: tuple[int, ...]
    width: int
    height: int
    max_steps: int
    rule: int
    see_through_walls: bool
    num_actions: int
    mission: MissionText
    has_native: bool = True

    @property
    def pooled(self) -> bool:
        """Whether levels come out of a pool that minigrid fills (`envs.grid.pool`)."""
        return self.family == FAMILY_POOL

    @property
    def can_draw(self) -> bool:
        """Whether there is any way to draw a fresh level."""
        return self.has_native or self.pooled

    def params_array(self) -> np.ndarray:
        """int64 [8]: `params`, padded with zeros, as the generators take them."""
        padded = np.zeros(PARAMS, np.int64)
        padded[: len(self.params)] = self.params
        return padded
