"""What the page of a study shows, from what the study's own report wrote: no run is read that it did not read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from selfplay.bench.report import cell
from selfplay.errors import UserError
from selfplay.report.arms import begins_with, commands, steps_of
from selfplay.report.charts import Curves, dots_chart, highlight_chart
from selfplay.report.claims import grouped, interval_of
from selfplay.report.settings import told_apart
from selfplay.report.study_runs import curricula, read_curves
from selfplay.report.transfer_section import transfer_section
from selfplay.report.words import section
from selfplay.runlog import METRICS
from selfplay.studies.archive import ARCHIVE
from selfplay.studies.nesting import counted, lone, whole_rows
from selfplay.studies.readme import told
from selfplay.studies.records import REGISTERED
from selfplay.studies.verdicts import MIN_SEEDS

RESULTS = "results.json"
STUDY_FILES = (RESULTS, REGISTERED)


def is_study(path: Path) -> bool:
    """Whether `path` is the folder of a study."""
    return any((path / file).is_file() for file in STUDY_FILES)


def study_page(folder: Path) -> dict[str, Any]:
    """The context of `study.html`.

    Raises:
        UserError: the study has no report yet, it cannot be read, or another version wrote it.
    """
    if not (folder / RESULTS).is_file():
        raise UserError(
            f"'{folder}' has no {RESULTS} yet: `selfplay study NAME --dir {folder} --report-only` writes it"
        )
    results: Any = None
    try:
        results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        registration, measures = results["registration"], results["registration"]["measures"]
        arms, nested = registration["arms"], registration.get("nested", 1)
        groups = _groups(list(arms))
        return {
            "title": results["study"],
            "question": registration["question"],
            "nested": nested,
            "words": _words(folder),
            "facts": _facts(folder, results),
            "warnings": _warnings(results),
            "transfer": transfer_section(results.get("transfer"), nested),
            "verdicts": grouped(results["verdicts"], nested),
            "measures": [_measure(name, how, results, groups) for name, how in measures.items()],
            "curves": _curves(folder, measures, _groups(results.get("curves_of", list(arms))), nested),
            "curricula": curricula(folder, arms),
            "arms": [
                {"name": name, "commands": commands(arm), "begins": begins_with(arm, arms),
                 "seeds": _seeds(results, name)}
                for name, arm in arms.items()
            ],
            "configuration": told_apart(list(results["configuration"].values())),
            "machine": {key: cell(value) for key, value in results["machine"].items() if value not in (None, "")},
            "commits": results["commits_of_runs"],
        }  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(_unreadable(folder, results, error)) from None


def _unreadable(folder: Path, results: Any, error: Exception) -> str:
    """Why there is no page, and what writes the report anew, if anything does."""
    whole = isinstance(results, dict) and all(isinstance(results.get(key), dict) for key in ("registration", "values"))
    if not isinstance(error, KeyError) or not whole:
        return f"{folder / RESULTS} is not the report of a study: {type(error).__name__}: {error}"
    name = str(results["study"])
    name = f"{name.removesuffix('-quick')} --quick" if name.endswith("-quick") else name
    if (folder / ARCHIVE).is_file() or any(folder.glob(f"*/s*/{METRICS}")):
        hint = f"`selfplay study {name} --dir {folder} --report-only` writes it anew"
    else:
        hint = f"its runs are not there to write it anew from; read '{folder / 'README.md'}'"
    return f"{folder / RESULTS} was written by an older version: {hint}"


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
    registration = results["registration"]
    facts = {
        "runs": f"{len(seconds)} of {len(seconds) + len(results['missing'])}",
        "arms": str(len(registration["arms"])),
        "of each arm": counted(registration["seeds"], registration.get("nested", 1)),
        "env steps of a run": steps_of(registration["arms"]),
        "training": f"{sum(seconds) / 3600:.1f} hours" if sum(seconds) > 7200 else f"{sum(seconds) / 60:.1f} minutes",
        "registered": _date(registered.get("registered")),
    }
    if results["wall_clock_seconds"]:
        number = len(results["sessions"])
        times = f"{number} session" + ("s" if number > 1 else "")
        facts["wall-clock"] = f"{results['wall_clock_seconds'] / 60:.1f} minutes in {times}"
    return facts


def _date(iso: str | None) -> str:
    return iso[:16].replace("T", " ") + " UTC" if iso else "nothing, beforehand"


def _warnings(results: Mapping[str, Any]) -> list[str]:
    quick = results["study"].endswith("-quick")
    lines = ["A small version, to see that everything works. It decides nothing."] if quick else []
    seeds, nested = results["registration"]["seeds"], results["registration"].get("nested", 1)
    if alone := lone(seeds, nested):
        what = alone.removeprefix("one ")
        lines.append(
            f"One {what} of each arm: no interval, and any difference between arms may be the luck of that {what}."
        )
    elif seeds // nested < MIN_SEEDS:
        what = "seeds" if nested == 1 else "pretrained policies"
        lines.append(
            f"{counted(seeds, nested)}: intervals of fewer than {MIN_SEEDS} {what} are too narrow (docs/transfer.md)."
        )
    if results["missing"]:
        lines.append(f"Partial: {len(results['missing'])} runs are missing.")
    lines += [f"Failed: {name}: {why}" for name, why in results["failures"].items()]
    lines += [f"Not measured: {line}" for line in results["problems"]]
    return lines + [f"Not as registered: {line}." for line in results["changed_after_registration"]]


def _measure(name: str, how: str, results: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    tag, _, reduction = how.partition(": ")
    registration = results["registration"]
    nested = registration.get("nested", 1)
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
            number = nested * len(whole_rows((int(seed.removeprefix("s")) for seed in seeds), nested))
            pretrained = bool(registration["arms"][arm].get("begins"))
            each = ", ".join(("≥ " if cut else "") + cell(v) for v, cut in zip(values, censored, strict=True))
            table.append({
                "arm": arm, "found": told(interval, lone(number, nested, pretrained)), "each": each,
                "seeds": number if nested == 1 else counted(number, nested, pretrained),
            })  # fmt: skip
        if rows:
            charts.append({"title": group, "svg": dots_chart(rows, f"{name}, {group}" if group else name)})
    return {"name": name, "tag": tag, "how": reduction.partition(" (of ")[0], "charts": charts, "table": table}


def _curves(
    folder: Path, measures: Mapping[str, str], groups: Mapping[str, Sequence[str]], nested: int
) -> list[dict[str, Any]]:
    """A chart for each arm and tag, its group in grey behind it."""
    arms = [arm for group in groups.values() for arm in group]
    tags = list(dict.fromkeys(measure.partition(": ")[0] for measure in measures.values()))
    parts = []
    for tag, by_arm in read_curves(folder, arms, tags).items():
        lines = {}
        for arm in arms:
            by_seed = by_arm.get(arm, {})
            if whole := [by_seed[seed] for row in whole_rows(by_seed, nested) for seed in row]:
                lines[arm] = Curves.of(whole, nested)
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


def _seeds(results: Mapping[str, Any], arm: str) -> int:
    return sum(name.rpartition("/")[0] == arm for name in results["seconds_of_training"])
