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
OPTIONAL = ("pretrain_seed", "step", "random", "reference", "phase")
PHASES = ("before", "after")
POINTS = 101
"""Points that the curves of a task are brought to, over the steps that all of them cover."""

_Place = tuple[str, str, str, str]  # method, task, pretrain_seed ("" where there is none), seed
_Runs = dict[_Place, dict[float, float]]  # step to score


@dataclass(frozen=True)
class Table:
    """What the files say.

    methods: scores [seeds, tasks] or [pretraining seeds, downstream seeds, tasks] of each; curves have one axis more,
    [..., tasks, POINTS].  tasks: in their order.  normalised: whether `random` and `reference` made scores comparable.
    steps: [POINTS] of each task's curves; empty without curves.  points: of each method and task the curves as the file
    has them, steps and values [its own points] of every run, in the order of `methods`; may be left out.  kept: of each
    method the skill of pretraining before and after, each [seeds, tasks] or [pretraining seeds, downstream seeds,
    tasks].  notes: what was made of the curves that their owner should know.
    """

    methods: Mapping[str, np.ndarray]
    tasks: Sequence[str]
    normalised: bool
    steps: Mapping[str, np.ndarray] = field(default_factory=dict)
    points: Mapping[str, Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]]] = field(default_factory=dict)
    kept: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    notes: Sequence[str] = ()


def read_tables(paths: Sequence[Path]) -> Table:
    """The runs in CSV files `paths`, taken together.

    Columns: method, task, seed, score; and where there are such pretrain_seed (of the policy that the run began with),
    step (then a row is a point of a curve), random and reference (scores that 0 and 1 stand for). A file with the
    column phase holds the skill of pretraining before and after what came then, two rows a run.

    Raises:
        UserError: a file, column or number that is not as it must be; or methods differ in tasks, a method in seeds.
    """
    found = {path: _read(path) for path in paths}
    scores = {path: rows for path, rows in found.items() if "phase" not in rows[0]}
    phases = {path: rows for path, rows in found.items() if "phase" in rows[0]}
    curves, normalised = _same_columns(scores)
    _same_columns(phases)
    runs = _runs([row for rows in scores.values() for row in rows])
    tasks = list(dict.fromkeys(task for _, task, _, _ in runs))
    methods = list(dict.fromkeys(method for method, _, _, _ in runs))
    common = {task: _common(task, {p: run for p, run in runs.items() if p[1] == task}) for task in tasks if curves}
    steps = {task: axis for task, (axis, _) in common.items()}
    return Table(
        {method: _arranged(method, tasks, runs, steps) for method in methods}, tasks, normalised, steps,
        {method: {task: _points(method, task, runs) for task in tasks} for method in methods} if curves else {},
        _kept([row for rows in phases.values() for row in rows]),
        [note for _, notes in common.values() for note in notes],
    )  # fmt: skip


def _same_columns(files: Mapping[Path, Sequence[Mapping[str, Any]]]) -> tuple[bool, bool]:
    """Whether the files have steps, and references; UserError where some have and some have not."""
    kinds = {("step" in rows[0], "reference" in rows[0]) for rows in files.values()}
    if len(kinds) > 1:
        raise UserError(
            f"{', '.join(map(str, files))}: not the same columns (expected step and reference in all or none)"
        )
    return kinds.pop() if kinds else (False, False)


def _runs(rows: Sequence[Mapping[str, Any]]) -> _Runs:
    """The scores of every run; UserError for one that is there twice."""
    runs: _Runs = {}
    for row in rows:
        place = (row["method"], row["task"], row.get("pretrain_seed", ""), row["seed"])
        step = row.get("step", 0.0)
        if step in runs.setdefault(place, {}):
            what = f"{place[0]}, {place[1]}, seed {place[3]}" + (f", step {step:g}" if "step" in row else "")
            raise UserError(f"{row['where']}: {what} is there twice (expected once)")
        runs[place][step] = row["score"]
    return runs


def _kept(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Before and after, of each method; UserError for a run that lacks one of them."""
    before, after = (_runs([row for row in rows if row["phase"] == phase]) for phase in PHASES)
    for place in [*before, *after]:
        for phase, there in zip(PHASES, (before, after), strict=True):
            if place not in there:
                run = f"method '{place[0]}', task '{place[1]}', seed {place[3]}"
                raise UserError(f"{run}: no score with phase = {phase} (expected one before and one after)")
    tasks = list(dict.fromkeys(task for _, task, _, _ in before))
    methods = dict.fromkeys(method for method, _, _, _ in before)
    return {m: (_arranged(m, tasks, before, {}), _arranged(m, tasks, after, {})) for m in methods}


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
    if {"phase", "step"} <= set(header):
        raise UserError(f"{path}: phase and step do not go together (expected a score before and one after, no curve)")
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
    if row.get("step", 0) < 0:
        raise UserError(f"{where}: step is {row['step']:g} (expected >= 0)")
    if row.get("phase", "before") not in PHASES:
        raise UserError(f"{where}: phase = '{row['phase']}' (expected before or after)")
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


def _common(task: str, runs: _Runs) -> tuple[np.ndarray, list[str]]:
    """The steps that all curves of a task cover, brought to POINTS; and what that leaves out, and because of whom."""
    begins, ends = ({place: edge(run) for place, run in runs.items()} for edge in (min, max))
    begin, end = max(begins.values()), min(ends.values())
    if begin >= end:
        raise UserError(f"task '{task}': no steps that all curves cover (expected more than one point in common)")
    notes = []
    if end < max(ends.values()):
        whole = _plain(max(ends.values()))
        notes.append(f"task {task}: cut to {_plain(end)} of {whole} steps ({_who(ends, end)}), but for times")
    if begin > 0:
        late = f" ({_who(begins, begin)})" if begin > min(begins.values()) else ""
        notes.append(f"zero-shot and jumpstart are undefined: curves of {task} begin at {_plain(begin)}{late}")
    return np.linspace(begin, end, POINTS), notes


def _who(edges: Mapping[_Place, float], edge: float) -> str:
    """The first run with that edge, and how many more there are."""
    first, *more = [place for place, its in edges.items() if its == edge]
    method, _, parent, seed = first
    told = f"{method}, " + (f"pretrain_seed {parent}, " if parent else "") + f"seed {seed}"
    return told + (f" and {len(more)} more" if more else "")


def _plain(steps: float) -> str:
    return f"{steps:,.15g}"


def _own(method: str, task: str, runs: _Runs) -> list[tuple[_Place, dict[float, float]]]:
    """The runs of a method on a task, those of one pretrained policy together."""
    return sorted((place, run) for place, run in runs.items() if place[:2] == (method, task))


def _points(method: str, task: str, runs: _Runs) -> list[tuple[np.ndarray, np.ndarray]]:
    curves = (sorted(run.items()) for _, run in _own(method, task, runs))
    return [(points[:, 0], points[:, 1]) for points in map(np.array, curves)]


def _arranged(method: str, tasks: Sequence[str], runs: _Runs, steps: Mapping[str, np.ndarray]) -> np.ndarray:
    """[seeds, tasks] or [pretraining seeds, downstream seeds, tasks], and curves with their points last."""
    columns = []
    for task in tasks:
        mine = _own(method, task, runs)
        if not mine:
            raise UserError(f"method '{method}' has no run on task '{task}' (expected the same tasks of every method)")
        parents: dict[str, list[Any]] = {}
        for (_, _, parent, _), run in mine:
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
