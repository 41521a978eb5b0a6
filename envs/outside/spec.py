"""How an environment of somebody else's is named: `module:Id-v0?key=value&other=value`. Loads nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode


@dataclass(frozen=True)
class OutsideSpec:
    """A Gymnasium environment: the module whose import registers it, its id there, and the arguments it is made with.

    kwargs: what JSON can hold.
    """

    module: str
    gymnasium_id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The whole of it as one name, which `parse` reads again; arguments in the order of the alphabet."""
        name = f"{self.module}:{self.gymnasium_id}"
        if not self.kwargs:
            return name
        pairs = [(key, json.dumps(self.kwargs[key], sort_keys=True)) for key in sorted(self.kwargs)]
        return f"{name}?{urlencode(pairs, quote_via=quote, safe='[]{},:')}"


def parse(name: str) -> OutsideSpec:
    """The spec that `name` says; ValueError for what cannot be meant."""
    place, _, query = name.partition("?")
    module, colon, gymnasium_id = place.partition(":")
    if not colon or not module or not gymnasium_id:
        raise ValueError(f"{name!r} names no environment, expected module:Id-v0 such as gymnasium:CartPole-v1")
    if not all(part.isidentifier() for part in module.split(".")):
        raise ValueError(f"{module!r} in {name!r} is no module's name, expected one such as my_package.my_module")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise ValueError(f"{query!r} in {name!r} is no list of arguments, expected key=value&key=value") from None
    return OutsideSpec(module, gymnasium_id, parse_kwargs(f"{key}={value}" for key, value in pairs))


def parse_kwargs(pairs: Any) -> dict[str, Any]:
    """`["map_name=8x8", "is_slippery=false"]` as arguments: JSON where a value is that, else the text itself."""
    kwargs: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip()
        if not equals or not key.isidentifier():
            raise ValueError(f"{pair!r} is no argument of an environment, expected KEY=VALUE such as is_slippery=false")
        if key in kwargs:
            raise ValueError(f"{key} is given twice, as {json.dumps(kwargs[key])} and as {text}")
        try:
            kwargs[key] = json.loads(text)
        except json.JSONDecodeError:
            kwargs[key] = text
    return kwargs
