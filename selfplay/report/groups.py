"""Runs that differ in nothing but their seed, together: what they say, and how sure that is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from selfplay import checkpoint
from selfplay.config import flatten
from selfplay.errors import UserError
from selfplay.jsonfile import read_lines
from selfplay.report.settings import as_typed
from selfplay.rundir import find_run, read_record
from selfplay.runlog import METRICS, TIMINGS
from selfplay.transfer.bootstrap import Estimate, estimate


@dataclass(frozen=True)
class LoggedRun:
    """A run folder's logs. steps: env steps done; finished: whether these are all that were asked for."""

    path: Path
    record: Mapping[str, Any]
    metrics: list[dict[str, Any]]
    seconds: float

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def config(self) -> Mapping[str, Any]:
        """What `config.json` calls its configuration."""
        return self.record["config"]

    @property
    def steps(self) -> int:
        """Env steps of its last line."""
        return int(self.metrics[-1]["step"])

    @property
    def finished(self) -> bool:
        """Whether its newest checkpoint is at the end of its budget."""
        return max(checkpoint.list_steps(self.path / "checkpoints"), default=0) >= self.config["steps"]

    @property
    def ancestor(self) -> str:
        """What tells the policy that all of its lineage began with: the checkpoint's sha256; "" without one.

        The most distant one: runs that have any policy in common have this one in common, and its luck.
        """
        parents = self.config.get("parents") or []
        return str(parents[-1]["sha256"]) if parents else ""


@dataclass(frozen=True)
class RunGroup:
    """Runs of one configuration, by rising seed. label: what sets it apart from the other groups of a page."""

    label: str
    runs: Sequence[LoggedRun]

    @property
    def pretrained(self) -> bool:
        """Whether the runs begin with other runs."""
        return bool(self.runs[0].ancestor)

    @property
    def units(self) -> int:
        """How many draws of luck there are: pretrained policies where runs begin with such, else seeds."""
        return len({run.ancestor for run in self.runs}) if self.pretrained else len(self.runs)

    @property
    def lone(self) -> str:
        """What there is one of, where that is all there is; else ""."""
        return "" if self.units > 1 else "one pretrained policy" if self.pretrained else "one seed"

    @property
    def counted(self) -> str:
        """`3 seeds`, or `2 pretrained policies, 6 runs`."""
        if not self.pretrained:
            return f"{self.units} seed" + ("s" if self.units > 1 else "")
        return f"{self.units} pretrained polic{'ies' if self.units > 1 else 'y'}, {len(self.runs)} run" + (
            "s" if len(self.runs) > 1 else ""
        )

    def arranged(self, values: Sequence[Any] | np.ndarray) -> np.ndarray:
        """A value (or a curve) for each run, so that seeds come first: [units, …].

        Downstream runs of one pretrained policy are averaged: they are one draw of its luck.
        """
        found = np.array(values, float)
        if not self.pretrained:
            return found
        names = [run.ancestor for run in self.runs]
        return np.array([found[[other == name for other in names]].mean(0) for name in dict.fromkeys(names)])

    def estimate(self, values: Sequence[float]) -> Estimate:
        """The interquartile mean of a value for each run, with its interval over seeds or pretrained policies."""
        return estimate(self.arranged(values)[:, None])


def read_groups(paths: Sequence[Path]) -> list[RunGroup]:
    """The runs in the folders `paths`, grouped, in the order given.

    Raises:
        UserError: a folder is no run, or there is nothing in its logs yet; or one is given twice.
    """
    seen: dict[Path, Path] = {}
    for path in paths:
        if path.resolve() in seen:
            raise UserError(f"run '{path}' is given twice")
        seen[path.resolve()] = path
    runs = [read_run(path) for path in paths]
    found: dict[str, list[LoggedRun]] = {}
    for run in runs:
        found.setdefault(json.dumps(_key(run.config), sort_keys=True), []).append(run)
    ordered = [sorted(group, key=lambda run: (run.config["seed"], run.name)) for group in found.values()]
    return [RunGroup(label, group) for label, group in zip(_labels(ordered), ordered, strict=True)]


def read_run(path: Path) -> LoggedRun:
    """The run in folder `path`; UserError for what is not there."""
    record = read_record(find_run(path))
    assert record is not None
    metrics = read_lines(path / METRICS)
    if not metrics:
        raise UserError(f"run '{path}' has no line in {METRICS} yet")
    return LoggedRun(path, record, metrics, sum(line["iteration_seconds"] for line in read_lines(path / TIMINGS)))


def _key(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without what may differ between two seeds of one thing."""
    key = {name: value for name, value in config.items() if name not in ("seed", "parents", "device")}
    key["parents"] = [
        {name: parent.get(name, "") for name in ("method", "env", "player", "step")}
        for parent in config.get("parents") or []
    ]
    return flatten(key)


def _labels(groups: Sequence[Sequence[LoggedRun]]) -> list[str]:
    """Method and world; where that is the same, also the settings that differ."""
    short = [f"{group[0].config['method']} on {group[0].config['env']}" for group in groups]
    keys = [_key(group[0].config) for group in groups]
    labels = []
    for name, key in zip(short, keys, strict=True):
        others = [other for other, same in zip(keys, short, strict=True) if same == name and other is not key]
        differing = [k for k in key if any(other.get(k) != key[k] for other in others) and k != "parents"]
        told = ", ".join(f"{k.removeprefix('settings.')}={as_typed(key[k])}" for k in differing[:4])
        labels.append(f"{name}, {told}" if told else name)
    twice = {label for label in labels if labels.count(label) > 1}
    return [
        f"{label} ({group[0].name})" if label in twice else label for label, group in zip(labels, groups, strict=True)
    ]
