"""Pictures by MuJoCo's own renderer, without a window."""

from __future__ import annotations

import ctypes.util
import os
import sys
from functools import cache
from importlib import import_module

import mujoco
import numpy as np

from envs.mujoco.world import World

SIZE = (400, 300)
"""Width and height, pixels."""
TRACKING = "track"
"""The camera of a model that is used, if there is one; else MuJoCo's free one."""

_OFF = ("disable", "disabled", "off", "false", "0")


@cache  # making one takes a second, and all stay: freeing one spoils the pictures of the others
def painter(kind: type[World]) -> Painter:
    """The `Painter` of worlds of class `kind`."""
    return Painter(kind().model())


class Painter:
    """Draws states of `model`.

    By what `mujoco.Renderer` is made of: that takes its OpenGL from what MUJOCO_GL was when mujoco was first imported,
    by default one with a window. Here MUJOCO_GL is asked when something is drawn, and by default EGL or else OSMesa is
    taken, or macOS's own.

    NotImplementedError, in one line, where there is none of these.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self.model, self.data = model, mujoco.MjData(model)
        model.vis.quality.shadowsize = 0  # no shadows: they take most of the time of a picture
        self._gl = _context()
        self._gl.make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._scene = mujoco.MjvScene(model, maxgeom=1000)
        self._option, self._camera = mujoco.MjvOption(), mujoco.MjvCamera()
        mujoco.mjv_defaultFreeCamera(model, self._camera)
        self._camera.distance *= 0.6
        tracking = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, TRACKING)
        if tracking >= 0:
            self._camera.type, self._camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, tracking

    def draw(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        """uint8 [H, W, 3] of positions [nq] and velocities [nv]."""
        self.data.qpos[:], self.data.qvel[:] = qpos, qvel
        mujoco.mj_forward(self.model, self.data)
        picture = np.empty((SIZE[1], SIZE[0], 3), np.uint8)
        self._gl.make_current()
        mujoco.mjv_updateScene(
            self.model, self.data, self._option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL.value, self._scene
        )
        whole = mujoco.MjrRect(0, 0, *SIZE)
        mujoco.mjr_render(whole, self._scene, self._context)
        mujoco.mjr_readPixels(picture, None, whole, self._context)
        return picture[::-1].copy()


@cache
def _backend() -> str:
    """The name of a module of mujoco's that gives an OpenGL context."""
    wanted = os.environ.get("MUJOCO_GL", "").lower().strip()
    if wanted in _OFF:
        raise NotImplementedError(f"MUJOCO_GL={wanted}: pictures of this world are drawn by OpenGL, which is off")
    if wanted in ("egl", "osmesa", "glfw", "cgl"):
        return wanted
    if sys.platform != "linux":
        return "cgl" if sys.platform == "darwin" else "glfw"
    for name, library in (("egl", "EGL"), ("osmesa", "OSMesa")):
        if ctypes.util.find_library(library):
            return name
    raise NotImplementedError("pictures of this world need OpenGL, expected EGL or OSMesa (Debian: libegl1)")


def _context():  # type: ignore[no-untyped-def]  # each module has a class of its own
    name = _backend()
    try:
        return import_module(f"mujoco.{name}").GLContext(*SIZE)
    except Exception as error:  # whatever a driver that is not there raises: there are a dozen kinds
        words = (str(error).splitlines() or [""])[0][:120]
        raise NotImplementedError(f"pictures of this world need OpenGL, and {name} does not work here: "
                                  f"{type(error).__name__} {words}".rstrip()) from None  # fmt: skip
