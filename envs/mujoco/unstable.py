"""Physics that blows up in one environment, and goes on in all others."""

from __future__ import annotations

import warnings

import numpy as np

from envs.errors import UnstablePhysicsError, UnstablePhysicsWarning
from envs.mujoco.engine import MujocoEngine
from envs.mujoco.state import MujocoState


def step_or_cut(
    engine: MujocoEngine, actions: np.ndarray, begin: np.ndarray, ids: np.ndarray | None = None
) -> tuple[MujocoState, np.ndarray, str | None]:
    """`engine.step`, in which no environment stops the others: (what was before, lost bool [N], why).

    ids: who (int [M], sorted; None: all), the others stay as they are and are never lost.

    lost: whose physics blew up, as MuJoCo says or by `engine.absurd` after the step. They are put back to where they
    were; where that was absurd already (somebody wrote it there), they begin anew, and so does what was before. The
    others get the bits that they had got without them.
    why: of the first of them, environment, step and field; None where nobody is lost.

    UnstablePhysicsError where it blew up in an episode that `begin` (bool [N]) begins: that is no matter of chance.
    """
    bad = engine.absurd(ids) & ~begin
    lost, why = bad.copy(), engine.blame(bad)
    left = np.flatnonzero(~bad) if ids is None else ids[~bad[ids]]
    while len(left):
        try:
            before = engine.step(actions, begin, None if len(left) == engine.num_envs else left)
            break
        except UnstablePhysicsError as error:
            if begin[error.ids].any():
                raise
            lost[error.ids] = True
            left = left[~lost[left]]
            why = why or str(error).partition(";")[0]
    else:
        before = engine.state.take(slice(None))
    absurd = engine.absurd(left)
    if absurd.any():
        why = why or engine.blame(absurd, after=True)
        engine.state.put(absurd, before.take(absurd))
        lost |= absurd
    if bad.any():
        engine.begin(np.flatnonzero(bad))
        before.put(bad, engine.state.take(bad))
    engine.state.steps[lost] += 1
    return before, lost, why


class Losses:
    """How many episodes were cut because the physics blew up, said the first time.

    count: of them, so far.
    """

    def __init__(self) -> None:
        self.count = 0

    def report(self, lost: np.ndarray, why: str) -> None:
        """Count the environments of `lost` (bool [N]); the first time an UnstablePhysicsWarning says `why`."""
        if not self.count:
            warnings.warn(
                f"{why}; expected physics that stays finite: its episode is truncated, the others go on (said once)",
                UnstablePhysicsWarning,
                stacklevel=3,
            )
        self.count += int(lost.sum())
