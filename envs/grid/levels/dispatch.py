"""`generate`: from a family number to its generator. An explicit chain, so that numba compiles it into the caller."""

from __future__ import annotations

import numba as nb

from envs.grid.levels import rules
from envs.grid.levels.doorkey import generate_doorkey
from envs.grid.levels.empty import generate_empty

_EMPTY = rules.FAMILY_EMPTY
_DOORKEY = rules.FAMILY_DOORKEY


@nb.njit
def generate(family, params, cells, agent, stream):
    """Draw one fresh level in place.

    family: int, `LevelSpec.family`.  params: int64 [8], `LevelSpec.params_array()`.
    cells: uint16 [W, H].  agent: int32 [11], written completely.  stream: uint64 [2], advanced.
    """
    if family == _EMPTY:
        generate_empty(params, cells, agent, stream)
    elif family == _DOORKEY:
        generate_doorkey(params, cells, agent, stream)
    else:
        raise ValueError("no generator of this family")
