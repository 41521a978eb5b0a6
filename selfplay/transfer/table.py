"""Scores from CSV files of any origin: a row for each run, or for each point of a run's curve."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from selfplay.errors import UserError, nearest

NEEDED = ("method", "task", "seed", "score")
OPTIONAL = ("pretrain_seed", "step", "random", "reference")
POINTS = 101
"""Points that the curves of a task are brought to, over the steps that all of them cover."""

_Place = tuple[str, str, str, str]  # method, task, pretrain_seed ("" where there is none), seed


@dataclass(frozen=True)
class Table:
    """What the files say.

    methods: scores [seeds, tasks] or [pretraining seeds, downstream seeds, tasks] of each; curves have one axis more,
    [..., tasks, POINTS].  tasks: in their order.  normalised: whether `random` and `reference` made scores comparable.
    steps: [POINTS] of each task's curves; empty without curves.
    """

    methods: Mapping[str, np.ndarray]
    tasks: Sequence[str]
    normalised: bool
    steps: Mapping[str, np.ndarray] = field(default_factory=dict)


def read_tables(paths: Sequence[Path]) -> Table:
    """The runs in CSV files `paths`, taken together.

    Columns: method, task, seed, score; and where there are such pretrain_seed (of the policy that the run began with),
    step (then a row is a point of a curve), random and reference (scores that 0 and 1 stand for).

    Raises:
        UserError: a file, column or number that is not as it must be; or methods differ in tasks, a method in seeds.
    """
    rows: list[dict[str, Any]] = []
    kinds = {}
    for path in paths:
        found = _read(path)
        rows += found
        kinds[path] = ("step" in found[0], "reference" in found[0])
    if len(set(kinds.values())) > 1:
        raise UserError(
            f"{', '.join(map(str, paths))}: not the same columns (expected step and reference in all or none)"
        )
    curves, normalised = kinds[paths[0]]
    runs: dict[_Place, dict[float, float]] = {}
    for row in rows:
        place = (row["method"], row["task"], row.get("pretrain_seed", ""), row["seed"])
        step = row.get("step", 0.0)
        if step in runs.setdefault(place, {}):
            what = f"{place[0]}, {place[1]}, seed {place[3]}" + (f", step {step:g}" if curves else "")
            raise UserError(f"{row['where']}: {what} is there twice (expected once)")
        runs[place][step] = row["score"]
    tasks = list(dict.fromkeys(task for _, task, _, _ in runs))
    methods = list(dict.fromkeys(method for method, _, _, _ in runs))
    steps = {task: _steps([run for place, run in runs.items() if place[1] == task], task) for task in tasks if curves}
    arrays = {method: _arranged(method, tasks, runs, steps) for method in methods}
    return Table(arrays, tasks, normalised, steps)


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header)
            lines = [(reader.line_num, line) for line in reader if any(cell.strip() for cell in line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not lines:
        raise UserError(f"{path} has no rows under its header")
    return [_row(f"{path}, line {number}", header, line) for number, line in lines]


def _check_header(path: Path, header: Sequence[str]) -> None:
    """UserError for a column that is not there, and for one that looks like a misspelt one."""
    others = [name for name in header if name not in (*NEEDED, *OPTIONAL)]
    for name in NEEDED:
        if name not in header:
            match = nearest(name, others)
            listed = f" (there are {', '.join(header) or 'none'}; expected commas between them)"
            raise UserError(f"{path}: no column '{name}'" + (f"; is '{match}' meant?" if match else listed))
    for name in others:
        match = nearest(name, OPTIONAL)
        if match and match not in header and name.lower()[:4] == match[:4]:
            raise UserError(f"{path}: unknown column '{name}'; did you mean '{match}'?")
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice:
        raise UserError(f"{path}: column '{twice}' is there twice (expected once)")
    if ("random" in header) != ("reference" in header):
        raise UserError(f"{path}: random and reference go together (expected both columns or neither)")


def _row(where: str, header: Sequence[str], line: Sequence[str]) -> dict[str, Any]:
    if len(line) != len(header):
        raise UserError(f"{where}: {len(line)} fields (expected {len(header)}, as in the header)")
    row: dict[str, Any] = {"where": where} | dict(zip(header, (cell.strip() for cell in line), strict=True))
    for name in ("method", "task", "seed"):
        if not row[name]:
            raise UserError(f"{where}: {name} is empty")
    for name in ("score", "step", "random", "reference"):
        if name in row:
            row[name] = _number(where, name, row[name])
    if "reference" in row:
        if row["reference"] == row["random"]:
            raise UserError(f"{where}: reference = random = {row['random']:g} (expected two different scores)")
        row["score"] = (row["score"] - row["random"]) / (row["reference"] - row["random"])
    return row


def _number(where: str, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise UserError(f"{where}: {name} = '{text}' (expected a number)") from None
    if not math.isfinite(value):
        raise UserError(f"{where}: {name} is {text} (expected a finite number: a run that failed has a score as well)")
    return value


def _steps(runs: Sequence[Mapping[float, float]], task: str) -> np.ndarray:
    begin, end = max(min(run) for run in runs), min(max(run) for run in runs)
    if begin >= end:
        raise UserError(f"task '{task}': no steps that all curves cover (expected more than one point in common)")
    return np.linspace(begin, end, POINTS)


def _arranged(
    method: str, tasks: Sequence[str], runs: Mapping[_Place, Mapping[float, float]], steps: Mapping[str, np.ndarray]
) -> np.ndarray:
    """[seeds, tasks] or [pretraining seeds, downstream seeds, tasks], and curves with their points last."""
    columns = []
    for task in tasks:
        mine = sorted((place[2:], run) for place, run in runs.items() if place[:2] == (method, task))
        if not mine:
            raise UserError(f"method '{method}' has no run on task '{task}' (expected the same tasks of every method)")
        parents: dict[str, list[Any]] = {}
        for (parent, _), run in mine:
            parents.setdefault(parent, []).append(_value(run, steps.get(task)))
        if "" in parents and len(parents) > 1:
            raise UserError(f"method '{method}', task '{task}': some runs have a pretrain_seed (expected all or none)")
        counts = {parent: len(values) for parent, values in parents.items()}
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{parent} has {count}" for parent, count in counts.items())
            raise UserError(f"method '{method}', task '{task}': pretrain_seed {told} (expected as many seeds each)")
        columns.append((list(parents), np.array(list(parents.values()))))
    first = columns[0]
    for task, (parents_there, values) in zip(tasks, columns, strict=True):
        if parents_there != first[0] or values.shape[:2] != first[1].shape[:2]:
            raise UserError(
                f"method '{method}': {values.shape[0] * values.shape[1]} runs on '{task}', "
                f"{first[1].shape[0] * first[1].shape[1]} on '{tasks[0]}' (expected the same seeds on every task)"
            )
    found = np.stack([values for _, values in columns], axis=2)  # [parents, seeds, tasks(, points)]
    return found[0] if first[0] == [""] else found


def _value(run: Mapping[float, float], steps: np.ndarray | None) -> Any:
    if steps is None:
        return next(iter(run.values()))
    there = sorted(run)
    return np.interp(steps, there, [run[step] for step in there])
