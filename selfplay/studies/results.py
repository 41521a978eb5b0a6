"""Reads the run folders of a study: every measure of every finished run, and what each claim comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from selfplay.errors import nearest
from selfplay.jsonfile import read_lines
from selfplay.runlog import METRICS, TIMINGS
from selfplay.studies.plan import Task, check_folder, expected_config, finished
from selfplay.studies.reductions import Value
from selfplay.studies.statistics import (
    Bounds,
    Interval,
    difference_interval,
    probability_of_improvement,
    ratio_interval,
)
from selfplay.studies.study import Claim, Expected, Measure, Study

MIN_SEEDS = 5
"""Below this a claim stays undecided: a percentile interval of so few seeds is far too narrow."""
AS_PREDICTED, CONTRARY, UNDECIDED = "as predicted", "contrary", "undecided"

Curve = tuple[np.ndarray, np.ndarray]
"""Env steps [P] and values [P] of one tag in one run."""


@dataclass(frozen=True)
class Results:
    """What the finished runs say.

    values: measure -> arm -> seed -> value.  curves: tag -> arm -> seed -> curve.  seconds: run name -> seconds of
    training.  missing: runs that are not finished.  problems: a line for each value that a finished run lacks.
    """

    values: Mapping[str, Mapping[str, Mapping[int, Value]]]
    curves: Mapping[str, Mapping[str, Mapping[int, Curve]]]
    seconds: Mapping[str, float]
    missing: Sequence[str]
    problems: Sequence[str]

    def bounds(self, measure: str, arm: str, seeds: Sequence[int] | None = None) -> Bounds:
        """The values of an arm [seeds], by rising seed."""
        found = self.values[measure][arm]
        chosen = [found[seed] for seed in (sorted(found) if seeds is None else seeds)]
        return Bounds(np.array([v.low for v in chosen], float), np.array([v.high for v in chosen], float))


@dataclass(frozen=True)
class Verdict:
    """What a claim came to. interval: None where there is none, then `note` says why; seeds: of left and of right."""

    claim: Claim
    verdict: str
    interval: Interval | None
    probability: float | None
    seeds: tuple[int, int]
    note: str


def read_results(study: Study, tasks: Sequence[Task]) -> Results:
    """Read every finished one of `tasks`. UserError where a folder holds a run with other settings."""
    values: dict[str, dict[str, dict[int, Value]]] = {m.name: {a.name: {} for a in study.arms} for m in study.measures}
    curves: dict[str, dict[str, dict[int, Curve]]] = {tag: {a.name: {} for a in study.arms} for tag in study.curves}
    seconds, missing, problems = {}, [], []
    for task in tasks:
        check_folder(task, expected_config(task.arm, task.seed))
        if not finished(task):
            missing.append(task.name)
            continue
        lines = read_lines(task.folder / METRICS)
        seconds[task.name] = sum(line["iteration_seconds"] for line in read_lines(task.folder / TIMINGS))
        for measure in study.measures:
            steps, points = curve(lines, measure.tag)
            if len(steps):
                values[measure.name][task.arm.name][task.seed] = measure.how(
                    steps.tolist(), points.tolist(), task.arm.run.steps
                )
            else:
                problems.append(f"{task.name}: {measure.name}: {_no_tag(lines, measure)}")
        for tag in study.curves:
            steps, points = curve(lines, tag)
            if len(steps):
                curves[tag][task.arm.name][task.seed] = steps, points
    return Results(values, curves, seconds, missing, problems)


def curve(lines: Sequence[Mapping[str, Any]], tag: str) -> Curve:
    """The lines that hold a finite number for `tag`: steps [P], values [P]."""
    found = [(line["step"], line[tag]) for line in lines if line.get(tag) is not None]
    steps, values = np.array(found, float).reshape(-1, 2).T
    return steps, values


def _no_tag(lines: Sequence[Mapping[str, Any]], measure: Measure) -> str:
    tags = {tag for line in lines for tag in line}
    if measure.tag in tags:
        return f"no finite number of '{measure.tag}'"
    match = nearest(measure.tag, tags)
    return f"no '{measure.tag}' in {METRICS}" + (f"; did you mean '{match}'?" if match else "")


def judge(claim: Claim, results: Results) -> Verdict:
    """Hold a claim against the values: as predicted if the whole 95 % interval lies in the expected range, contrary if
    it lies wholly outside on one side, else undecided.

    Seeds are resampled in pairs where both arms have the same ones, else each arm on its own.
    """
    seeds = [sorted(results.values[claim.measure][side]) for side in (claim.left, claim.right)]
    counts = len(seeds[0]), len(seeds[1])
    if min(counts) == 0:
        side = claim.right if counts[0] else claim.left
        return Verdict(claim, UNDECIDED, None, None, counts, f"no values of arm {side}")
    left, right = (results.bounds(claim.measure, side) for side in (claim.left, claim.right))
    compare = ratio_interval if claim.kind == "ratio" else difference_interval
    interval = compare(left, right, paired=seeds[0] == seeds[1])
    probability = probability_of_improvement(left, right)
    if interval is None:
        note = "a negative value has no ratio; register a difference"
        return Verdict(claim, UNDECIDED, None, probability, counts, note)
    if min(counts) < MIN_SEEDS:
        return Verdict(claim, UNDECIDED, interval, probability, counts, f"a verdict needs {MIN_SEEDS} seeds an arm")
    expected = Expected.parse(claim.expected)
    verdict = UNDECIDED
    if expected.holds(interval.low, interval.high):
        verdict = AS_PREDICTED
    elif expected.excludes(interval.low, interval.high):
        verdict = CONTRARY
    return Verdict(claim, verdict, interval, probability, counts, "")
