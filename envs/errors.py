"""Errors that environments of every family share."""

from __future__ import annotations

import numpy as np


class UnmeasurableError(ValueError):
    """An exact answer (shortest path, reachable goals) cannot be had in this world; the message says why."""


class LevelDrawingError(RuntimeError):
    """A level could not be drawn, or a worker ended."""


class UnstablePhysicsWarning(RuntimeWarning):
    """The physics of an environment blew up and its episode was cut; the others went on."""


class UnstablePhysicsError(RuntimeError):
    """The physics of some environments blew up in a step; the message names the first, the step and the field.

    ids: int [M], all of them, sorted.
    """

    def __init__(self, message: str, ids: np.ndarray) -> None:
        super().__init__(message)
        self.ids = ids


class OutsideError(RuntimeError):
    """Something went wrong in an environment of somebody else's; the message names it, what was done and where."""
