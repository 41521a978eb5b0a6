"""`MujocoEngine`: N simulations of a world, stepped and begun anew on MuJoCo's thread pool."""

from __future__ import annotations

import hashlib
from typing import Any

import numba as nb
import numpy as np

from envs.errors import UnstablePhysicsError
from envs.mujoco.draws import Draws
from envs.mujoco.library import mujoco
from envs.mujoco.native import FORWARD, STEP, NativeBatch
from envs.mujoco.state import MujocoState
from envs.mujoco.world import Moment, World
from envs.rng import seed_streams
from envs.vector import checked_count, checked_seed

ABSURD = 1e6
"""Positions (m, rad) and velocities (per second) beyond this are no physics; MuJoCo itself takes all up to 1e10."""


class MujocoEngine:
    """N environments of `world` on `threads` threads of MuJoCo's batch; None: as many as numba uses.

    What environment n does depends on its seed and its actions, not on N or the threads.

    model:  MuJoCo's.  dt: seconds of a step.
    state:  the environments themselves, not a copy.
    """

    def __init__(self, world: World, num_envs: int, threads: int | None = None) -> None:
        self.world = world
        self.num_envs = checked_count("num_envs", num_envs)
        self.threads = checked_count("threads", nb.get_num_threads() if threads is None else threads)
        self.model = world.model()
        self.dt = self.model.opt.timestep * world.frame_skip
        fresh = mujoco.MjData(self.model)
        reads, self._spans = _layout(self.model, fresh, world)
        contact_forces = any(reading.field == "cfrc_ext" for reading in world.reads.values())
        self._batch = NativeBatch(
            self.model, self.num_envs, min(self.threads, self.num_envs), world.frame_skip, reads, contact_forces
        )
        self.state = MujocoState(
            self._batch.state,
            self._batch.readings,
            np.zeros(self.num_envs, np.int64),
            np.zeros(self.num_envs, bool),
            np.zeros((self.num_envs, 2), np.uint64),
            type(world).__name__,
            _digest(self.model),
        )
        self._fresh = np.empty(self._batch.state.shape[1])
        mujoco.mj_getState(self.model, fresh, self._fresh, mujoco.mjtState.mjSTATE_INTEGRATION)
        self._columns = {
            name: _component(self.model, component)
            for name, component in (
                ("qpos", mujoco.mjtState.mjSTATE_QPOS),
                ("qvel", mujoco.mjtState.mjSTATE_QVEL),
                ("ctrl", mujoco.mjtState.mjSTATE_CTRL),
                ("goal", mujoco.mjtState.mjSTATE_USERDATA),
            )
        }
        self._moving = slice(self._columns["qpos"].start, self._columns["qvel"].stop)  # the one follows the other

    def seed(self, seed: int, ids: np.ndarray, first: int | None = None) -> None:
        """Start random streams anew: environment n of `ids` (int [M]) gets stream n of `seed`, or stream `first`."""
        everybody = np.empty((1 if first is not None else self.num_envs, 2), np.uint64)
        seed_streams(everybody, np.uint64(checked_seed(seed)), np.int64(first or 0))
        self.state.stream[ids] = everybody[0] if first is not None else everybody[ids]

    def moment(self, state: MujocoState | None = None, ids: Any = slice(None)) -> Moment:
        """Environments `ids` (int [M], bool [N] or a slice) of `state`; None: as they are now."""
        state = self.state if state is None else state
        physics, readings = state.physics[ids], state.readings[ids]
        read = {name: readings[:, start:end] for name, (start, end) in self._spans.items()}
        qpos, qvel, goal = (physics[:, self._columns[name]] for name in ("qpos", "qvel", "goal"))
        return Moment(qpos, qvel, read, goal)

    def begin(self, ids: np.ndarray) -> None:
        """Begin episodes in environments `ids` (int [M], sorted)."""
        self._write_starts(ids)
        self._advance(FORWARD, ids)

    def step(self, actions: np.ndarray, begin: np.ndarray, ids: np.ndarray | None = None) -> MujocoState:
        """One action each (float [N, nu]), but a fresh episode where `begin` (bool [N]) holds. Returns what was before.

        ids: who (int [M], sorted; None: all), the others stay as they are. UnstablePhysicsError, with nothing changed,
        where the physics blew up.
        """
        before = self.state.take(slice(None))
        who = slice(None) if ids is None else ids
        self.state.physics[who, self._columns["ctrl"]] = actions[who]
        if begin.any():
            self._write_starts(np.flatnonzero(begin))
        try:
            self._advance(np.where(begin, FORWARD, STEP), ids)
        except UnstablePhysicsError:
            self.state.put(slice(None), before)
            raise
        self.state.steps[who] += ~begin[who]
        return before

    def absurd(self, ids: np.ndarray | None = None) -> np.ndarray:
        """bool [N]: whether a position or a velocity is NaN or beyond ±`ABSURD`; False but for `ids` (None: all)."""
        who = slice(None) if ids is None else ids
        numbers = self.state.physics[who, self._moving]
        found = np.zeros(self.num_envs, bool)
        found[who] = ~(np.abs(numbers) <= ABSURD).all(axis=1)
        return found

    def blame(self, absurd: np.ndarray, after: bool = False) -> str | None:
        """The first environment of `absurd` (bool [N]), its step (the coming one, or `after` it) and the field."""
        if not absurd.any():
            return None
        n, now = int(absurd.argmax()), self.moment()
        field = "qvel" if (np.abs(now.qpos[n]) <= ABSURD).all() else "qpos"
        index = int((~(np.abs(getattr(now, field)[n]) <= ABSURD)).argmax())
        more = f" (and in {absurd.sum() - 1} more)" if absurd.sum() > 1 else ""
        return f"environment {n}{more}, step {self.state.steps[n] + (not after)}: {self._field(field, index)}"

    def _write_starts(self, ids: np.ndarray) -> None:
        draws = Draws(self.state.stream, ids)
        qpos, qvel = self.world.start(self.model.qpos0, self.model.nv, draws)
        rows = np.tile(self._fresh, (len(ids), 1))
        rows[:, self._columns["qpos"]], rows[:, self._columns["qvel"]] = qpos, qvel
        rows[:, self._columns["goal"]] = self.world.draw_goal(qpos, draws)
        self.state.physics[ids] = rows
        self.state.steps[ids], self.state.over[ids] = 0, False

    def _advance(self, task: np.ndarray | int, ids: np.ndarray | None = None) -> None:
        batch = self._batch
        failed = batch.advance(task, None if ids is None else ids.astype(np.int32))
        if not failed and not batch.warnings[:, :, 1].any():
            return
        told = {int(n): self._warning(int(n)) for n in np.flatnonzero(batch.warnings[:, :, 1].any(axis=1))} | failed
        batch.warnings[:] = 0
        n = min(told)
        more = f" (and in {len(told) - 1} more)" if len(told) > 1 else ""
        raise UnstablePhysicsError(
            f"environment {n}{more}, step {self.state.steps[n] + 1}: {told[n]}; expected physics that stays finite; "
            "all environments are as before the step, reset this one with reset_mask",
            np.array(sorted(told)),
        )

    def _warning(self, n: int) -> str:
        """What MuJoCo last warned of in environment n, with the joint or actuator that it is about."""
        counts = self._batch.warnings[n]
        kind = mujoco.mjtWarning(int(counts[:, 1].argmax()))
        index = int(counts[int(kind), 0])
        of_joint = {"BADQPOS": "qpos", "BADQVEL": "qvel", "BADQACC": "qacc"}
        name = kind.name.removeprefix("mjWARN_")
        if name in of_joint:
            return self._field(of_joint[name], index)
        if name == "BADCTRL":
            return f"ctrl[{index}] is NaN, infinite or huge"
        return f"MuJoCo warns of {name} ({index})"

    def _field(self, field: str, index: int) -> str:
        """What is wrong with number `index` of qpos, qvel or qacc, and whose it is."""
        addresses = self.model.jnt_qposadr if field == "qpos" else self.model.jnt_dofadr
        joint = int(np.searchsorted(addresses, index, side="right")) - 1
        called = mujoco.mj_id2name(self.model, mujoco.mjtObj.mjOBJ_JOINT, joint) or f"number {joint}"
        return f"{field}[{index}] (joint {called}) is NaN, infinite or huge"


def _digest(model: mujoco.MjModel) -> str:
    """Of all that is in it: two models that differ in anything have different ones."""
    binary = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, binary)
    return hashlib.sha256(binary.tobytes()).hexdigest()


def _component(model: mujoco.MjModel, component: mujoco.mjtState) -> slice:
    """The columns of `component` in a row of mjSTATE_INTEGRATION, whose parts stand in the order of their bits."""
    bits = (1 << bit for bit in range(int(component).bit_length() - 1))
    start = sum(mujoco.mj_stateSize(model, bit) for bit in bits if bit & int(mujoco.mjtState.mjSTATE_INTEGRATION))
    return slice(start, start + mujoco.mj_stateSize(model, int(component)))


def _layout(
    model: mujoco.MjModel, data: mujoco.MjData, world: World
) -> tuple[list[tuple[str, int, int]], dict[str, tuple[int, int]]]:
    """What the batch reads (field, first number, count) and by name the columns it stands in."""
    reads, spans, end = [], {}, 0
    for name, reading in world.reads.items():
        width = getattr(data, reading.field).shape[1]
        body = 1 if reading.body is None else model.body(reading.body).id
        bodies = model.nbody - 1 if reading.body is None else 1
        reads.append((reading.field, body * width, bodies * width))
        spans[name] = (end, end + bodies * width)
        end += bodies * width
    return reads, spans
