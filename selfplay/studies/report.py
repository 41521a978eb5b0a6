"""Writes what a study found: `results.json`, `README.md` and two figures, from the run folders alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selfplay.bench.report import Row, cell, machine, markdown
from selfplay.errors import UserError
from selfplay.jsonfile import write_bytes, write_json
from selfplay.studies.archive import write_archive
from selfplay.studies.figure import draw_curves, draw_measures
from selfplay.studies.records import (
    FAILURES,
    REGISTERED,
    SESSIONS,
    check_same_registration,
    read_registered,
    read_sessions,
    registered_seeds,
    registration,
)
from selfplay.studies.results import Results, read_results
from selfplay.studies.statistics import Interval
from selfplay.studies.study import Study
from selfplay.studies.verdicts import (
    AS_PREDICTED,
    CONTRARY,
    PROVISIONAL,
    QUICK,
    UNDECIDED,
    Intervals,
    Verdict,
    intervals,
    judge_all,
)

_ORDER = (CONTRARY, UNDECIDED, AS_PREDICTED, PROVISIONAL, QUICK)


def write_report(study: Study, folder: Path, seeds: int | None = None, sources: Sequence[Path] = ()) -> str:
    """Write the report of what is finished under `folder`, and return its text (that of `README.md`).

    seeds: read so many; never fewer than were registered, for what is not there counts as missing.
    sources: read the runs under these folders instead.

    Raises:
        UserError: nothing is finished, or a run folder holds another run.
    """
    places = sources or (folder,)
    registered = registered_seeds(study, places[0])
    results = read_results(study, places, max(registered, seeds or 0))
    if not results.seconds:
        where = ", ".join(f"'{place}'" for place in places)
        raise UserError(f"no finished run of study '{study.name}' in {where}")
    verdicts = sorted(judge_all(study, results, registered), key=lambda v: _ORDER.index(v.verdict))
    found = intervals(study, results)
    changed = _changed(study, places[0])
    facts = machine()
    sessions = [session for place in places for session in read_sessions(place)]
    folder.mkdir(parents=True, exist_ok=True)
    text = _text(study, results, found, verdicts, changed, facts, sessions)
    write_json(folder / "results.json", _json(study, results, found, verdicts, changed, facts, sessions))
    write_bytes(folder / "README.md", text.encode())
    draw_measures(folder / "figure.png", study, results, found)
    if study.curves:
        draw_curves(folder / "curves.png", study, results)
    return text


def merge(study: Study, folder: Path, sources: Sequence[Path]) -> str:
    """The report, in `folder`, of runs that lie under several folders (parts of the study made elsewhere).

    Raises:
        UserError: not the same was registered in each, or a run is finished in two of them.
    """
    check_same_registration(sources)
    return write_report(study, folder, sources=sources)


def export(study: Study, folder: Path, sources: Sequence[Path]) -> str:
    """Write what is needed for the report into `folder`, small enough to be committed, and the report from that."""
    if any(folder.resolve() == source.resolve() for source in sources):
        raise UserError(f"--export '{folder}': the runs are there (expected another folder)")
    check_same_registration(sources)
    results = read_results(study, sources, registered_seeds(study, sources[0]))
    if not results.runs:
        raise UserError(f"no finished run of study '{study.name}' in '{sources[0]}'")
    folder.mkdir(parents=True, exist_ok=True)
    write_archive(study, folder, results.runs)
    first = min(filter(None, map(read_registered, sources)), key=lambda found: found["registered"])
    write_json(folder / REGISTERED, first)
    write_json(folder / FAILURES, results.failures)
    write_json(folder / SESSIONS, [session for source in sources for session in read_sessions(source)])
    return write_report(study, folder)


def _changed(study: Study, folder: Path) -> list[str]:
    """What is declared otherwise than it was registered before the first run."""
    before = read_registered(folder)
    if before is None:
        return ["nothing was registered before the runs"]
    now = registration(study)
    return [
        f"{key} changed after the first run (`{REGISTERED}`)" if key in before else f"{key} were not registered"
        for key in now
        if now[key] != before.get(key)
    ]


def _text(
    study: Study, results: Results, found: Intervals, verdicts: Sequence[Verdict], changed: list[str],
    facts: dict[str, Any], sessions: Sequence[Mapping[str, Any]],
) -> str:  # fmt: skip
    parts = [f"# {study.name}", study.question]
    planned = len(results.runs) + len(results.missing)
    notes = ["Quick: a small version, to see that everything works. It decides nothing."] if study.quick else []
    notes += [f"Partial: {len(results.missing)} of {planned} runs are missing."] if results.missing else []
    notes += [f"Failed: {name}: {why}" for name, why in results.failures.items()]
    notes += [f"Not measured: {line}" for line in results.problems]
    notes += [f"Not as registered: {line}." for line in changed]
    if notes:
        parts.append("\n".join(f"- {note}" for note in notes))
    if verdicts:
        parts += ["## Claims", markdown([_claim_row(verdict) for verdict in verdicts])]
    parts += [
        "## Arms",
        markdown(_arm_rows(study, results, found)),
        "Interquartile mean over seeds (of zeros and ones the mean: the share of seeds) [95 % percentile bootstrap "
        "interval], number of seeds. ≥: more than a quarter "
        "of the seeds never got there; the step they ended at is a lower bound. Ratios and differences are those of "
        "these means, with all arms resampled by the same seeds where they have the same.",
        "\n".join(f"- {m.name}: `{m.tag}`, {m.how}" + (f", {m.unit}" if m.unit else "") for m in study.measures),
        "![per-seed values](figure.png)",
        *(
            [
                "![learning curves](curves.png)\n\nLines: interquartile mean over seeds; bands, with few lines: the quartiles."
            ]
            if study.curves
            else []
        ),
        _time(results, sessions),
        "\n".join(f"- {name}: {cell(value)}" for name, value in facts.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _time(results: Results, sessions: Sequence[Mapping[str, Any]]) -> str:
    seconds = list(results.seconds.values())
    runs = f"{len(seconds)} runs, {sum(seconds) / 60:.1f} minutes of training"
    each = f"{cell(sum(seconds) / len(seconds))} s a run ({cell(min(seconds))} to {cell(max(seconds))})"
    if not sessions:
        return f"{runs}, {each}."
    wall = sum(session["seconds"] for session in sessions)
    return f"{runs}, {each}; {wall / 60:.1f} minutes of wall-clock in {len(sessions)} sessions."


def _claim_row(verdict: Verdict) -> Row:
    claim = verdict.claim
    return {
        "verdict": f"**{verdict.verdict}**" + (f" ({verdict.note})" if verdict.note else ""),
        "claim": claim.text,
        "of": claim.compared,
        "expected": claim.expected,
        "found": shown(verdict.interval) if verdict.interval else None,
        "P(left > right)": None if verdict.probability is None else f"{verdict.probability:.2f}",
        "seeds": " and ".join(map(str, dict.fromkeys(verdict.seeds))),
    }


def _arm_rows(study: Study, results: Results, found: Intervals) -> list[Row]:
    rows: list[Row] = []
    for arm in study.arms:
        row: Row = {"arm": arm.name, **arm.factors}
        for measure in study.measures:
            arrow = {"up": " ↑", "down": " ↓", "neither": ""}[measure.better]
            interval = found.get((measure.name, arm.name))
            shown_as = f"{shown(interval)}, n={len(results.values[measure.name][arm.name])}" if interval else "n=0"
            row[measure.name + arrow] = shown_as if measure.fits(arm) else None
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
    study: Study, results: Results, found: Intervals, verdicts: Sequence[Verdict], changed: list[str],
    facts: dict[str, Any], sessions: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """Everything, per seed. An infinite bound (censored) is null, as JSON has none."""
    seconds = list(results.seconds.values())
    return {
        "study": study.name,
        "registration": registration(study),
        "changed_after_registration": changed,
        "machine": facts,
        "commits_of_runs": sorted({str(run.commit) for run in results.runs.values()}),
        "configuration": {name.rpartition("/")[0]: run.config for name, run in results.runs.items()},
        "wall_clock_seconds": sum(session["seconds"] for session in sessions) if sessions else None,
        "sessions": sessions,
        "seconds_per_run": sum(seconds) / len(seconds),
        "seconds_of_training": results.seconds,
        "missing": results.missing,
        "failures": results.failures,
        "problems": results.problems,
        "values": {
            measure: {
                arm: {f"s{seed}": {"low": value.low, "high": value.high, "censored": value.censored}
                      for seed, value in sorted(seeds.items())}
                for arm, seeds in arms.items()
            }
            for measure, arms in results.values.items()
        },
        "averages": {
            measure.name: {
                arm.name: found[measure.name, arm.name]._asdict()
                for arm in study.arms if (measure.name, arm.name) in found
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
