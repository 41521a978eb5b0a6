"""What the batched worlds check of actions alike."""

from __future__ import annotations

from typing import Any

import numpy as np


def checked_actions(actions: Any, size: int, steps: np.ndarray) -> np.ndarray:
    """`actions` as numbers [N, size]; ValueError naming the first environment whose row is none, and its step.

    steps: int64 [N], those taken in each environment.
    """
    try:
        array = np.asarray(actions)
    except ValueError:  # rows of different lengths
        array = np.empty(0, object)
    shape = (len(steps), size)
    if array.shape == shape and array.dtype.kind in "fiu":
        return array
    if hasattr(actions, "__len__") and np.ndim(array) and len(actions) == len(steps):
        for n, row in enumerate(actions):
            own = _array(row)
            if own.shape != (size,) or own.dtype.kind not in "fiu":
                raise ValueError(f"environment {n}, step {steps[n] + 1}: the action is {own.dtype} {list(own.shape)}, "
                                 f"expected floats {[size]}")  # fmt: skip
    raise ValueError(f"actions are {array.dtype} {list(array.shape)}, expected floats {list(shape)}")


def _array(row: Any) -> np.ndarray:
    try:
        return np.asarray(row)
    except ValueError:
        return np.asarray(row, object)
