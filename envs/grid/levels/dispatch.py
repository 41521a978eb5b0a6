"""From a family of levels to its generator, as the address of compiled code that the engine's kernels call.

Each generator is compiled by itself when its family is first drawn from. Compiled into the engine's kernel, all of them
together took most of the time that a new machine spends compiling.
"""

from __future__ import annotations

from functools import cache

import numba as nb
from llvmlite import ir
from numba.extending import intrinsic

from envs.grid.jit import compiled_entry
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
from envs.grid.levels.spec import PARAMS
from envs.grid.levels.unlock import generate_unlock
from envs.grid.levels.unlockpickup import generate_unlockpickup
from envs.grid.state import AGENT_FIELDS

GENERATORS = {
    rules.FAMILY_EMPTY: generate_empty,
    rules.FAMILY_DOORKEY: generate_doorkey,
    rules.FAMILY_FOURROOMS: generate_fourrooms,
    rules.FAMILY_MULTIROOM: generate_multiroom,
    rules.FAMILY_UNLOCK: generate_unlock,
    rules.FAMILY_KEYCORRIDOR: generate_keycorridor,
    rules.FAMILY_CROSSING: generate_crossing,
    rules.FAMILY_LAVAGAP: generate_lavagap,
    rules.FAMILY_HALLWAY: generate_hallway,
    rules.FAMILY_DISTSHIFT: generate_distshift,
    rules.FAMILY_DYNAMIC: generate_dynamic,
    rules.FAMILY_FETCH: generate_fetch,
    rules.FAMILY_GOTODOOR: generate_gotodoor,
    rules.FAMILY_GOTOOBJECT: generate_gotoobject,
    rules.FAMILY_LOCKEDROOM: generate_lockedroom,
    rules.FAMILY_MEMORY: generate_memory,
    rules.FAMILY_OBSTRUCTEDMAZE: generate_obstructedmaze,
    rules.FAMILY_PLAYGROUND: generate_playground,
    rules.FAMILY_PUTNEAR: generate_putnear,
    rules.FAMILY_REDBLUE: generate_redblue,
    rules.FAMILY_UNLOCKPICKUP: generate_unlockpickup,
}
"""By `LevelSpec.family`. A generator draws one level in place: generate(params, cells, agent, stream).

params: int64 [8], `LevelSpec.params_array()`.  cells: uint16 [W, H].  agent: int32 [14].  stream: uint64 [2], advanced.
It writes all of cells and agent, always ends, and raises nothing: an exception in code that is called by address is
lost.
"""

_ENTRY = nb.void(
    nb.types.CPointer(nb.int64), nb.types.CPointer(nb.uint16), nb.int64, nb.int64,
    nb.types.CPointer(nb.int32), nb.types.CPointer(nb.uint64),
)  # fmt: skip


def generator_address(family: int) -> int:
    """Where the compiled generator of a family is, for `draw`; ValueError where there is none."""
    if family not in GENERATORS:
        raise ValueError(f"level family {family} has no generator")
    return _compiled(GENERATORS[family])


@cache  # asked at every step
def _compiled(generate) -> int:
    def entry(params, cells, width, height, agent, stream):
        generate(
            nb.carray(params, PARAMS),
            nb.carray(cells, (width, height)),
            nb.carray(agent, AGENT_FIELDS),
            nb.carray(stream, 2),
        )

    return compiled_entry(generate.py_func, entry, _ENTRY)


@intrinsic
def _call(typing_context, address, params, cells, width, height, agent, stream):
    """Call the code at `address`; pointers are addresses too, all int64."""

    def generate_code(context, builder, signature, arguments):
        function, *rest = arguments
        kinds = [context.get_value_type(kind) for kind in _ENTRY.args]
        values = [
            builder.inttoptr(value, kind) if isinstance(kind, ir.PointerType) else value
            for value, kind in zip(rest, kinds, strict=True)
        ]
        pointer = builder.inttoptr(function, ir.FunctionType(ir.VoidType(), kinds).as_pointer())
        builder.call(pointer, values)
        return context.get_dummy_value()

    return nb.void(*[nb.int64] * 7), generate_code


@nb.njit
def draw(address, params, cells, agent, stream):
    """Draw one fresh level in place with the generator at `address`; arrays as in `GENERATORS`, C-contiguous."""
    _call(
        nb.int64(address), nb.int64(params.ctypes.data), nb.int64(cells.ctypes.data), nb.int64(cells.shape[0]),
        nb.int64(cells.shape[1]), nb.int64(agent.ctypes.data), nb.int64(stream.ctypes.data),
    )  # fmt: skip
