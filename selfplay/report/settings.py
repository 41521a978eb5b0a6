"""A configuration as a page shows it: what differs from the method's defaults, then all the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from selfplay.config import flatten
from selfplay.environments import family_of, find_environment
from selfplay.errors import UserError
from selfplay.methods import find_method

_MISSING = object()
Rows = list[tuple[str, str]]


def told_apart(configs: Sequence[Mapping[str, Any]], without: Sequence[str] = ("seed",)) -> dict[str, Rows]:
    """What these configurations share, key and value: `changed` from the defaults of a method, and `usual`.

    without: keys that are left out. Of a method or a world that is not known here, everything is changed.
    """
    flat = [flatten(config) for config in configs]
    defaults = [_defaults(config["method"], config["env"]) for config in configs]
    found: dict[str, Rows] = {"changed": [], "usual": []}
    for key in dict.fromkeys(key for config in flat for key in config if key not in without):
        value = flat[0].get(key, _MISSING)
        if all(config.get(key, _MISSING) == value for config in flat):
            usual = all(each.get(key, _MISSING) == value for each in defaults)
            found["usual" if usual else "changed"].append((key, as_typed(value)))
    return found


def as_typed(value: Any) -> str:
    """A setting's value as `--set` takes it."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


@cache
def _defaults(method: str, env: str) -> dict[str, Any]:
    """Dotted key to the value that a run has unless it is told otherwise."""
    try:
        settings = find_method(method).defaults(family_of(find_environment(env)))
    except (UserError, ValueError, KeyError):
        return {}
    return flatten({"settings": settings.model_dump(mode="json")})
