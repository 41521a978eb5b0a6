"""What pretraining was worth, as tables: what did not beat learning from scratch first, then every method by family.

Scores are curves, normalised; everything is computed by `selfplay.transfer` from arrays [pretraining seeds, downstream
seeds, tasks, points], so that what begins with one pretrained policy is resampled together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from selfplay.bench.report import Row, markdown
from selfplay.studies.nesting import lone, whole_rows
from selfplay.studies.results import Results
from selfplay.studies.runs import Curve
from selfplay.studies.statistics import iqm, mean
from selfplay.studies.study import Study
from selfplay.studies.transfer_families import Family, Transfer
from selfplay.transfer import compare, curves
from selfplay.transfer.bootstrap import Estimate, difference, improvement
from selfplay.transfer.profile import draw_profiles
from selfplay.transfer.table import POINTS, Table

AT_THE_END, ALL_ALONG = "at the end", "all along"
PROFILED = "normalised score τ at the end"


@dataclass(frozen=True)
class Found:
    """What is known of one family. table: of the methods that all seeds are there of; total: the end of the one with as
    many steps in all, [pretraining seeds, downstream seeds, tasks]; missing: methods without a whole row of seeds.
    """

    name: str
    family: Family
    table: Table
    total: np.ndarray | None
    missing: Sequence[str]


def found_in(study: Study, results: Results) -> list[Found]:
    """Every family of which the baseline and something else are there."""
    assert study.transfer is not None
    families = [_family(study, results, study.transfer, name) for name in study.transfer.families]
    return [one for one in families if study.transfer.baseline in one.table.methods and len(one.table.methods) > 1]


def _family(study: Study, results: Results, declared: Transfer, name: str) -> Found:
    family = declared.families[name]
    methods: dict[str, np.ndarray] = {}
    points: dict[str, dict[str, Sequence[Curve]]] = {}
    total, missing, steps = None, [], {}
    for method, group in family.methods.items():
        arms = study.groups[group]
        there = [results.curves[declared.tag][arm] for arm in arms]
        seeds = sorted(set.intersection(*(set(found) for found in there)))
        rows = whole_rows(seeds, study.nested)
        if not rows:
            missing.append(method)
            continue
        axes = [np.linspace(0, study.arm(arm).run.steps, POINTS) for arm in arms]
        scaled = [{seed: _scaled(curve, declared.scale[study.arm(arm).run.env]) for seed, curve in found.items()}
                  for found, arm in zip(there, arms, strict=True)]  # fmt: skip
        scores = np.array([
            [[np.interp(axis, *found[seed]) for found, axis in zip(scaled, axes, strict=True)] for seed in row]
            for row in rows
        ])  # fmt: skip
        if method == declared.total:
            total = np.stack([curves.asymptote(axis, scores[..., k, :]) for k, axis in enumerate(axes)], -1)
        else:
            methods[method] = scores
            points[method] = {task: [found[seed] for row in rows for seed in row]
                              for task, found in zip(family.tasks, scaled, strict=True)}  # fmt: skip
            steps = dict(zip(family.tasks, axes, strict=True))
    return Found(name, family, Table(methods, family.tasks, True, steps, points), total, missing)


def _scaled(curve: Curve, scale: tuple[float, float]) -> Curve:
    return curve[0], (curve[1] - scale[0]) / (scale[1] - scale[0])


def differences(found: Found, baseline: str) -> dict[str, dict[str, Estimate]]:
    """Method -> its IQM at the end, and its mean all along, less that of the baseline."""
    table = found.table
    ends = {method: compare.final_scores(table, method) for method in table.methods}
    areas = {method: _areas(table, method) for method in table.methods}
    return {
        method: {
            AT_THE_END: difference(ends[method], ends[baseline], iqm),
            ALL_ALONG: difference(areas[method], areas[baseline], mean),
        }
        for method in table.methods
        if method != baseline
    }


def _areas(table: Table, method: str) -> np.ndarray:
    values = table.methods[method]
    return np.stack([curves.area(table.steps[task], values[..., k, :]) for k, task in enumerate(table.tasks)], -1)


def beats(estimate: Estimate) -> bool:
    """Whether the whole interval is above 0; with one seed there is none, and nothing beats anything."""
    return estimate.low is not None and estimate.low > 0


def sections(study: Study, results: Results) -> tuple[list[str], dict[str, Any]]:
    """Paragraphs for the README, and the same numbers for `results.json`; nothing where there is nothing to compare."""
    declared = study.transfer
    if declared is None or not (families := found_in(study, results)):
        return [], {}
    held = {found.name: differences(found, declared.baseline) for found in families}
    alone = lone(study.nested, study.nested)  # what there is one of where there is no interval
    parts = ["## What did not beat learning from scratch", *_lists(held, alone)]
    numbers: dict[str, Any] = {"against_scratch": held}
    for found in families:
        tables = _tables(found, declared, results, study)
        parts.append(f"## Transfer: {found.name}")
        parts.append(f"Tasks: {', '.join(found.family.tasks)}.")
        for title, rows in tables.items():
            shown = [{key: _told(value, alone) for key, value in row.items()} for row in rows]
            parts += [f"**{title}**", markdown(shown)]
        parts.append(f"![performance profiles](profiles-{found.name}.png)")
        notes = [*compare.notes(found.table), *(f"{method}: not finished" for method in found.missing)]
        parts.append("\n".join(f"- {line}" for line in notes))
        numbers[found.name] = {
            "tasks": found.family.tasks, "tables": tables, "notes": notes,
            "profiles": {method: ends.tolist() for method, ends in _profiled(found, declared).items()},
        }  # fmt: skip
    parts.append(explained(study.nested))
    return parts, numbers


def explained(nested: int) -> str:
    """How scores, intervals and times are meant."""
    runs = f" and its {nested} runs on each" if nested > 1 else ""
    return (
        "Scores are normalised: 0 is chance, 1 every episode solved. Intervals are 95 % percentile bootstraps over "
        f"pretraining seeds, each drawn with all of its tasks{runs}, looked at one by one. A run that never gets to a "
        "score counts as one that takes longer: the median is ∞ where half of the runs never get there."
    )


def _lists(held: Mapping[str, Mapping[str, Mapping[str, Estimate]]], alone: str) -> list[str]:
    """Who did not beat scratch, then who did; each by family and by what is compared."""
    parts = []
    for won, words in ((False, "The interval of the difference is not wholly above 0:"), (True, "It is for:")):
        lines = [
            f"- {family}, {when}: " + "; ".join(f"`{method}` {found.told(alone)}" for method, found in chosen)
            for family, methods in held.items()
            for when in (AT_THE_END, ALL_ALONG)
            if (chosen := [(m, each[when]) for m, each in methods.items() if beats(each[when]) == won])
        ]
        parts += [words, "\n".join(lines or ["- none"])]
    return parts


def _tables(found: Found, declared: Transfer, results: Results, study: Study) -> dict[str, list[Row]]:
    few_shot = found.family.few_shot * found.table.steps[found.table.tasks[0]][-1]
    early = compare.early(found.table, few_shot)
    rows = [row | early[row["method"]] for row in compare.aggregates(found.table)]
    if found.total is not None:
        alone = Table({declared.total: found.total}, found.table.tasks, True)
        rows += compare.aggregates(alone)
    against = compare.against(found.table, declared.baseline, few_shot)
    for row in against:
        if found.total is not None:
            end = compare.final_scores(found.table, row["method"])
            row[f"IQM difference to `{declared.total}`"] = difference(end, found.total, iqm)
            row[f"P(better than `{declared.total}`)"] = improvement(end, found.total)
    tables: dict[str, list[Row]] = {
        "Scores": rows,
        f"Against `{declared.baseline}`, of as many downstream steps": against,
        f"Env steps to a score of {declared.threshold:g}": _times(found.table, declared.threshold),
    }
    if retained := _retained(found.family, declared, results, study):
        tables["What was learnt in pretraining, before and after"] = retained
    return tables


def _times(table: Table, threshold: float) -> list[Row]:
    """A row for each method: on each task the median over its runs, and how many of them ever got there."""
    rows: dict[str, Row] = {}
    for one in compare.times(table, threshold):
        (median,) = (value for value in one.values() if isinstance(value, Estimate))
        row = rows.setdefault(one["method"], {"method": one["method"]})
        row[f"{one['task']} ↓"], row[f"{one['task']}: reached"] = median, one["reached"]
    return list(rows.values())


def _retained(family: Family, declared: Transfer, results: Results, study: Study) -> list[Row]:
    rows = []
    for method, groups in family.retention.items():
        for name in declared.retained:
            sides = [_nested(study, results, name, group) for group in groups]
            if all(len(side) for side in sides):
                before, after = sides
                rows.append({
                    "method": method, "of": name, "before": mean(before.ravel()), "after": mean(after.ravel()),
                    "forgotten ↓": difference(before, after, mean),
                })  # fmt: skip
    return rows


def _nested(study: Study, results: Results, measure: str, group: str) -> np.ndarray:
    """The values of a group as one task: [pretraining seeds, downstream seeds · arms, 1]."""
    arms = study.groups[group]
    seeds = sorted(set.intersection(*(set(results.values[measure][arm]) for arm in arms)))
    return results.nested_bounds(measure, arms, seeds, study.nested).low[..., None]


def _told(value: Any, alone: str) -> Any:
    return "undefined" if value is None else value.told(alone) if isinstance(value, Estimate) else value


def as_json(value: Any) -> Any:
    """Estimates as objects."""
    if isinstance(value, Estimate):
        return value._asdict()
    if isinstance(value, Mapping):
        return {key: as_json(item) for key, item in value.items()}
    return [as_json(item) for item in value] if isinstance(value, list) else value


def draw(study: Study, results: Results, folder: Path) -> None:
    """`profiles-FAMILY.png` for each family."""
    if study.transfer is None:
        return
    for found in found_in(study, results):
        draw_profiles(folder / f"profiles-{found.name}.png", _profiled(found, study.transfer), PROFILED)


def _profiled(found: Found, declared: Transfer) -> dict[str, np.ndarray]:
    """The scores at the end whose profiles are drawn: [pretraining seeds, downstream seeds, tasks] by method."""
    chosen = [method for method in found.family.profiles if method in found.table.methods]
    scores = {method: compare.final_scores(found.table, method) for method in chosen}
    return scores if found.total is None else scores | {declared.total: found.total}
