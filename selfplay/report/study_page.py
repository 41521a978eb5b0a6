"""What the page of a study shows, from what the study's own report wrote: no run is read that it did not read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from selfplay.bench.report import cell
from selfplay.config import flatten
from selfplay.errors import UserError
from selfplay.jsonfile import read_lines
from selfplay.report.charts import Curves, dots_chart, highlight_chart
from selfplay.report.claims import grouped, interval_of, told
from selfplay.report.words import section
from selfplay.runlog import METRICS
from selfplay.studies.archive import ARCHIVE
from selfplay.studies.records import REGISTERED
from selfplay.studies.runs import curve

RESULTS = "results.json"


def is_study(path: Path) -> bool:
    """Whether `path` is the folder of a study."""
    return (path / RESULTS).is_file() or (path / REGISTERED).is_file()


def study_page(folder: Path) -> dict[str, Any]:
    """The context of `study.html`.

    Raises:
        UserError: the study has no report yet, or it cannot be read.
    """
    if not (folder / RESULTS).is_file():
        raise UserError(
            f"'{folder}' has no {RESULTS} yet: `selfplay study NAME --dir {folder} --report-only` writes it"
        )
    try:
        results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        registration, measures = results["registration"], results["registration"]["measures"]
        groups = _groups(list(registration["arms"]))
        return {
            "title": results["study"],
            "question": registration["question"],
            "words": _words(folder),
            "facts": _facts(folder, results),
            "warnings": _warnings(results),
            "verdicts": grouped(results["verdicts"]),
            "measures": [_measure(name, how, results, groups) for name, how in measures.items()],
            "curves": _curves(folder, measures, groups),
            "arms": [
                {"name": name, "command": _command(arm), "seeds": _seeds(results, name)}
                for name, arm in registration["arms"].items()
            ],
            "configuration": _configuration(results["configuration"]),
            "machine": {key: cell(value) for key, value in results["machine"].items() if value not in (None, "")},
            "commits": results["commits_of_runs"],
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder / RESULTS} is not the report of a study: {type(error).__name__}: {error}") from None


def _words(folder: Path) -> Any:
    readme = folder / "README.md"
    return section(readme.read_text(encoding="utf-8"), "What it says") if readme.is_file() else None


def _groups(arms: Sequence[str]) -> dict[str, list[str]]:
    """Arms by what stands before the first dot of their names, if all have one; else all in one group."""
    if not all("." in arm for arm in arms):
        return {"": list(arms)}
    found: dict[str, list[str]] = {}
    for arm in arms:
        found.setdefault(arm.partition(".")[0], []).append(arm)
    return found


def _short(group: str, arm: str) -> str:
    return arm.removeprefix(f"{group}.") if group else arm


def _facts(folder: Path, results: Mapping[str, Any]) -> dict[str, str]:
    seconds = list(results["seconds_of_training"].values())
    registered = json.loads((folder / REGISTERED).read_text()) if (folder / REGISTERED).is_file() else {}
    steps = {arm["steps"] for arm in results["registration"]["arms"].values()}
    facts = {
        "runs": f"{len(seconds)} of {len(seconds) + len(results['missing'])}",
        "arms": str(len(results["registration"]["arms"])),
        "seeds of each arm": str(results["registration"]["seeds"]),
        "env steps of a run": " or ".join(f"{count:,}" for count in sorted(steps)),
        "training": f"{sum(seconds) / 3600:.1f} hours" if sum(seconds) > 7200 else f"{sum(seconds) / 60:.1f} minutes",
        "registered": _date(registered.get("registered")),
    }
    if results["wall_clock_seconds"]:
        facts["wall-clock"] = f"{results['wall_clock_seconds'] / 60:.0f} minutes, {len(results['sessions'])} session(s)"
    return facts


def _date(iso: str | None) -> str:
    return iso[:16].replace("T", " ") + " UTC" if iso else "nothing, beforehand"


def _warnings(results: Mapping[str, Any]) -> list[str]:
    quick = results["study"].endswith("-quick")
    lines = ["A small version, to see that everything works. It decides nothing."] if quick else []
    if results["registration"]["seeds"] == 1:
        lines.append("One seed of each arm: no interval, and any difference between arms may be the luck of that seed.")
    if results["missing"]:
        lines.append(f"Partial: {len(results['missing'])} runs are missing.")
    lines += [f"Failed: {name}: {why}" for name, why in results["failures"].items()]
    lines += [f"Not measured: {line}" for line in results["problems"]]
    return lines + [f"Not as registered: {line}." for line in results["changed_after_registration"]]


def _measure(name: str, how: str, results: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    tag, _, reduction = how.partition(": ")
    charts, table = [], []
    for group, arms in groups.items():
        rows = {}
        for arm in arms:
            seeds = results["values"][name].get(arm, {})
            if not seeds or arm not in results["averages"][name]:
                continue
            interval = interval_of(results["averages"][name][arm])
            values, censored = [v["low"] for v in seeds.values()], [v["censored"] for v in seeds.values()]
            rows[_short(group, arm)] = (values, censored, interval)
            number = len(values)
            found = told(interval, number == 1)
            each = ", ".join(("≥ " if cut else "") + cell(v) for v, cut in zip(values, censored, strict=True))
            table.append({"arm": arm, "found": found, "seeds": number, "each": each})
        if rows:
            charts.append({"title": group, "svg": dots_chart(rows, f"{name}, {group}" if group else name)})
    return {"name": name, "tag": tag, "how": reduction.partition(" (of ")[0], "charts": charts, "table": table}


def _curves(folder: Path, measures: Mapping[str, str], groups: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """A chart for each arm and tag, its group in grey behind it."""
    arms = [arm for group in groups.values() for arm in group]
    found = _archived(folder) or _logged(
        folder, arms, list(dict.fromkeys(m.partition(": ")[0] for m in measures.values()))
    )
    parts = []
    for tag, by_arm in found.items():
        lines = {arm: Curves.of(by_arm[arm]) for arm in arms if by_arm.get(arm)}
        for group, members in groups.items():
            chosen = {_short(group, arm): lines[arm] for arm in members if arm in lines}
            if not chosen:
                continue
            limits = _limits(np.concatenate([curves.values.ravel() for curves in chosen.values()]))
            charts = [highlight_chart(name, chosen, tag, limits) for name in chosen]
            parts.append({"tag": tag, "title": group, "charts": charts})
    return parts


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Of the y axis: all but the outermost values, and 0 where it is not far."""
    low, high = np.quantile(values, [0.002, 0.998])
    low = min(low, 0.0) if low < 0.5 * high else low
    return float(low), float(high + 0.05 * (high - low) or high + 1.0)


_ByArm = dict[str, list[tuple[np.ndarray, np.ndarray]]]


def _archived(folder: Path) -> dict[str, _ByArm]:
    """The curves of `runs.json.gz`: tag to arm to a curve for each seed."""
    path = folder / ARCHIVE
    found: dict[str, _ByArm] = {}
    runs = json.loads(gzip.decompress(path.read_bytes()))["runs"] if path.is_file() else {}
    for name, run in runs.items():
        for tag, (steps, values) in run["curves"].items():
            arm = name.rpartition("/")[0]
            found.setdefault(tag, {}).setdefault(arm, []).append((np.array(steps, float), np.array(values, float)))
    return found


def _logged(folder: Path, arms: Sequence[str], tags: Sequence[str]) -> dict[str, _ByArm]:
    """The same from the run folders."""
    found: dict[str, _ByArm] = {tag: {} for tag in tags}
    for arm in arms:
        for path in sorted((folder / arm).glob(f"s*/{METRICS}")):
            lines = read_lines(path)
            for tag in tags:
                points = curve(lines, tag)
                if len(points[0]):
                    found[tag].setdefault(arm, []).append(points)
    return {tag: by_arm for tag, by_arm in found.items() if by_arm}


def _command(arm: Mapping[str, Any]) -> str:
    pairs = " ".join(f"--set {key}={value}" for key, value in arm["overrides"].items())
    return f"selfplay train {arm['method']} --env {arm['env']} --steps {arm['steps']} {pairs}".strip()


def _seeds(results: Mapping[str, Any], arm: str) -> int:
    return sum(name.rpartition("/")[0] == arm for name in results["seconds_of_training"])


def _configuration(arms: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The settings that all arms share, key and value; what differs stands in the arms' commands."""
    flat = [flatten(config) for config in arms.values()]
    keys = {key: None for config in flat for key in config if key != "seed"}
    return [
        (key, str(flat[0][key]))
        for key in keys
        if all(config.get(key, _MISSING) == flat[0].get(key) for config in flat)
    ]


_MISSING = object()
