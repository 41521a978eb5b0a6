"""The package mujoco, whatever MUJOCO_GL says: `from envs.mujoco.library import mujoco`.

Importing it loads the OpenGL that MUJOCO_GL names, and fails where there is none. Physics needs no OpenGL, and
`envs.mujoco.rendering` chooses its own when something is drawn.
"""

from __future__ import annotations

import os

try:
    import mujoco
except Exception:  # whatever a driver that is not there raises
    _wanted = os.environ.pop("MUJOCO_GL", None)
    if _wanted is None:
        raise
    try:
        import mujoco
    finally:
        os.environ["MUJOCO_GL"] = _wanted

__all__ = ["mujoco"]
