"""What one finished run says: every measure and curve of a study, from its run folder or from an archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from selfplay.errors import nearest
from selfplay.jsonfile import read_lines
from selfplay.rundir import read_record
from selfplay.runlog import METRICS, TIMINGS
from selfplay.studies.plan import Task, finished
from selfplay.studies.reductions import Value
from selfplay.studies.study import Measure, Study

Curve = tuple[np.ndarray, np.ndarray]
"""Env steps [P] and values [P] of one tag in one run."""


@dataclass(frozen=True)
class RunResult:
    """A finished run. values: by measure; lacking: why there is none; curves: by tag; seconds: of training."""

    values: Mapping[str, Value]
    lacking: Mapping[str, str]
    curves: Mapping[str, Curve]
    seconds: float
    config: Mapping[str, Any]
    commit: str | None


def read_run(study: Study, task: Task) -> RunResult | None:
    """The run in the folder of `task`; None where it is not finished."""
    record = read_record(task.folder)
    if record is None or not finished(task):
        return None
    lines = read_lines(task.folder / METRICS)
    values, lacking = {}, {}
    end = lines[-1].get("step", 0) if lines else 0
    for measure in study.measures:
        if not measure.fits(task.arm):
            continue
        if end < task.arm.run.steps:  # a value from half of a curve would look like any other
            lacking[measure.name] = f"{METRICS} ends at step {end:,} (expected {task.arm.run.steps:,})"
            continue
        steps, points = curve(lines, measure.tag)
        points = measure.scaled(points, task.arm.run.env)
        if measure.against:
            steps, points = paired(curve(lines, measure.against), (steps, points))
        if len(steps):
            values[measure.name] = measure.how(steps.tolist(), points.tolist(), task.arm.run.steps)
        else:
            lacking[measure.name] = _no_tag(lines, measure)
    curves = {tag: found for tag in study.drawn if len((found := curve(lines, tag))[0])}
    seconds = sum(line["iteration_seconds"] for line in read_lines(task.folder / TIMINGS))
    return RunResult(values, lacking, curves, seconds, record["config"], record.get("commit"))


def curve(lines: Sequence[Mapping[str, Any]], tag: str) -> Curve:
    """The lines that hold a finite number for `tag`: steps [P], values [P]."""
    found = [(line["step"], line[tag]) for line in lines if line.get(tag) is not None]
    steps, values = np.array(found, float).reshape(-1, 2).T
    return steps, values


def paired(x: Curve, y: Curve) -> Curve:
    """The values of two curves at the steps that both were logged at: of x [P], of y [P], in that order."""
    _, first, second = np.intersect1d(x[0], y[0], return_indices=True)
    return x[1][first], y[1][second]


def _no_tag(lines: Sequence[Mapping[str, Any]], measure: Measure) -> str:
    tags = {tag for line in lines for tag in line}
    if measure.tag in tags and (not measure.against or measure.against in tags):
        return f"no finite number of '{measure.tag}'"
    missing = measure.tag if measure.tag not in tags else measure.against
    match = nearest(missing, tags)
    return f"no '{missing}' in {METRICS}" + (f"; did you mean '{match}'?" if match else "")
