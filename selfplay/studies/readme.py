"""The text of a study's `README.md`: what was claimed and found first, the figure, then every arm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from selfplay.bench.report import Row, cell, markdown
from selfplay.studies.nesting import counted, lone, whole_rows
from selfplay.studies.results import Results
from selfplay.studies.statistics import Interval
from selfplay.studies.study import Arm, Study
from selfplay.studies.verdicts import AS_PREDICTED, CONTRARY, PROVISIONAL, QUICK, UNDECIDED, Intervals, Verdict

ORDER = (CONTRARY, UNDECIDED, AS_PREDICTED, PROVISIONAL, QUICK)
"""Verdicts as they are listed: what is surprising first."""
_FOLDED = 20  # with more arms the table of them is folded away


def readme(
    study: Study, results: Results, found: Intervals, verdicts: Sequence[Verdict], changed: Sequence[str],
    facts: Mapping[str, Any], sessions: Sequence[Mapping[str, Any]], first: Sequence[str] = (),
) -> str:  # fmt: skip
    """The whole text; verdicts: in `ORDER`; first: paragraphs that come before the claims."""
    planned = len(results.runs) + len(results.missing)
    notes = ["Quick: a small version, to see that everything works. It decides nothing."] if study.quick else []
    notes += [f"Partial: {len(results.missing)} of {planned} runs are missing."] if results.missing else []
    notes += [f"Failed: {name}: {why}" for name, why in results.failures.items()]
    notes += [f"Not measured: {line}" for line in results.problems]
    notes += [f"Not as registered: {line}." for line in changed]
    parts = [
        f"# {study.name}",
        study.question,
        *_list(notes),
        *first,
        *_claims(verdicts, study.nested),
        "![per-seed values](figure.png)",
    ]
    parts.append(
        "A dot is a seed (hollow: never got there, at the step it ended), a bar the average, a line its interval."
    )
    if study.curves:
        parts.append("![learning curves](curves.png)")
        parts.append("Interquartile mean over seeds; where lines are few, the seeds as thin lines.")
    if study.against:
        parts.append("![tags over other tags](against.png)")
        parts.append(
            "A thin line is a seed, in the order logged; the thick one joins the interquartile means of both axes."
        )
    parts += [*_arms(study, results, found), _time(results, sessions)]
    commits = ", ".join(sorted({str(run.commit) for run in results.runs.values()}))
    parts += _list([f"{name}: {cell(value)}" for name, value in {**facts, "commits of the runs": commits}.items()])
    return "\n\n".join(parts) + "\n"


def _list(lines: Sequence[str]) -> list[str]:
    return ["\n".join(f"- {line}" for line in lines)] if lines else []


def _claims(verdicts: Sequence[Verdict], nested: int) -> list[str]:
    """How many came to what, and a table for each verdict, in the order declared."""
    if not verdicts:
        return []
    groups = {word: [v for v in verdicts if v.verdict == word] for word in ORDER}
    groups = {word: group for word, group in groups.items() if group}
    outcomes = ", ".join(f"{len(group)} {word}" for word, group in groups.items())
    seeds = {count for verdict in verdicts for count in verdict.seeds}
    same = len(seeds) == 1
    parts = ["## Claims", f"{outcomes}." + (f" Of each arm: {counted(next(iter(seeds)), nested)}." if same else "")]
    for word, group in groups.items():
        rows = [_claim_row(verdict, same, nested) for verdict in group]
        parts += [f"### {word[0].upper()}{word[1:]}", markdown(rows)]
    return parts


def _claim_row(verdict: Verdict, same_seeds: bool, nested: int) -> Row:
    claim = verdict.claim
    row: Row = {
        "claim": claim.text,
        "of": claim.compared,
        "expected": claim.expected,
        "found": told(verdict.interval, lone(min(verdict.seeds), nested)) if verdict.interval else None,
    }
    if verdict.probability is not None:
        row["P(left > right)"] = f"{verdict.probability:.2f}"
    if not same_seeds:
        row["seeds"] = " and ".join(map(str, dict.fromkeys(verdict.seeds)))
    if verdict.note:
        row["why"] = verdict.note
    return row


def _arms(study: Study, results: Results, found: Intervals) -> list[str]:
    nested = study.nested
    counts = {_number(seeds, nested) for arms in results.values.values() for seeds in arms.values() if seeds}
    same = len(counts) == 1
    table = markdown([_arm_row(study, arm, results, found, same) for arm in study.arms])
    if len(study.arms) > _FOLDED:  # blank lines: else the table inside is not read as one
        table = f"<details><summary>All {len(study.arms)} arms</summary>\n\n{table}\n\n</details>"
    number = f"{counted(next(iter(counts)), nested)} each" if same else "number of seeds"
    words = (
        "Interquartile mean over seeds (of zeros and ones the mean: the share of seeds) [95 % percentile bootstrap "
        f"interval], {number}. ≥: more than a quarter of the seeds never got there; the step they ended at is a lower "
        "bound. Ratios and differences are those of these means, with all arms resampled by the same seeds where they "
        "have the same."
    )
    if nested > 1:
        words += f" {nested} seeds after another begin with one pretrained policy; they, and as many of any other arm, "
        words += "are drawn together."
    measures = [f"{m.name}: `{m.tag}`, {m.said}" + (f", {m.unit}" if m.unit else "") for m in study.measures]
    return ["## Arms", table, words, *_list(measures)]


def _arm_row(study: Study, arm: Arm, results: Results, found: Intervals, same_seeds: bool) -> Row:
    row: Row = {"arm": arm.name}
    row |= {key: value for key, value in arm.factors.items() if not _named(study, key)}
    for measure in study.measures:
        if not measure.fits(arm):
            continue
        arrow = {"up": " ↑", "down": " ↓", "neither": ""}[measure.better]
        interval = found.get((measure.name, arm.name))
        seeds = _number(results.values[measure.name][arm.name], study.nested)
        number = "" if same_seeds else f", n={seeds}"
        alone = lone(seeds, study.nested, arm.run.begins is not None)
        row[measure.name + arrow] = f"{told(interval, alone)}{number}" if interval else "n=0"
    return row


def _number(seeds: Iterable[int], nested: int) -> int:
    """How many seeds count: those in whole rows."""
    return nested * len(whole_rows(seeds, nested))


def _named(study: Study, factor: str) -> bool:
    """Whether the names of the arms tell this factor already."""
    return all(arm.factors.get(factor, "") in arm.name.split(".") for arm in study.arms)


def _time(results: Results, sessions: Sequence[Mapping[str, Any]]) -> str:
    seconds = list(results.seconds.values())
    runs = f"{len(seconds)} runs, {sum(seconds) / 60:.1f} minutes of training"
    each = f"{cell(sum(seconds) / len(seconds))} s a run ({cell(min(seconds))} to {cell(max(seconds))})"
    if not sessions:
        return f"{runs}, {each}."
    wall = sum(session["seconds"] for session in sessions)
    times = f"{len(sessions)} session" + ("s" if len(sessions) > 1 else "")
    return f"{runs}, {each}; {wall / 60:.1f} minutes of wall-clock in {times}."


def told(interval: Interval, alone: str = "") -> str:
    """What was found. alone: what there was one of (`nesting.lone`), whose interval would be a point that looks like
    certainty.
    """
    found = _found(interval)
    return f"{found} ({alone}: no interval)" if alone else f"{found} [{cell(interval.low)}, {cell(interval.high)}]"


def _found(interval: Interval) -> str:
    """`1.5`; bounds where the found value itself is not known."""
    if interval.found_low == interval.found_high:
        return cell(interval.found_low)
    if interval.found_low in (0, -float("inf")) and interval.found_high == float("inf"):
        return "unknown"
    if interval.found_high == float("inf"):
        return f"≥ {cell(interval.found_low)}"
    if interval.found_low == -float("inf"):
        return f"≤ {cell(interval.found_high)}"
    return f"{cell(interval.found_low)} to {cell(interval.found_high)}"
