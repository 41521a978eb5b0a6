"""What the runs of a study say together: every measure of every finished run, from one folder or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from selfplay.errors import UserError
from selfplay.studies.archive import read_archive
from selfplay.studies.nesting import whole_rows
from selfplay.studies.plan import check_config, check_folder, expected_config, tasks
from selfplay.studies.records import read_failures
from selfplay.studies.reductions import Value
from selfplay.studies.runs import Curve, RunResult, read_run
from selfplay.studies.statistics import Bounds
from selfplay.studies.study import Study


@dataclass(frozen=True)
class Results:
    """What the finished runs say.

    values: measure -> arm -> seed -> value.  curves: tag -> arm -> seed -> curve.  seconds: run name -> seconds of
    training.  missing: runs that are not finished.  problems: a line for each arm and measure with finished runs that
    lack a value.  failures: run name -> how it failed, of those that are missing.  runs: by name.
    """

    values: Mapping[str, Mapping[str, Mapping[int, Value]]]
    curves: Mapping[str, Mapping[str, Mapping[int, Curve]]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    missing: Sequence[str] = ()
    problems: Sequence[str] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    runs: Mapping[str, RunResult] = field(default_factory=dict)

    def nested_bounds(self, measure: str, arms: Sequence[str], seeds: Sequence[int], nested: int) -> Bounds:
        """The values of `arms` taken as one: [seeds / nested, nested · arms], whole rows of `seeds` only."""
        whole = [seed for row in whole_rows(seeds, nested) for seed in row]
        sides = [self.bounds(measure, arm, whole) for arm in arms]
        low, high = (np.stack([side[k] for side in sides], -1).reshape(-1, nested * len(arms)) for k in (0, 1))
        return Bounds(low, high)

    def bounds(self, measure: str, arm: str, seeds: Sequence[int] | None = None) -> Bounds:
        """The values of an arm [seeds], by rising seed."""
        found = self.values[measure][arm]
        chosen = [found[seed] for seed in (sorted(found) if seeds is None else seeds)]
        return Bounds(np.array([v.low for v in chosen], float), np.array([v.high for v in chosen], float))


def read_results(study: Study, folders: Sequence[Path], seeds: int) -> Results:
    """Read every finished run of seeds 0 … seeds − 1 under `folders`.

    Raises:
        UserError: a folder holds a run with other settings, or two folders hold the same run.
    """
    runs, failures = _read_runs(study, folders, seeds)
    planned = tasks(study, folders[0], seeds)
    values: dict[str, dict[str, dict[int, Value]]] = {m.name: {a.name: {} for a in study.arms} for m in study.measures}
    curves: dict[str, dict[str, dict[int, Curve]]] = {tag: {a.name: {} for a in study.arms} for tag in study.drawn}
    problems: dict[tuple[str, str, str], list[int]] = {}
    for task in planned:
        if (run := runs.get(task.name)) is None:
            continue
        for measure, value in run.values.items():
            values[measure][task.arm.name][task.seed] = value
        for tag, points in run.curves.items():
            curves[tag][task.arm.name][task.seed] = points
        for measure, why in run.lacking.items():
            problems.setdefault((task.arm.name, measure, why), []).append(task.seed)
    return Results(
        values, curves,
        seconds={task.name: runs[task.name].seconds for task in planned if task.name in runs},
        missing=[task.name for task in planned if task.name not in runs],
        problems=[f"{arm}: {measure}: {why} ({spans(found)})" for (arm, measure, why), found in problems.items()],
        failures={name: why for name, why in failures.items() if name not in runs},
        runs=runs,
    )  # fmt: skip


def spans(seeds: Sequence[int]) -> str:
    """Rising seeds in short: 0, 1, 2, 5 are `s0–s2, s5`."""
    ranges: list[list[int]] = []
    for seed in seeds:
        if ranges and ranges[-1][1] == seed - 1:
            ranges[-1][1] = seed
        else:
            ranges.append([seed, seed])
    return ", ".join(f"s{a}" if a == b else f"s{a}–s{b}" for a, b in ranges)


def _read_runs(study: Study, folders: Sequence[Path], seeds: int) -> tuple[dict[str, RunResult], dict[str, str]]:
    runs: dict[str, RunResult] = {}
    places: dict[str, Path] = {}
    failures: dict[str, str] = {}
    configs = {arm.name: expected_config(arm, 0) for arm in study.arms}
    for folder in folders:
        failures |= read_failures(folder)
        archived = read_archive(study, folder)
        for task in tasks(study, folder, seeds):
            config = {**configs[task.arm.name], "seed": task.seed}
            check_folder(task, config)
            run = read_run(study, task) or archived.get(task.name)
            if run is None:
                continue
            check_config(f"run {task.name} in '{folder}'", run.config, config)
            if task.name in runs:
                raise UserError(
                    f"run {task.name} is finished in '{places[task.name]}' and in '{folder}' (expected in one of them)"
                )
            runs[task.name], places[task.name] = run, folder
    return runs, failures
