"""The environments that `--env` names, of all families. Importing this loads none of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from envs.grid.levels import LevelSpec
    from envs.outside.spec import OutsideSpec
    from envs.ruler import Ruler

Family = Literal["grid", "mujoco", "outside"]
FAMILIES: tuple[Family, ...] = ("grid", "mujoco")
"""Those of our own."""
EVERY_FAMILY: tuple[Family, ...] = (*FAMILIES, "outside")
"""And what `module:Id-v0` names, any environment that Gymnasium knows."""


@dataclass(frozen=True)
class MujocoSpec:
    """One of `envs.mujoco.worlds.WORLDS`, by its id there."""

    id: str


if TYPE_CHECKING:
    Environment = LevelSpec | MujocoSpec | OutsideSpec


def find_environment(name: str) -> Environment:
    """The environment called `name`, with or without its family's name in front; `module:Id-v0?key=value` outside.

    ValueError with the nearest id where there is none.
    """
    if ":" in name.partition("?")[0]:
        from envs.outside.make import registered
        from envs.outside.spec import parse

        outside = parse(name)
        registered(outside)
        return outside
    family, slash, _ = name.partition("/")
    if slash and family not in FAMILIES:
        nearest = difflib.get_close_matches(family, FAMILIES, n=1, cutoff=0.0)[0]
        raise ValueError(f"unknown family of environments {family!r} in {name!r}; nearest is {nearest!r}")
    from envs.mujoco.worlds import WORLDS, world

    if family == "mujoco" or name in WORLDS:
        world(name)
        return MujocoSpec(name.removeprefix("mujoco/"))
    from envs.grid.levels import LEVELS, level_spec

    if not slash and name not in LEVELS:
        raise ValueError(_unknown(name, {"grid": LEVELS, "mujoco": WORLDS}))
    return level_spec(name)


def _unknown(name: str, ours: Mapping[str, Iterable[str]]) -> str:
    """One line on an id that no family was said of. ours: ids by family; one of Gymnasium's own may be nearer."""
    from gymnasium import registry

    theirs = [key for key, known in registry.items() if str(known.entry_point).startswith("gymnasium.envs.")]
    lowered = {key.lower(): f"gymnasium:{key}" for key in theirs if "/" not in key}
    lowered |= {key.lower(): f"{family}/{key}" for family, ids in ours.items() for key in ids}
    found = lowered[difflib.get_close_matches(name.removeprefix("MiniGrid-").lower(), lowered, n=1, cutoff=0.0)[0]]
    return f"unknown level {name!r}; " + (f"did you mean {found}?" if ":" in found else f"nearest is {found!r}")


def family_of(spec: Environment) -> Family:
    """The family that an environment is of."""
    return "mujoco" if isinstance(spec, MujocoSpec) else "outside" if hasattr(spec, "gymnasium_id") else "grid"


def full_name(spec: Environment) -> str:
    """As `find_environment` takes it, such as "grid/DoorKey-8x8-v0" or "gymnasium:CartPole-v1"."""
    family = family_of(spec)
    return spec.id if family == "outside" else f"{family}/{spec.id}"


def ruler_of(name: str) -> Ruler:
    """How far goals are in the environment of the full name `name`, which is not looked up: it may not be here."""
    from envs.mujoco.worlds import GOAL_WORLDS
    from envs.ruler import STEPS

    family, _, id_there = name.partition("/")
    return GOAL_WORLDS[id_there].ruler if family == "mujoco" and id_there in GOAL_WORLDS else STEPS
