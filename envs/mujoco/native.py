"""MuJoCo's batch (`mujoco/mjbatch.h`): many simulations of one model on a native thread pool, by its C interface.

`mujoco.batch.Batch` is the same pool for Python, but has no `mjb_apply`, which runs a C function in every simulation.
Gymnasium computes the contact forces of its Ant once after the last substep. After a step by Runge and Kutta's method
these belong to the last of its four stages, and no other call of the pool gives them. The function here is compiled by
numba; one call of the pool does for every environment what its entry in `task` says.
"""

from __future__ import annotations

import ctypes
import weakref
from functools import cache
from pathlib import Path

import numba as nb
import numpy as np
from numba import types

from envs.mujoco.library import mujoco

STEP, FORWARD = 0, 1
"""Tasks: STEP runs `frame_skip` substeps, FORWARD derives all else from a state that was just written (mj_forward)."""

# A plan of int64: how many substeps, words of a row of readings, whether contact forces are computed, how many
# readings, and for each reading where its field's pointer stands in mjData (in words), the first word, how many words,
# and whether it is of the contact forces.
_HEAD, _READING = 4, 4

_WORDS = ctypes.POINTER(ctypes.POINTER(ctypes.c_int64))  # of a struct of pointers
_NUMBA_WORDS = types.CPointer(types.CPointer(types.int64))


class _Config(ctypes.Structure):
    _fields_ = (("nthread", ctypes.c_int), ("persistent", ctypes.c_bool))


@cache
def _library() -> ctypes.CDLL:
    """The library that the mujoco package has loaded, with the types of what is used here."""
    found = sorted(Path(mujoco.__file__).parent.glob("libmujoco*"))
    if not found:
        raise ImportError(f"no libmujoco in {Path(mujoco.__file__).parent}: expected the package mujoco-core 4")
    library = ctypes.CDLL(str(found[0]))
    for name in ("mj_step", "mj_forward", "mj_rnePostConstraint"):
        function = getattr(library, name)
        function.restype, function.argtypes = None, (ctypes.c_void_p, _WORDS)
    address, integer = ctypes.c_void_p, ctypes.c_int
    for name, result, arguments in (
        ("mjb_makeBatch", address, (address, integer, ctypes.POINTER(_Config), ctypes.c_char_p, integer)),
        ("mjb_deleteBatch", None, (address,)),
        ("mjb_state", address, (address,)),
        ("mjb_warning", address, (address,)),
        ("mjb_status", address, (address,)),
        ("mjb_error", ctypes.c_char_p, (address, integer)),
        ("mjb_nstate", integer, (address,)),
        ("mjb_apply", integer, (address, address, integer, address, address, integer)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@cache
def _advance():
    """The function that the pool runs: (mjModel*, mjData*, environment, {plan, task, readings}).

    Readings are float64, copied as words of 64 bits.
    """
    library = _library()
    step, forward, contact_forces = library.mj_step, library.mj_forward, library.mj_rnePostConstraint

    @nb.cfunc(types.void(types.voidptr, _NUMBA_WORDS, types.intc, _NUMBA_WORDS))
    def advance(model, data, n, arrays):
        plan = arrays[0]
        stepping = arrays[1][n] == STEP
        if stepping:
            for _ in range(plan[0]):
                step(model, data)
            if plan[2] != 0:
                contact_forces(model, data)
        else:
            forward(model, data)
        row, k = arrays[2], n * plan[1]
        for reading in range(plan[3]):
            entry = _HEAD + _READING * reading
            field, first = data[plan[entry]], plan[entry + 1]
            none = plan[entry + 3] != 0 and not stepping  # Gymnasium has no contact forces after a reset
            for word in range(first, first + plan[entry + 2]):
                row[k] = types.int64(0) if none else field[word]
                k += 1

    return advance


def field_offset(data: mujoco.MjData, field: str) -> int:
    """Where the pointer to `field` stands in the C struct mjData, in words of 8 bytes.

    Found by its value, so it is right for whatever version of the struct is loaded.
    """
    target = getattr(data, field).ctypes.data
    address, offset, chunk = data._address, 0, 64
    while True:  # it is there: the binding itself has read it from the struct
        words = (ctypes.c_uint64 * chunk).from_address(address + 8 * offset)
        for place, word in enumerate(words):
            if word == target:
                return offset + place
        offset += chunk


class _Owned:
    """A batch's address, and the end of the batch when nobody needs it: whoever views its memory holds this."""

    def __init__(self, address: int) -> None:
        self.address = address
        weakref.finalize(self, _library().mjb_deleteBatch, address)


class NativeBatch:
    """`num_envs` simulations of `model` on `threads` threads.

    state:    float64 [N, S], live: a row is mjSTATE_INTEGRATION of a simulation.
    warnings: int32 [N, 7, 2], live: for each of MuJoCo's warnings what it last was about, and how often it came.
    readings: float64 [N, K], after `advance` what `reads` names: (field of mjData, first number, count) each.
    """

    def __init__(
        self, model: mujoco.MjModel, num_envs: int, threads: int, frame_skip: int,
        reads: list[tuple[str, int, int]], contact_forces: bool,
    ) -> None:  # fmt: skip
        library = _library()
        complaint = ctypes.create_string_buffer(500)
        handle = library.mjb_makeBatch(
            model._address, num_envs, ctypes.byref(_Config(threads, False)), complaint, len(complaint)
        )
        if not handle:
            raise ValueError(f"MuJoCo cannot batch this model: {complaint.value.decode()}")
        self._owned = _Owned(handle)
        self.num_envs = num_envs
        size = library.mjb_nstate(handle)
        kinds = int(mujoco.mjtWarning.mjNWARNING)
        self.state = self._view(library.mjb_state(handle), ctypes.c_double, (num_envs, size))
        self.warnings = self._view(library.mjb_warning(handle), ctypes.c_int, (num_envs, kinds, 2))
        self._status = self._view(library.mjb_status(handle), ctypes.c_int, (num_envs,))
        self.readings = np.zeros((num_envs, sum(count for _, _, count in reads)))

        data = mujoco.MjData(model)
        plan = [frame_skip, self.readings.shape[1], int(contact_forces), len(reads)]
        for field, first, count in reads:
            plan += [field_offset(data, field), first, count, int(field == "cfrc_ext")]
        self._plan = np.array(plan, np.int64)
        self._task = np.zeros(num_envs, np.int64)
        self._arrays = (ctypes.c_void_p * 3)(self._plan.ctypes.data, self._task.ctypes.data, self.readings.ctypes.data)

    def _view(self, address: int, kind: type[ctypes._SimpleCData], shape: tuple[int, ...]) -> np.ndarray:
        """An array over the batch's own memory, which lives as long as the array does."""
        memory = (kind * int(np.prod(shape))).from_address(address)
        memory.owner = self._owned  # type: ignore[attr-defined]
        return np.ctypeslib.as_array(memory).reshape(shape)

    def advance(self, task: np.ndarray | int, ids: np.ndarray | None = None) -> dict[int, str]:
        """Do `task` (STEP or FORWARD; an integer or int [N]) in environments `ids` (sorted int32 [M]; None: all).

        Returns the message of every simulation in which MuJoCo raised an error, which keeps its state.
        """
        self._task[:] = task
        chosen = (None, 0) if ids is None else (ids.ctypes.data, len(ids))
        if _library().mjb_apply(self._owned.address, *chosen, _advance().address, self._arrays, 1) == 0:
            return {}
        among = np.arange(self.num_envs) if ids is None else ids
        failed = among[self._status[among] != 0]
        return {int(n): _library().mjb_error(self._owned.address, int(n)).decode() for n in failed}
