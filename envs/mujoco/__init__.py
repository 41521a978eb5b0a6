"""MuJoCo worlds, many at a time: `worlds` is what happens, `engine` MuJoCo's thread pool, `vector_env` the door in.

Everything that needs mujoco or numba is imported on first use, so that listing the environments stays quick.
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "MujocoEngine": "engine",
    "MujocoEnv": "single_env",
    "MujocoState": "state",
    "MujocoVectorEnv": "vector_env",
    "from_gymnasium": "interop",
}

__all__ = ["MujocoEngine", "MujocoEnv", "MujocoState", "MujocoVectorEnv", "from_gymnasium"]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
