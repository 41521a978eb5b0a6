"""Pictures by MuJoCo's own renderer, without a window."""

from __future__ import annotations

import ctypes.util
import difflib
import os
import sys
import warnings
from functools import cache
from importlib import import_module

import numpy as np

from envs.mujoco.library import mujoco
from envs.mujoco.world import World

SIZE = (400, 300)
"""Width and height, pixels."""
TRACKING = "track"
"""The camera of a model that is used, if there is one; else MuJoCo's free one."""

_MODULES = ("egl", "osmesa", "glfw", "cgl")
_OFF = ("off", "disable", "disabled", "false", "0")
_broken: dict[str, str] = {}  # of these, why: where MuJoCo has failed once, a second try can end the process


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
        self._gl, self._context = _contexts(model)
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


def wanted_opengl() -> str:
    """What MUJOCO_GL says, in small letters, "" where it says nothing; ValueError for a name that means nothing."""
    wanted = os.environ.get("MUJOCO_GL", "").lower().strip()
    known = (*_MODULES, *_OFF)
    if wanted and wanted not in known:
        nearest = difflib.get_close_matches(wanted, known, n=1, cutoff=0.0)[0]
        raise ValueError(f"MUJOCO_GL is {wanted!r}, expected {', '.join(_MODULES)} or off; nearest is {nearest!r}")
    return wanted


@cache
def _backend() -> str:
    """The name of a module of mujoco's that gives an OpenGL context."""
    try:
        wanted = wanted_opengl()
    except ValueError as error:
        raise NotImplementedError(f"pictures of this world are drawn by OpenGL: {error}") from None
    if wanted in _OFF:
        raise NotImplementedError(f"MUJOCO_GL={wanted}: pictures of this world are drawn by OpenGL, which is off")
    if wanted:
        return wanted
    if sys.platform != "linux":
        return "cgl" if sys.platform == "darwin" else "glfw"
    for name, library in (("egl", "EGL"), ("osmesa", "OSMesa")):
        if ctypes.util.find_library(library):
            return name
    raise NotImplementedError("pictures of this world need OpenGL, expected EGL or OSMesa (Debian: libegl1)")


def _contexts(model: mujoco.MjModel):  # type: ignore[no-untyped-def]  # each module has a class of its own
    """OpenGL's context, made current, and MuJoCo's in it: only the second shows whether the first one works."""
    name = _backend()
    if name not in _broken:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # GLFW warns of every call that fails
                context = import_module(f"mujoco.{name}").GLContext(*SIZE)
                context.make_current()
                if name == "glfw" and not import_module("glfw").get_current_context():
                    raise RuntimeError("it opened no window (is there a display?)")
            return context, mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        except Exception as error:  # whatever a driver that is not there raises: there are a dozen kinds
            words = (str(error).splitlines() or [""])[0][:120]
            _broken[name] = f"{type(error).__name__} {words}".rstrip()
    raise NotImplementedError(f"pictures of this world need OpenGL, and {name} does not work here: {_broken[name]}")
