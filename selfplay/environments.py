"""The environments that `--env` names, of all families. Importing this loads none of them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from envs.grid.levels import LevelSpec
    from envs.ruler import Ruler

Family = Literal["grid", "mujoco"]
FAMILIES: tuple[Family, ...] = ("grid", "mujoco")


@dataclass(frozen=True)
class MujocoSpec:
    """One of `envs.mujoco.worlds.WORLDS`, by its id there."""

    id: str


def find_environment(name: str) -> LevelSpec | MujocoSpec:
    """The environment called `name`, with or without its family's name in front.

    ValueError with the nearest id where there is none.
    """
    family, slash, _ = name.partition("/")
    if slash and family not in FAMILIES:
        nearest = difflib.get_close_matches(family, FAMILIES, n=1, cutoff=0.0)[0]
        raise ValueError(f"unknown family of environments {family!r} in {name!r}; nearest is {nearest!r}")
    from envs.mujoco.worlds import WORLDS, world

    if family == "mujoco" or name in WORLDS:
        world(name)
        return MujocoSpec(name.removeprefix("mujoco/"))
    from envs.grid.levels import level_spec

    return level_spec(name)


def family_of(spec: LevelSpec | MujocoSpec) -> Family:
    """The family that an environment is of."""
    return "mujoco" if isinstance(spec, MujocoSpec) else "grid"


def full_name(spec: LevelSpec | MujocoSpec) -> str:
    """As Gymnasium knows it, such as "grid/DoorKey-8x8-v0"."""
    return f"{family_of(spec)}/{spec.id}"


def ruler_of(name: str) -> Ruler:
    """How far goals are in the environment called `name`."""
    from envs.mujoco.worlds import GOAL_WORLDS
    from envs.ruler import STEPS

    spec = find_environment(name)
    if isinstance(spec, MujocoSpec) and spec.id in GOAL_WORLDS:
        return GOAL_WORLDS[spec.id].ruler
    return STEPS
