"""`generate`: from a family number to its generator. An explicit chain, so that numba compiles it into the caller."""

from __future__ import annotations

import numba as nb

from envs.grid.levels import rules
from envs.grid.levels.crossing import generate_crossing
from envs.grid.levels.doorkey import generate_doorkey
from envs.grid.levels.empty import generate_empty
from envs.grid.levels.fourrooms import generate_fourrooms
from envs.grid.levels.hallway import generate_hallway
from envs.grid.levels.keycorridor import generate_keycorridor
from envs.grid.levels.lavagap import generate_lavagap
from envs.grid.levels.multiroom import generate_multiroom
from envs.grid.levels.unlock import generate_unlock


@nb.njit
def generate(family, params, cells, agent, stream):
    """Draw one fresh level in place.

    family: int, `LevelSpec.family`.  params: int64 [8], `LevelSpec.params_array()`.
    cells: uint16 [W, H].  agent: int32 [12], written completely.  stream: uint64 [2], advanced.
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
    else:
        raise ValueError("no generator of this family")
