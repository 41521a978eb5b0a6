"""Writes what a study found: `results.json`, `README.md` and two figures, from the run folders alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selfplay.bench.report import Row, cell, machine, markdown
from selfplay.errors import UserError
from selfplay.jsonfile import write_bytes, write_json
from selfplay.rundir import read_record
from selfplay.studies.figure import draw_curves, draw_measures
from selfplay.studies.plan import Task, tasks
from selfplay.studies.records import REGISTERED, read_failures, registration
from selfplay.studies.results import AS_PREDICTED, CONTRARY, UNDECIDED, Results, Verdict, judge, read_results
from selfplay.studies.statistics import Interval, iqm_interval
from selfplay.studies.study import Study

_ORDER = (CONTRARY, UNDECIDED, AS_PREDICTED)


def write_report(study: Study, folder: Path, seeds: int | None = None) -> str:
    """Write the report of what is finished under `folder`, and return its text (that of `README.md`).

    seeds: how many are meant, by default the study's; what is not there is counted as missing.

    Raises:
        UserError: nothing is finished, or a run folder holds another run.
    """
    planned = tasks(study, folder, seeds)
    results = read_results(study, planned)
    if not results.seconds:
        raise UserError(f"no finished run of study '{study.name}' in '{folder}'")
    verdicts = sorted((judge(claim, results) for claim in study.claims), key=lambda v: _ORDER.index(v.verdict))
    failures = read_failures(folder)
    changed = _changed(study, folder)
    facts = machine()
    text = _text(study, results, verdicts, failures, changed, facts, len(planned))
    write_json(folder / "results.json", _json(study, results, verdicts, failures, changed, facts, planned))
    write_bytes(folder / "README.md", text.encode())
    draw_measures(folder / "figure.png", study, results)
    if study.curves:
        draw_curves(folder / "curves.png", study, results)
    return text


def _changed(study: Study, folder: Path) -> list[str]:
    """What is declared otherwise than it was registered before the first run."""
    try:
        before = json.loads((folder / REGISTERED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ["nothing was registered before the runs"]
    now = registration(study)
    return [f"{key} changed after the first run (`{REGISTERED}`)" for key in now if now[key] != before.get(key)]


def _text(
    study: Study, results: Results, verdicts: Sequence[Verdict], failures: dict[str, str], changed: list[str],
    facts: dict[str, Any], planned: int,
) -> str:  # fmt: skip
    parts = [f"# {study.name}", study.question]
    done = planned - len(results.missing)
    notes = [f"Partial: {len(results.missing)} of {planned} runs are missing."] if results.missing else []
    notes += [f"Failed: {name}: {why}" for name, why in failures.items()]
    notes += [f"Not measured: {line}" for line in results.problems]
    notes += [f"Not as registered: {line}." for line in changed]
    if notes:
        parts.append("\n".join(f"- {note}" for note in notes))
    if verdicts:
        parts += ["## Claims", markdown([_claim_row(verdict) for verdict in verdicts])]
    parts += [
        "## Arms",
        markdown(_arm_rows(study, results)),
        "Interquartile mean over seeds [95 % percentile bootstrap interval], number of seeds. ≥: more than a quarter "
        "of the seeds never got there; the step they ended at is a lower bound. Ratios and differences are those of "
        "interquartile means, with both arms resampled by the same seeds where they have the same.",
        "\n".join(f"- {m.name}: `{m.tag}`, {m.how}" + (f", {m.unit}" if m.unit else "") for m in study.measures),
        "![per-seed values](figure.png)" + ("\n\n![learning curves](curves.png)" if study.curves else ""),
        f"{done} runs, {sum(results.seconds.values()) / 60:.1f} minutes of training.",
        "\n".join(f"- {name}: {cell(value)}" for name, value in facts.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _claim_row(verdict: Verdict) -> Row:
    claim = verdict.claim
    sign = "/" if claim.kind == "ratio" else "−"
    return {
        "verdict": f"**{verdict.verdict}**" + (f" ({verdict.note})" if verdict.note else ""),
        "claim": claim.text,
        "of": f"{claim.measure}: {claim.left} {sign} {claim.right}",
        "expected": claim.expected,
        "found": shown(verdict.interval) if verdict.interval else None,
        "P(left > right)": None if verdict.probability is None else f"{verdict.probability:.2f}",
        "seeds": " and ".join(map(str, dict.fromkeys(verdict.seeds))),
    }


def _arm_rows(study: Study, results: Results) -> list[Row]:
    rows: list[Row] = []
    for arm in study.arms:
        row: Row = {"arm": arm.name, **arm.factors}
        for measure in study.measures:
            values = results.bounds(measure.name, arm.name)
            arrow = {"up": " ↑", "down": " ↓", "neither": ""}[measure.better]
            row[measure.name + arrow] = f"{shown(iqm_interval(values))}, n={len(values)}" if len(values) else "n=0"
        rows.append(row)
    return rows


def shown(interval: Interval) -> str:
    """`1.5 [1.2, 1.9]`; bounds where the found value itself is not known."""
    if interval.found_low == interval.found_high:
        found = _number(interval.found_low)
    elif (interval.found_low, interval.found_high) == (0, float("inf")):
        found = "unknown"
    elif interval.found_high == float("inf"):
        found = f"≥ {_number(interval.found_low)}"
    elif interval.found_low == -float("inf"):
        found = f"≤ {_number(interval.found_high)}"
    else:
        found = f"{_number(interval.found_low)} to {_number(interval.found_high)}"
    return f"{found} [{_number(interval.low)}, {_number(interval.high)}]"


def _number(value: float) -> str:
    return {float("inf"): "∞", -float("inf"): "−∞"}.get(value) or cell(float(value))


def _json(
    study: Study, results: Results, verdicts: Sequence[Verdict], failures: dict[str, str], changed: list[str],
    facts: dict[str, Any], planned: Sequence[Task],
) -> dict[str, Any]:  # fmt: skip
    """Everything, per seed. An infinite bound (censored) is null, as JSON has none."""
    records = {task.arm.name: record for task in planned if (record := read_record(task.folder))}
    commits = sorted({str(record.get("commit")) for task in planned if (record := read_record(task.folder))})
    return {
        "study": study.name,
        "registration": registration(study),
        "changed_after_registration": changed,
        "machine": facts,
        "commits_of_runs": commits,
        "configuration": {arm: record["config"] for arm, record in records.items()},
        "seconds_of_training": results.seconds,
        "missing": results.missing,
        "failures": failures,
        "problems": results.problems,
        "values": {
            measure: {
                arm: {f"s{seed}": {"low": value.low, "high": value.high, "censored": value.censored}
                      for seed, value in sorted(seeds.items())}
                for arm, seeds in arms.items()
            }
            for measure, arms in results.values.items()
        },
        "iqm": {
            measure.name: {
                arm.name: iqm_interval(values)._asdict()
                for arm in study.arms if len(values := results.bounds(measure.name, arm.name))
            }
            for measure in study.measures
        },
        "verdicts": [
            {
                "claim": verdict.claim.text,
                "kind": verdict.claim.kind,
                "registered": verdict.claim.registered,
                "verdict": verdict.verdict,
                "found": verdict.interval._asdict() if verdict.interval else None,
                "probability_left_above_right": verdict.probability,
                "seeds": verdict.seeds,
                "note": verdict.note,
            }
            for verdict in verdicts
        ],
    }  # fmt: skip
