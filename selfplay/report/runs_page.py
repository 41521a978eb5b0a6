"""What the page of one run, or of several, shows: what was run, what came of it, curves, curriculum, configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from selfplay.curriculum import read_game
from selfplay.report.charts import MOST_LINES, Curves, curve_chart, style
from selfplay.report.groups import LoggedRun, RunGroup, read_groups
from selfplay.report.pictures import curriculum, last_pictures
from selfplay.report.settings import told_apart
from selfplay.studies.runs import curve
from selfplay.summary import MEASURES, alarms, results
from selfplay.transfer.bootstrap import Estimate, difference

FEW = 5
"""With fewer seeds a percentile interval is far too narrow (docs/transfer.md)."""
_ALSO = {"rollout/success": "success while learning", "rollout/return": "return while learning"}


def runs_page(paths: Sequence[Path]) -> dict[str, Any]:
    """The context of `runs.html`; UserError for what is no run."""
    groups = read_groups(paths)
    runs = [run for group in groups for run in group.runs]
    styles = {group.label: style(k) for k, group in enumerate(groups)}
    return {
        "title": groups[0].label if len(groups) == 1 else f"{len(groups)} configurations, {len(runs)} runs",
        "groups": [_described(group, *styles[group.label]) for group in groups],
        "several": len(groups) > 1,
        "warnings": _warnings(groups),
        "rows": _rows(groups),
        "comparison": _comparison(groups),
        "charts": _charts(groups, styles),
        "runs": [_listed(run) for run in runs],
        "alarms": [(run.name, tag, text) for run in runs for tag, text in alarms(run.metrics).items()],
        "curricula": [
            {"run": run.name, "pictures": curriculum(game)} for run in runs if (game := read_game(run.path))
        ],
        "pictures": [
            {"run": run.name, "pictures": pictures} for run in runs if (pictures := last_pictures(run.path))
        ],
        "configurations": [
            {"label": group.label, **_configuration(group)} for group in groups
        ],
    }  # fmt: skip


def _described(group: RunGroup, colour: str, dashes: str) -> dict[str, Any]:
    return {"label": group.label, "counted": group.counted, "colour": colour, "dashes": dashes}


def _warnings(groups: Sequence[RunGroup]) -> list[str]:
    """What a reader must know before he compares anything."""
    lines = []
    single: dict[str, list[str]] = {}
    for group in groups:
        if group.lone:
            single.setdefault(group.lone.removeprefix("one "), []).append(group.label)
    few: dict[str, list[str]] = {}
    for group in groups:
        if 1 < group.units < FEW:
            few.setdefault("pretrained policies" if group.pretrained else "seeds", []).append(group.label)
    for what, labels in single.items():
        if len(groups) > 1:
            lines.append(
                f"One {what}: no interval for {'; '.join(labels)}. "
                f"A difference may be no more than the luck of one {what}."
            )
        else:
            lines.append(f"One {what}: nothing here has an interval, and another {what} may do better or worse.")
    for what, labels in few.items():
        lines.append(
            f"Fewer than {FEW} {what}: the intervals of {'; '.join(labels)} are far too narrow (docs/transfer.md)."
        )
    for group in groups:
        for run in group.runs:
            if not run.finished:
                lines.append(f"{run.name} is not finished: {run.steps:,} of {run.config['steps']:,} steps.")
    return lines


def _found(group: RunGroup) -> dict[str, list[Any]]:
    """The results of each run, of the tags that all of them have: tag to a `Result` for each run."""
    each = [{row.tag: row for row in results(run.metrics, run.config["env"])} for run in group.runs]
    return {tag: [rows[tag] for rows in each] for tag in each[0] if all(tag in rows for rows in each)}


def _rows(groups: Sequence[RunGroup]) -> list[dict[str, Any]]:
    """A row for each measure: what each group began with and came to."""
    found = [_found(group) for group in groups]
    rows = []
    for tag in [tag for tag in MEASURES if any(tag in each for each in found)]:
        cells: list[dict[str, str] | None] = []
        for group, each in zip(groups, found, strict=True):
            if tag in each:
                first, last = ([getattr(row, end) for row in each[tag]] for end in ("first", "last"))
                cells.append({"first": f"{group.estimate(first).value:.3g}", **_told(group.estimate(last), group.lone)})
            else:
                cells.append(None)
        words = next(each[tag][0].words for each in found if tag in each)
        rows.append({"tag": tag, "words": words, "cells": cells})
    return rows


def _told(found: Estimate, alone: str) -> dict[str, str]:
    """A number and how sure it is, apart; alone: what there was one of, where there is no interval."""
    if found.low is None:
        return {"last": f"{found.value:.3g}", "sure": alone}
    return {"last": f"{found.value:.3g}", "sure": f"[{found.low:.3g}, {found.high:.3g}]"}


def _comparison(groups: Sequence[RunGroup]) -> dict[str, Any] | None:
    """Every other group held against the first, where both were measured in the same world."""
    if len(groups) < 2:
        return None
    first, *others = groups
    base = _found(first)
    rows = []
    for other in others:
        if other.runs[0].config["env"] != first.runs[0].config["env"]:
            continue
        for tag, results_there in _found(other).items():
            if tag in base:
                left = other.arranged([row.last for row in results_there])[:, None]
                right = first.arranged([row.last for row in base[tag]])[:, None]
                found = _told(difference(left, right), other.lone or first.lone)
                rows.append({"label": other.label, "words": base[tag][0].words, **found})
    return {"first": first.label, "rows": rows} if rows else None


def _charts(groups: Sequence[RunGroup], styles: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """Learning curves, `MOST_LINES` groups to a chart."""
    parts = []
    tags = [*MEASURES, *_ALSO]
    words = {row.tag: row.words for group in groups for row in results(group.runs[0].metrics, _env(group))}
    for tag in tags:
        lines = {}
        for group in groups:
            curves = [curve(run.metrics, tag) for run in group.runs]
            if all(len(steps) for steps, _ in curves):
                together = Curves.of(curves)
                lines[group.label] = Curves(together.steps, group.arranged(together.values))
        names = iter(lines)
        while some := list(islice(names, MOST_LINES)):
            if any(len(lines[name].steps) > 1 for name in some):
                title = words.get(tag) or _ALSO[tag]
                svg = curve_chart({name: lines[name] for name in some}, title, styles)
                parts.append({"tag": tag, "svg": svg})
    return parts


def _env(group: RunGroup) -> str:
    return str(group.runs[0].config["env"])


def _listed(run: LoggedRun) -> dict[str, Any]:
    record = run.record
    return {
        "name": run.name,
        "seed": run.config["seed"],
        "steps": f"{run.steps:,}",
        "time": f"{run.seconds:.0f} s",
        "threads": record["threads"],
        "command": record.get("command", "unknown"),
        "commit": record.get("commit") or "unknown",
        "started": record.get("started", "unknown")[:16].replace("T", " "),
        "versions": ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items()),
        "parents": [
            f"{parent['run']} ({parent['method']} on {parent['env']}{_player(parent)}, {parent['step']:,} steps, "
            f"sha256 {parent['sha256'][:12]}…)"
            for parent in run.config.get("parents") or []
        ],
    }


def _player(parent: Mapping[str, Any]) -> str:
    return f", {parent['player']}" if parent.get("player") else ""


def _configuration(group: RunGroup) -> dict[str, list[tuple[str, str]]]:
    seeds = ", ".join(str(run.config["seed"]) for run in group.runs)
    found = told_apart([group.runs[0].config], without=("seed", "parents"))
    return {"changed": [("seed", seeds), *found["changed"]], "usual": found["usual"]}
