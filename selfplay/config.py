"""Settings: nested frozen pydantic models, dotted keys, and errors that fit on one line."""

from __future__ import annotations

import json
import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import annotated_types as at
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from selfplay.errors import UserError, nearest, one_line
from selfplay.jsonfile import plain

_HUMAN = re.compile(r"([0-9][0-9_]*(?:\.[0-9]+)?(?:e[0-9]+)?)([kmg]?)", re.IGNORECASE)
_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
_NAMES = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}


S = TypeVar("S", bound=BaseModel)


def parse_count(text: str) -> int:
    """A positive whole number as people write it: `5M`, `300k`, `1.5M`, `1e6`, `2_000`.

    Raises:
        ValueError: not a number, not whole, or not positive.
    """
    match = _HUMAN.fullmatch(text.strip())
    value = float(match[1].replace("_", "")) * _UNITS[match[2].lower()] if match else math.nan
    if match and match[1].replace("_", "").isdigit():
        value = int(match[1].replace("_", "")) * _UNITS[match[2].lower()]
    if not math.isfinite(value) or value != int(value) or value < 1:
        raise ValueError(f"'{text}' is not a positive whole number (expected for example 5M, 300k, 1e6 or 2_000)")
    return int(value)


def flatten(settings: BaseModel | Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key to value, groups of settings opened, in the order of the fields."""
    values = settings.model_dump(mode="json") if isinstance(settings, BaseModel) else settings
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def parse_pairs(pairs: typing.Iterable[str], option: str = "--set") -> dict[str, str]:
    """`["ppo.clip=0.1", …]` as a dict.

    Raises:
        UserError: no `=`, or a key given twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UserError(f"{option} {pair}: expected key=value, for example {option} ppo.clip=0.1")
        if key in found:
            raise UserError(f"{option} {key}: given twice, as {found[key]} and as {value.strip()}")
        found[key] = value.strip()
    return found


def apply_overrides(model: type[S], overrides: Mapping[str, str], base: S | None = None, option: str = "--set") -> S:
    """`model` with dotted keys set from text, validated as a whole.

    Lists are written `64,64` or `[64,64]`, no value `none`, counts also `5M`. `base` gives the values that are not
    overridden (None: the model's own defaults).

    Raises:
        UserError: an unknown key (with the nearest one), or a value that is no number, not finite, of the wrong type
            or out of its range (with what was expected).
    """
    data: dict[str, Any] = base.model_dump() if base is not None else {}
    for key, text in overrides.items():
        field, group, name = _find(model, data, key, option)
        group[name] = _parse(field, key, text)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UserError(_explain(model, error, overrides, option)) from None


def keys(model: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    """Dotted key to field of every setting in `model`, groups opened."""
    found: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        group = _group(field.annotation)
        if group is not None:
            found |= keys(group, f"{prefix}{name}.")
        else:
            found[prefix + name] = field
    return found


def value_of(settings: BaseModel, key: str) -> Any:
    """What `settings` have under a dotted key, be it in their dump or not; None where its group is not there."""
    found: Any = settings
    for name in key.split("."):
        found = getattr(found, name) if found is not None else None
    return found


def unwritten(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Dotted key to default, as plain JSON, of the settings that a dump leaves out where they are their default."""
    return {key: plain(field.default) for key, field in keys(model, prefix).items() if field.exclude_if is not None}


def _group(annotation: Any) -> type[BaseModel] | None:
    """The group of settings that an annotation `Group` or `Group | None` stands for."""
    for part in _members(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _members(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, or the one type, without what `Annotated` says of them."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return tuple(member for part in typing.get_args(annotation) for member in _members(part))
    return (annotation,)


def _bounds(annotation: Any, metadata: typing.Iterable[Any] = ()) -> list[Any]:
    """The bounds that `metadata` and every `Annotated` within `annotation` put on a number, lists left closed."""
    found: list[Any] = []
    for item in metadata:
        inner = item.metadata if isinstance(item, FieldInfo) else [item]
        found += [bound for one in inner for bound in (one if isinstance(one, at.GroupedMetadata) else [one])]
    if typing.get_origin(annotation) is typing.Annotated:
        inside, *marks = typing.get_args(annotation)
        return found + _bounds(inside, marks)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return found + [bound for part in typing.get_args(annotation) for bound in _bounds(part)]
    return found


def _find(model: type[BaseModel], data: dict[str, Any], key: str, option: str) -> tuple[FieldInfo, dict, str]:
    """The field that `key` names, the dict in `data` that shall hold its value (made on the way), its name there."""
    *groups, name = key.split(".")
    current: type[BaseModel] | None = model
    for group in groups:
        field = current.model_fields.get(group) if current is not None else None
        current = _group(field.annotation) if field is not None else None
        if current is None:
            raise UserError(_unknown_key(model, key, option))
        if data.get(group) is None:
            data[group] = {}
        data = data[group]
    assert current is not None
    if name not in current.model_fields:
        raise UserError(_unknown_key(model, key, option))
    field = current.model_fields[name]
    inner = _group(field.annotation)
    if inner is not None:
        listed = ", ".join(list(keys(inner, f"{key}."))[:6])
        raise UserError(f"{option} {key}: is a group of settings, not one (it has {listed}, …)")
    return field, data, name


def _unknown_key(model: type[BaseModel], key: str, option: str) -> str:
    known = keys(model)
    ends = {name.rsplit(".", 1)[-1]: name for name in reversed(known)}
    match = ends.get(key.rsplit(".", 1)[-1]) or nearest(key, known)
    if match is None:
        end = nearest(key.rsplit(".", 1)[-1], ends)
        match = ends[end] if end else None
    hint = f"; did you mean '{match}'?" if match else f"; expected one of {', '.join(list(known)[:12])}, …"
    return f"{option}: unknown key '{key}'{hint}"


def _parse(field: FieldInfo, key: str, text: str) -> Any:
    """`text` as pydantic can take it for `field`: most it converts itself."""
    members = _members(field.annotation)
    if text.lower() in ("none", "null") and type(None) in members:
        return None
    origins = {typing.get_origin(member) or member for member in members}
    if origins & {tuple, list, set, frozenset}:
        inside = text[1:-1] if text.startswith(("[", "(")) else text
        return [part.strip() for part in inside.split(",") if part.strip()]
    if dict in origins:
        try:
            return json.loads(text)
        except ValueError:
            return text
    if int in origins and float not in origins:
        try:
            return parse_count(text)
        except ValueError:
            return text
    if float in origins and not _is_finite(text) and text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        raise UserError(f"{key}: {text} is not {_wanted(field.annotation, field.metadata, key.split('.')[-1], text)}")
    return text


def _explain(model: type[BaseModel], error: ValidationError, overrides: Mapping[str, str], option: str) -> str:
    """The first thing that is wrong, in one line."""
    known = keys(model)
    first = error.errors(include_url=False)[0]
    loc = [str(part) for part in first["loc"]]
    parts = list(loc)
    while parts and ".".join(parts) not in known:
        parts.pop()  # an item of a list, or a branch of a union
    key = ".".join(parts)
    if first["type"] == "missing":
        return f"{option}: key '{'.'.join(loc)}' is needed (for example {option} {'.'.join(loc)}=…)"
    if first["type"] == "extra_forbidden":
        return _unknown_key(model, ".".join(loc), option)
    message = one_line(first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, "))
    if first["type"] in ("value_error", "assertion_error") or key not in known:
        return f"{'.'.join(loc)}: {message}" if loc else message
    field = known[key]
    annotation, metadata, given = field.annotation, field.metadata, overrides.get(key, first["input"])
    if len(loc) > len(parts) and isinstance(first["input"], str | int | float):  # an item of a list
        items = [item for member in _members(annotation) for item in typing.get_args(member) if item is not Ellipsis]
        annotation, metadata, given = (items[0] if items else None), [], first["input"]
    elif first["type"].startswith(("too_", "missing_")):  # the length of a list
        return f"{key}: {given}: {message}"
    return f"{key}: {given} is not {_wanted(annotation, metadata, parts[-1], str(given))}"


def _wanted(annotation: Any, metadata: typing.Iterable[Any], name: str, given: str) -> str:
    """What is expected of a value: `a finite number (expected 0 < clip <= 1)`."""
    members = [member for member in _members(annotation) if member is not type(None)]
    literals = [
        str(value)
        for member in members
        if typing.get_origin(member) is typing.Literal
        for value in typing.get_args(member)
    ]
    if literals:
        match = nearest(given, literals)
        return f"one of {', '.join(literals)}" + (f"; did you mean '{match}'?" if match else "")
    kind = _NAMES.get(members[0], f"a valid {str(members[0]).replace('typing.', '')}")
    interval = _interval(_bounds(annotation, metadata), name)
    if not interval:
        return kind
    right_type = (members[0] is int and _is_whole(given)) or (members[0] is float and _is_finite(given))
    return f"{'in range' if right_type else kind} (expected {interval})"


def _is_whole(text: str) -> bool:
    return text.lstrip("+-").isdigit()


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _interval(bounds: list[Any], name: str) -> str:
    """Bounds as `0 < name <= 1`, empty where there are none."""
    low = high = multiple = ""
    for bound in bounds:
        match bound:
            case at.Gt(value):
                low = f"{value} < "
            case at.Ge(value):
                low = f"{value} <= "
            case at.Lt(value):
                high = f" < {value}"
            case at.Le(value):
                high = f" <= {value}"
            case at.MultipleOf(value):
                multiple = f", a multiple of {value}"
    return f"{low}{name}{high}{multiple}" if low or high or multiple else ""
