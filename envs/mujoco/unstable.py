"""Physics that blows up in one environment, and goes on in all others."""

from __future__ import annotations

import numpy as np

from envs.errors import UnstablePhysicsError
from envs.mujoco.engine import MujocoEngine
from envs.mujoco.state import MujocoState


def step_or_cut(
    engine: MujocoEngine, actions: np.ndarray, begin: np.ndarray
) -> tuple[MujocoState, np.ndarray, str | None]:
    """`engine.step` of all environments, in which none stops the others: (what was before, lost bool [N], why).

    lost: whose physics blew up, as MuJoCo says or by `engine.absurd` after the step. They are put back to where they
    were; where that was absurd already (somebody wrote it there), they begin anew, and so does what was before. The
    others get the bits that they had got without them.
    why: of the first of them, environment, step and field; None where nobody is lost.

    UnstablePhysicsError where it blew up in an episode that `begin` (bool [N]) begins: that is no matter of chance.
    """
    bad = engine.absurd() & ~begin
    lost, why = bad.copy(), engine.blame(bad)
    while not lost.all():
        try:
            before = engine.step(actions, begin, np.flatnonzero(~lost) if lost.any() else None)
            break
        except UnstablePhysicsError as error:
            if begin[error.ids].any():
                raise
            lost[error.ids] = True
            why = why or str(error).partition(";")[0]
    else:
        before = engine.state.take(slice(None))
    absurd = engine.absurd() & ~lost
    why = why or engine.blame(absurd, after=True)
    engine.state.put(absurd, before.take(absurd))
    if bad.any():
        engine.begin(np.flatnonzero(bad))
        before.put(bad, engine.state.take(bad))
    lost |= absurd
    engine.state.steps[lost] += 1
    return before, lost, why
