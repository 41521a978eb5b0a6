"""Settings that were given and would do nothing: what they belong to was not asked for. Loads no torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from selfplay.errors import UserError
from selfplay.rewards.streams import parse_rewards
from selfplay.rundir import read_record

_OF_LABELS = ("labels", "teacher", "queries")
_OF_PEOPLE = ("teacher.kind",)  # of a teacher's settings the only one that people heed


def check_idle(settings: Any, given: Iterable[str], path: Path) -> None:
    """UserError for the first of the dotted keys `given` that would do nothing, saying what is missing.

    A reward counts also with weight 0: it is measured then. A run that has begun in `path` is not asked: it may have
    begun before this was checked, and could not go on.
    """
    if not hasattr(settings, "rewards") or read_record(path) is not None:
        return
    names = parse_rewards(settings.rewards)
    for key in given:
        if (missing := _missing(settings, names, key)) is not None:
            raise UserError(f"--set {key}: it would do nothing here (expected {missing})")


def _missing(settings: Any, names: Iterable[str], key: str) -> str | None:
    """What `key` needs beside it and is not there; None: nothing."""
    group, _, rest = key.partition(".")
    if group in _OF_LABELS and hasattr(settings, "labels") and "preferences" not in names:
        return "--reward preferences=WEIGHT as well"
    if group == "teacher" and hasattr(settings, "teacher") and settings.teacher.kind == "human":
        return None if key in _OF_PEOPLE else "--teacher script: people answer as they like"
    if group in ("bonus", "taught") and (name := rest.partition(".")[0]) not in names:
        return f"--reward {name}=WEIGHT as well"
    if key == "leash.horizon" and settings.leash.target is None:
        return "--kl-target NATS as well"
    return None
