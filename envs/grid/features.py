"""Numbers that a grid world measures of a state, for rewards designed by hand: channels of one token each.

They are worked out from the "state" channel's tokens (`envs.grid.channels`), so that what they say of a step is true of
its successor, not of the fresh level behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from envs.grid.levels.spec import LevelSpec
from envs.grid.symbols import DOOR, GOAL, KEY, OPEN, TRIPLE
from envs.grid.tokens import TokenLayout


class Feature(NamedTuple):
    """text: what it counts, in a few words. of: (rows uint8 [M, P] of "state", its layout, the level) -> int [M].

    most: (level) -> the largest value there.
    """

    text: str
    of: Callable[[np.ndarray, TokenLayout, LevelSpec], np.ndarray]
    most: Callable[[LevelSpec], int]


def _is(kind: int, state: int | None = None) -> np.ndarray:
    """bool [64]: which symbols are of that kind (and state)."""
    return (TRIPLE[:, 0] == kind) & (True if state is None else TRIPLE[:, 2] == state)


def _goal_distance(rows: np.ndarray, layout: TokenLayout, spec: LevelSpec) -> np.ndarray:
    cells = _is(GOAL)[rows[:, layout.slices["full"]]].reshape(len(rows), spec.width - 2, spec.height - 2)
    x, y = (rows[:, layout.slices["position"]].astype(np.int64) - 2).T  # of the interior
    across = np.abs(np.arange(spec.width - 2) - x[:, None])[:, :, None]
    down = np.abs(np.arange(spec.height - 2) - y[:, None])[:, None, :]
    far = spec.width + spec.height
    nearest = np.where(cells, across + down, far).reshape(len(rows), -1).min(axis=1)
    return np.where(nearest == far, 0, nearest)


def _doors_open(rows: np.ndarray, layout: TokenLayout, spec: LevelSpec) -> np.ndarray:
    return _is(DOOR, OPEN)[rows[:, layout.slices["full"]]].sum(axis=1)


def _carries_key(rows: np.ndarray, layout: TokenLayout, spec: LevelSpec) -> np.ndarray:
    return _is(KEY)[rows[:, layout.slices["carried"].start]]


FEATURES: Mapping[str, Feature] = {
    "goal_distance": Feature(
        "cells to the nearest goal tile, across and down, walls or not; 0 where there is none",
        _goal_distance,
        lambda spec: spec.width + spec.height,
    ),
    "doors_open": Feature("doors that stand open", _doors_open, lambda spec: (spec.width - 2) * (spec.height - 2)),
    "carries_key": Feature("1 while a key is carried", _carries_key, lambda spec: 1),
}
"""Name to feature, in every level. A token is the number itself."""
