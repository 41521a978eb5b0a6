"""`generate`: from a family number to its generator. An explicit chain, so that numba compiles it into the caller."""

from __future__ import annotations

import numba as nb

from envs.grid.levels import rules
from envs.grid.levels.crossing import generate_crossing
from envs.grid.levels.distshift import generate_distshift
from envs.grid.levels.doorkey import generate_doorkey
from envs.grid.levels.dynamic import generate_dynamic
from envs.grid.levels.empty import generate_empty
from envs.grid.levels.fetch import generate_fetch
from envs.grid.levels.fourrooms import generate_fourrooms
from envs.grid.levels.gotodoor import generate_gotodoor
from envs.grid.levels.gotoobject import generate_gotoobject
from envs.grid.levels.hallway import generate_hallway
from envs.grid.levels.keycorridor import generate_keycorridor
from envs.grid.levels.lavagap import generate_lavagap
from envs.grid.levels.lockedroom import generate_lockedroom
from envs.grid.levels.memory import generate_memory
from envs.grid.levels.multiroom import generate_multiroom
from envs.grid.levels.obstructedmaze import generate_obstructedmaze
from envs.grid.levels.playground import generate_playground
from envs.grid.levels.putnear import generate_putnear
from envs.grid.levels.redblue import generate_redblue
from envs.grid.levels.unlock import generate_unlock
from envs.grid.levels.unlockpickup import generate_unlockpickup


@nb.njit
def generate(family, params, cells, agent, stream):
    """Draw one fresh level in place.

    family: int, `LevelSpec.family`.  params: int64 [8], `LevelSpec.params_array()`.
    cells: uint16 [W, H].  agent: int32 [14], written completely.  stream: uint64 [2], advanced.
    """
    if family == rules.FAMILY_EMPTY:
        generate_empty(params, cells, agent, stream)
    elif family == rules.FAMILY_DOORKEY:
        generate_doorkey(params, cells, agent, stream)
    elif family == rules.FAMILY_FOURROOMS:
        generate_fourrooms(params, cells, agent, stream)
    elif family == rules.FAMILY_MULTIROOM:
        generate_multiroom(params, cells, agent, stream)
    elif family == rules.FAMILY_UNLOCK:
        generate_unlock(params, cells, agent, stream)
    elif family == rules.FAMILY_KEYCORRIDOR:
        generate_keycorridor(params, cells, agent, stream)
    elif family == rules.FAMILY_CROSSING:
        generate_crossing(params, cells, agent, stream)
    elif family == rules.FAMILY_LAVAGAP:
        generate_lavagap(params, cells, agent, stream)
    elif family == rules.FAMILY_HALLWAY:
        generate_hallway(params, cells, agent, stream)
    elif family == rules.FAMILY_DISTSHIFT:
        generate_distshift(params, cells, agent, stream)
    elif family == rules.FAMILY_DYNAMIC:
        generate_dynamic(params, cells, agent, stream)
    elif family == rules.FAMILY_FETCH:
        generate_fetch(params, cells, agent, stream)
    elif family == rules.FAMILY_GOTODOOR:
        generate_gotodoor(params, cells, agent, stream)
    elif family == rules.FAMILY_GOTOOBJECT:
        generate_gotoobject(params, cells, agent, stream)
    elif family == rules.FAMILY_LOCKEDROOM:
        generate_lockedroom(params, cells, agent, stream)
    elif family == rules.FAMILY_MEMORY:
        generate_memory(params, cells, agent, stream)
    elif family == rules.FAMILY_OBSTRUCTEDMAZE:
        generate_obstructedmaze(params, cells, agent, stream)
    elif family == rules.FAMILY_PLAYGROUND:
        generate_playground(params, cells, agent, stream)
    elif family == rules.FAMILY_PUTNEAR:
        generate_putnear(params, cells, agent, stream)
    elif family == rules.FAMILY_REDBLUE:
        generate_redblue(params, cells, agent, stream)
    elif family == rules.FAMILY_UNLOCKPICKUP:
        generate_unlockpickup(params, cells, agent, stream)
    else:
        raise ValueError("no generator of this family")
