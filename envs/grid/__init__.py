"""MiniGrid's worlds, many at a time: `kernel` is what happens, `levels` where it happens, `vector_env` the doors in.

Everything that needs numba is imported on first use, so that listing the environments stays quick.
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "GridEngine": "engine",
    "GridEnv": "single_env",
    "GridState": "state",
    "GridVectorEnv": "vector_env",
    "TokenLayout": "tokens",
    "from_minigrid": "interop",
    "to_minigrid": "interop",
}

__all__ = ["GridEngine", "GridEnv", "GridState", "GridVectorEnv", "TokenLayout", "from_minigrid", "to_minigrid"]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
