"""What a table of scores says of its methods: aggregates with intervals, and every method held against one of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from selfplay.errors import UserError, unknown
from selfplay.studies.statistics import mean
from selfplay.transfer import curves
from selfplay.transfer.aggregates import optimality_gap
from selfplay.transfer.bootstrap import Estimate, contrast, difference, estimate, improvement, median_time_estimate
from selfplay.transfer.table import Table
from selfplay.transfer.times import time_to_threshold

FEW = 5
"""With fewer (pretraining) seeds an interval is far too narrow (docs/transfer.md)."""

Row = dict[str, Any]


def check(table: Table, few_shot: float | None, threshold: float | None) -> None:
    """UserError for options that need curves where there are none, and for what is no number or beyond the curves."""
    for option, value in (("--few-shot", few_shot), ("--threshold", threshold)):
        if value is not None and not math.isfinite(value):
            raise UserError(f"{option}: {value} (expected a finite number)")
        if value is not None and not table.steps:
            raise UserError(f"{option} needs curves (expected a column 'step')")
    for task, steps in table.steps.items():
        if few_shot is not None and not steps[0] <= few_shot <= steps[-1]:
            covered = f"expected {steps[0]:g} to {steps[-1]:g} steps, which all curves of {task} cover"
            raise UserError(f"--few-shot: {few_shot:g} is not on the curves ({covered})")


def final_scores(table: Table, method: str) -> np.ndarray:
    """The scores of a method, [seeds, tasks] or with pretraining seeds first; of curves their asymptotes."""
    values = table.methods[method]
    return _by_task(table, values, curves.asymptote) if table.steps else values


def _by_task(table: Table, values: np.ndarray, reduce: Callable[..., np.ndarray], *more: float) -> np.ndarray:
    """`reduce` of the curves [..., tasks, points] of each task: [..., tasks]."""
    steps = [table.steps[task] for task in table.tasks]
    return np.stack([reduce(x, values[..., k, :], *more) for k, x in enumerate(steps)], -1)


def aggregates(table: Table) -> list[Row]:
    """A row for each method: IQM, mean and, of normalised scores, the optimality gap."""
    rows = []
    for method in table.methods:
        scores = final_scores(table, method)
        row: Row = {"method": method, "runs": counted(scores), "IQM": estimate(scores), "mean": estimate(scores, mean)}
        if table.normalised:
            row["optimality gap ↓"] = estimate(scores, optimality_gap)
        rows.append(row)
    return rows


def early(table: Table, few_shot: float | None = None) -> dict[str, Row]:
    """Of each method the mean scores before the first update and after `few_shot` steps; nothing without curves.

    A zero-shot score is None where a curve begins later. ValueError for a `few_shot` that is not on the curves.
    """
    found: dict[str, Row] = {}
    for method, values in table.methods.items() if table.steps else ():
        row: Row = {"zero-shot": None}
        if _from_the_start(table):
            row["zero-shot"] = estimate(_by_task(table, values, curves.zero_shot), mean)
        if few_shot is not None:
            row[f"few-shot, {few_shot:g}"] = estimate(_by_task(table, values, curves.few_shot, few_shot), mean)
        found[method] = row
    return found


def _from_the_start(table: Table) -> bool:
    return all(steps[0] == 0 for steps in table.steps.values())


def against(table: Table, baseline: str, few_shot: float | None = None) -> list[Row]:
    """A row for each other method: P(it > baseline), the difference of IQMs; of curves also what transferred.

    UserError for a baseline that is not there, ValueError for a `few_shot` that is not on the curves.
    """
    if baseline not in table.methods:
        raise UserError(f"--baseline: {unknown('method', baseline, table.methods)}")
    base, rows = final_scores(table, baseline), []
    for method in table.methods:
        if method == baseline:
            continue
        scores = final_scores(table, method)
        row: Row = {
            "method": method,
            "P(better)": improvement(scores, base),
            "IQM difference": difference(scores, base),
        }
        if table.steps:
            row |= _transfer(table, table.methods[method], table.methods[baseline], few_shot)
        rows.append(row)
    return rows


def _transfer(table: Table, a: np.ndarray, b: np.ndarray, few_shot: float | None) -> Row:
    row: Row = {"jumpstart": None}
    if _from_the_start(table):
        row["jumpstart"] = difference(_by_task(table, a, curves.zero_shot), _by_task(table, b, curves.zero_shot), mean)
    if few_shot is not None:
        left, right = (_by_task(table, x, curves.few_shot, few_shot) for x in (a, b))
        row[f"few-shot difference, {few_shot:g}"] = difference(left, right, mean)
    areas = [_by_task(table, x, curves.area) for x in (a, b)]
    row["transfer ratio"] = _defined(areas, curves.transfer_ratio)
    if table.normalised:
        row["forward transfer"] = _defined(areas, curves.forward_transfer)
    return row


def _defined(areas: list[np.ndarray], combine: Callable[..., np.ndarray]) -> Estimate | None:
    """None where the baseline's area lets it mean nothing."""
    try:
        return contrast(areas[0], areas[1], combine, mean)
    except ValueError:
        return None


def times(table: Table, threshold: float) -> list[Row]:
    """A row for each method and task: the Kaplan–Meier median of the steps to `threshold`.

    Where the table has the runs' own points these are looked at, and each run is censored at its own last step.
    """
    rows = []
    for method, values in table.methods.items():
        for k, task in enumerate(table.tasks):
            if table.points:
                each = [time_to_threshold(*curve, threshold) for curve in table.points[method][task]]
                found, reached = (np.reshape(part, values.shape[:-2]) for part in zip(*each, strict=True))
            else:
                found, reached = time_to_threshold(table.steps[task], values[..., k, :], threshold)
            rows.append({
                "method": method, "task": task, "reached": f"{int(reached.sum())} of {reached.size}",
                f"median steps to {threshold:g} ↓": median_time_estimate(found, reached),
            })  # fmt: skip
    return rows


def retention(table: Table) -> list[Row]:
    """A row for each method: the skill of pretraining before and after, and what each run forgot of it, as means."""
    return [
        {
            "method": method, "runs": counted(before), "before": estimate(before, mean), "after": estimate(after, mean),
            "forgotten ↓": estimate(curves.forgetting(before, after), mean),
        }
        for method, (before, after) in table.kept.items()
    ]  # fmt: skip


def counted(scores: np.ndarray) -> str:
    """`5 seeds × 4 tasks`, or `5 × 3 seeds × 4 tasks` where 3 seeds begin with each of 5 pretrained policies."""
    *seeds, tasks = scores.shape
    told = " × ".join(map(str, seeds)) + (" seed" if math.prod(seeds) == 1 else " seeds")
    return f"{told} × {tasks} task" + ("s" if tasks > 1 else "")


def notes(table: Table) -> list[str]:
    """What must be known before anything is compared."""
    scores = [(method, values[..., 0] if table.steps else values) for method, values in table.methods.items()]
    scores += [(method, before) for method, (before, _) in table.kept.items()]
    lines = [
        f"{method}: {'one pretraining seed' if values.ndim == 3 else 'one seed'}: no interval, "
        "a difference to it may be luck"
        for method, values in scores
        if len(values) == 1
    ]
    few = {method: values.ndim == 3 for method, values in scores if 1 < len(values) < FEW}
    if few:
        nested = few.values()
        seeds = "pretraining seeds" if all(nested) else "(pretraining) seeds" if any(nested) else "seeds"
        lines.append(
            f"fewer than {FEW} {seeds}: the intervals of {', '.join(few)} are far too narrow (docs/transfer.md)"
        )
    if not table.normalised and len(table.tasks) > 1:
        lines.append("scores of different tasks are averaged as they are (columns random and reference normalise them)")
    if table.steps:
        lines.append(
            "aggregates are of asymptotes: the mean of the last tenth of the steps that all curves of a task have"
        )
    return [*dict.fromkeys(lines), *table.notes]
