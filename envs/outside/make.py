"""Making many of an environment: through its own vector entry point, or Gymnasium's vectorisation."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import gymnasium
from gymnasium.envs.registration import EnvSpec, load_env_creator, registry
from gymnasium.vector import AutoresetMode, VectorEnv

from envs.errors import OutsideError
from envs.outside.spec import OutsideSpec

Vectorisation = Literal["auto", "own", "sync", "async"]


def registered(spec: OutsideSpec) -> EnvSpec:
    """What Gymnasium knows of it.

    ValueError, one line, with the nearest id where the module registers no such one, or the nearest argument.
    """
    before = set(registry)
    try:
        importlib.import_module(spec.module)
    except ModuleNotFoundError as error:
        missing = f"module {spec.module!r} is not there" if error.name == spec.module else f"it needs {error.name!r}"
        raise ValueError(f"{spec.module}:{spec.gymnasium_id} cannot be imported: {missing}") from None
    except Exception as error:
        raise ValueError(f"{spec.module}:{spec.gymnasium_id} cannot be imported: {told(error)}") from None
    if spec.gymnasium_id in registry:
        _check_arguments(spec, registry[spec.gymnasium_id])
        return registry[spec.gymnasium_id]
    own = [id for id in registry if id not in before]
    nearest = difflib.get_close_matches(spec.gymnasium_id, own or list(registry), n=1, cutoff=0.4)
    hint = f"did you mean {spec.module}:{nearest[0]}?" if nearest else "no id is like it"
    raise ValueError(f"module {spec.module!r} registers no environment {spec.gymnasium_id!r}; {hint}")


def _check_arguments(spec: OutsideSpec, known: EnvSpec) -> None:
    """ValueError for an argument that neither its constructor nor `gymnasium.make` takes, as far as they say."""
    if not spec.kwargs:
        return
    taken = set(inspect.signature(gymnasium.make).parameters) - {"id", "kwargs"}
    for entry in (known.entry_point, known.vector_entry_point):
        try:
            parameters = inspect.signature(_creator(entry)).parameters if entry is not None else {}
        except Exception:
            return  # making it says what is wrong
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            return
        taken |= set(parameters) - {"num_envs"}
    for name in spec.kwargs:
        if name not in taken:
            nearest = difflib.get_close_matches(name, taken, n=1, cutoff=0.5)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"expected one of {', '.join(sorted(taken))}"
            raise ValueError(f"{spec.module}:{spec.gymnasium_id} takes no argument {name!r}; {hint}")


def make_many(spec: OutsideSpec, num_envs: int, how: Vectorisation = "auto", render: bool = False) -> VectorEnv:
    """`num_envs` environments side by side that begin new episodes when they are told to, or in the step that ended.

    how: "own" is the environment's vector entry point, "sync" one after the other, "async" a process each; "auto" is
    its own where there is one that can be used, else one after the other. render: ready to draw, where it can.

    ValueError where its own does not fit or is not there, OutsideError for what goes wrong inside it.
    """
    known = registered(spec)
    kwargs: dict[str, Any] = dict(spec.kwargs)
    if render and "render_mode" not in kwargs and _draws(known):
        kwargs["render_mode"] = "rgb_array"
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # pygame looks for a screen even where it needs none
    if how == "own" and known.vector_entry_point is None:
        raise ValueError(f"{spec.id} has no vector entry point, expected vectorisation=auto, sync or async")
    with inside(spec.id, "making it"):
        if how in ("auto", "own") and known.vector_entry_point is not None:
            many = gymnasium.make_vec(spec.gymnasium_id, num_envs, "vector_entry_point", **kwargs)
            if many.metadata.get("autoreset_mode") in (AutoresetMode.DISABLED, AutoresetMode.SAME_STEP):
                return many
            many.close()
            if how == "own" or known.entry_point is None:
                raise ValueError(
                    f"{spec.id}: its vector environment loses the last observation of an episode or does not say "
                    "(metadata['autoreset_mode']), expected AutoresetMode.DISABLED or SAME_STEP"
                )
        return gymnasium.make_vec(
            spec.gymnasium_id, num_envs, "async" if how == "async" else "sync",
            vector_kwargs={"autoreset_mode": AutoresetMode.DISABLED}, **kwargs,
        )  # fmt: skip


def _draws(known: EnvSpec) -> bool:
    """Whether its class says that it can give pictures."""
    metadata = getattr(_creator(known.entry_point), "metadata", None) or {}
    return "rgb_array" in metadata.get("render_modes", ())


def _creator(entry: Any) -> Any:
    """What makes one: a class or a function, where an entry point only names it."""
    return load_env_creator(entry) if isinstance(entry, str) else entry


@contextmanager
def inside(id: str, doing: str) -> Iterator[None]:
    """What somebody else's code raises becomes an OutsideError of one line that says where."""
    try:
        yield
    except (OutsideError, ValueError) as error:
        if isinstance(error, OutsideError) or _ours(error):
            raise
        raise OutsideError(f"{id}: {doing}: {told(error)}") from error
    except Exception as error:
        raise OutsideError(f"{id}: {doing}: {told(error)}") from error


def told(error: BaseException) -> str:
    """An exception in one line, with the file and line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'without a word'}{where}"


def _ours(error: BaseException) -> bool:
    """Whether this file raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename == __file__
