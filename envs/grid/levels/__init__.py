"""Levels: `LEVELS` by id, `level_spec(name)`, a factory for each family, and `generate`, which draws one.

Everything but `generate` is free of numba, so that listing ids is quick; `generate` is loaded on first use.
"""

from __future__ import annotations

import difflib
from typing import Any

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


def __getattr__(name: str) -> Any:
    if name == "generate":
        from envs.grid.levels.dispatch import generate

        return generate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
