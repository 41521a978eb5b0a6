"""Writes what a study found: `results.json`, `README.md` and two figures, from the run folders alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selfplay.errors import UserError
from selfplay.jsonfile import write_bytes, write_json
from selfplay.studies import transfer_tables
from selfplay.studies.archive import write_archive
from selfplay.studies.figure import draw_curves, draw_measures
from selfplay.studies.figure_against import draw_against
from selfplay.studies.games import write_games
from selfplay.studies.readme import ORDER, readme
from selfplay.studies.records import (
    FAILURES,
    REGISTERED,
    SESSIONS,
    check_new,
    check_same_registration,
    check_study,
    made_on,
    make_folder,
    read_registered,
    read_sessions,
    registered_seeds,
    registration,
)
from selfplay.studies.results import Results, read_results
from selfplay.studies.study import Study
from selfplay.studies.verdicts import Intervals, Verdict, intervals, judge_all


def write_report(study: Study, folder: Path, seeds: int | None = None, sources: Sequence[Path] = ()) -> str:
    """Write the report of what is finished under `folder`, and return its text (that of `README.md`).

    seeds: read so many; never fewer than were registered, for what is not there counts as missing.
    sources: read the runs under these folders instead.

    Raises:
        UserError: nothing is finished, or a run folder holds another run.
    """
    places = sources or (folder,)
    for place in places:
        check_study(study, place)
    registered = registered_seeds(study, places[0])
    results = read_results(study, places, max(registered, seeds or 0))
    if not results.seconds:
        where = ", ".join(f"'{place}'" for place in places)
        raise UserError(f"no finished run of study '{study.name}' in {where}")
    verdicts = sorted(judge_all(study, results, registered), key=lambda v: ORDER.index(v.verdict))
    found = intervals(study, results)
    changed = _changed(study, places[0])
    sessions = [session for place in places for session in read_sessions(place)]
    facts = made_on(sessions)
    make_folder(folder)
    first, compared = transfer_tables.sections(study, results)
    text = readme(study, results, found, verdicts, changed, facts, sessions, first)
    numbers = _json(study, results, found, verdicts, changed, facts, sessions)
    if compared:
        numbers["transfer"] = transfer_tables.as_json(compared)
    write_json(folder / "results.json", numbers)
    write_bytes(folder / "README.md", text.encode())
    transfer_tables.draw(study, results, folder)
    draw_measures(folder / "figure.png", study, results, found)
    if study.curves:
        draw_curves(folder / "curves.png", study, results)
    if study.against:
        draw_against(folder / "against.png", study, results)
    return text


def merge(study: Study, folder: Path, sources: Sequence[Path]) -> str:
    """The report, in `folder`, of runs that lie under several folders (parts of the study made elsewhere).

    Raises:
        UserError: not the same was registered in each, a run is finished in two of them, or `folder` has runs itself.
    """
    check_new("--dir", folder)
    for source in sources:
        check_study(study, source)
    check_same_registration(sources)
    return write_report(study, folder, sources=sources)


def export(study: Study, folder: Path, sources: Sequence[Path], seeds: int | None = None) -> str:
    """Write what is needed for the report into `folder`, small enough to be committed, and the report from that.

    seeds: as of `write_report`.

    Raises:
        UserError: see `merge`; nothing is finished; or there is an export in `folder` already.
    """
    check_new("--export", folder)
    for source in sources:
        check_study(study, source)
    check_same_registration(sources)
    results = read_results(study, sources, max(registered_seeds(study, sources[0]), seeds or 0))
    if not results.runs:
        raise UserError(f"no finished run of study '{study.name}' in '{sources[0]}'")
    make_folder(folder)
    write_archive(study, folder, results.runs)
    write_games(sources, [arm.name for arm in study.arms], folder)
    first = min(filter(None, map(read_registered, sources)), key=lambda found: found["registered"])
    write_json(folder / REGISTERED, first)
    write_json(folder / FAILURES, results.failures)
    write_json(folder / SESSIONS, [session for source in sources for session in read_sessions(source)])
    return write_report(study, folder, seeds)


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
        "curves_of": [arm.name for arm in study.arms if study.curves_of(arm.factors)],
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
