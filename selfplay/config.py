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
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from selfplay.errors import UserError, nearest, one_line

_HUMAN = re.compile(r"([0-9][0-9_]*(?:\.[0-9]+)?(?:e[0-9]+)?)([kmg]?)", re.IGNORECASE)
_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
_NAMES = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}


class Settings(BaseModel):
    """Base of every group of settings: frozen, unknown keys and non-finite numbers refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


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
        group[name] = _parse(field, text)
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


def _group(annotation: Any) -> type[BaseModel] | None:
    """The group of settings that an annotation `Group` or `Group | None` stands for."""
    for part in _members(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _members(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


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


def _parse(field: FieldInfo, text: str) -> Any:
    """`text` as pydantic can take it for `field`: most it converts itself."""
    members = _members(field.annotation)
    if text.lower() in ("none", "null") and type(None) in members:
        return None
    origins = {typing.get_origin(member) or member for member in members}
    if origins & {tuple, list, set, frozenset}:
        if text.startswith(("[", "(")):
            text = text[1:-1]
        return [part.strip() for part in text.split(",") if part.strip()]
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
    return text


def _explain(model: type[BaseModel], error: ValidationError, overrides: Mapping[str, str], option: str) -> str:
    """The first thing that is wrong, in one line."""
    known = keys(model)
    first = error.errors(include_url=False)[0]
    parts = [str(part) for part in first["loc"]]
    key = ".".join(parts)
    while parts and ".".join(parts) not in known:
        parts.pop()  # an item of a list, or a branch of a union
    given = overrides.get(".".join(parts), first.get("input"))
    if first["type"] == "missing":
        return f"{option}: key '{key}' is needed (for example {option} {key}=…)"
    if first["type"] == "extra_forbidden":
        return _unknown_key(model, key, option)
    field = known.get(".".join(parts))
    if first["type"] in ("value_error", "assertion_error") or field is None:
        where = f"{key}: " if key else ""
        return one_line(where + first["msg"].split(", ", 1)[-1])
    return f"{'.'.join(parts)}: {given} is not {_wanted(field, parts[-1], str(given))}"


def _wanted(field: FieldInfo, name: str, given: str) -> str:
    """What a field expects: `a finite number (expected 0 < clip <= 1)`; only the range where the type was right."""
    members = [member for member in _members(field.annotation) if member is not type(None)]
    literals = [str(value) for member in members for value in typing.get_args(member) if _is_literal(member)]
    if literals:
        match = nearest(given, literals)
        return f"one of {', '.join(literals)}" + (f"; did you mean '{match}'?" if match else "")
    kind = _NAMES.get(members[0], f"a valid {str(members[0]).replace('typing.', '')}")
    interval = _interval(field, name)
    if not interval:
        return kind
    return f"{'in range' if _is_of(members[0], given) else kind} (expected {interval})"


def _is_literal(annotation: Any) -> bool:
    return typing.get_origin(annotation) is typing.Literal


def _is_of(kind: Any, given: str) -> bool:
    try:
        return (kind is int and int(given) is not None) or (kind is float and math.isfinite(float(given)))
    except ValueError:
        return False


def _interval(field: FieldInfo, name: str) -> str:
    """The bounds of a field as `0 < name <= 1`, empty where it has none."""
    low = high = multiple = ""
    for item in field.metadata:
        for bound in item if isinstance(item, at.Interval) else [item]:
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
