"""Levels: `LEVELS` by id, `level_spec(name)`, and a factory for each family.

All of this is free of numba, so that listing ids is quick; the generators are in `dispatch`.
"""

from __future__ import annotations

import difflib

from envs.grid.levels.catalogue import LEVELS as LEVELS
from envs.grid.levels.spec import LevelSpec as LevelSpec
from envs.grid.levels.spec import MissionText as MissionText


def level_spec(name: str) -> LevelSpec:
    """The level called `name`, with or without "grid/". ValueError with the nearest id where there is none."""
    key = name.removeprefix("grid/")
    if key in LEVELS:
        return LEVELS[key]
    lowered = {known.lower(): known for known in LEVELS}
    nearest = difflib.get_close_matches(key.removeprefix("MiniGrid-").lower(), lowered, n=1, cutoff=0.0)
    raise ValueError(f"unknown level {name!r}; nearest is 'grid/{lowered[nearest[0]]}'")
