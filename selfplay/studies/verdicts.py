"""What a claim comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selfplay.studies.claim import Claim, Expected
from selfplay.studies.results import Results, spans
from selfplay.studies.statistics import (
    Average,
    Bounds,
    Interval,
    difference_interval,
    difference_of_differences_interval,
    iqm,
    iqm_interval,
    mean,
    probability_of_improvement,
    ratio_interval,
    ratio_of_ratios_interval,
)
from selfplay.studies.study import Study

MIN_SEEDS = 5
"""Below this a claim stays undecided: a percentile interval of so few seeds is far too narrow."""
AS_PREDICTED, CONTRARY, UNDECIDED = "as predicted", "contrary", "undecided"
PROVISIONAL, QUICK = "provisional", "quick: decides nothing"
AVERAGES: dict[str, Average] = {"iqm": iqm, "mean": mean}
"""`Measure.average` to the function."""

Intervals = dict[tuple[str, str], Interval]
"""(measure, arm) to the average over seeds and its interval, where there is a value."""


def intervals(study: Study, results: Results) -> Intervals:
    """Of every measure and arm."""
    found = {}
    for measure in study.measures:
        for arm in study.arms:
            seeds = sorted(results.values[measure.name][arm.name])
            values = results.nested_bounds(measure.name, [arm.name], seeds, study.nested)
            if len(values):
                found[measure.name, arm.name] = iqm_interval(values, average=AVERAGES[measure.average], together=True)
    return found


@dataclass(frozen=True)
class Verdict:
    """What a claim came to. interval: None where there is none, then `note` says why; seeds: of each of its arms, of
    nested ones those in whole rows.

    Only `as predicted`, `contrary` and `undecided` are verdicts; the other two words say that there is none.
    """

    claim: Claim
    verdict: str
    interval: Interval | None
    probability: float | None
    seeds: tuple[int, ...]
    note: str = ""


def judge_all(study: Study, results: Results, seeds: int) -> list[Verdict]:
    """A verdict for each claim of the study; seeds: how many were registered."""
    by_text = {claim.text: claim for claim in study.claims}
    known: dict[str, Verdict] = {}

    def verdict(claim: Claim) -> Verdict:
        before = None
        if claim.precondition:
            before = known.get(claim.precondition) or verdict(by_text[claim.precondition])
        found = judge(
            claim, results, seeds=seeds, average=AVERAGES[study.measure(claim.measure).average],
            quick=study.quick, precondition=before, groups=study.groups, nested=study.nested,
        )  # fmt: skip
        known[claim.text] = found
        return found

    return [verdict(claim) for claim in study.claims]


def judge(
    claim: Claim, results: Results, *, seeds: int, average: Average = iqm, quick: bool = False,
    precondition: Verdict | None = None, groups: Mapping[str, Sequence[str]] | None = None, nested: int = 1,
) -> Verdict:  # fmt: skip
    """Hold a claim against the values: as predicted if the whole 95 % interval lies in the expected range, contrary if
    it lies wholly outside on one side, else undecided.

    seeds: the registered number. Only seeds 0 … seeds − 1 count, and as long as one of them is not there, of any arm
    compared, there is no verdict: who stops when the figures please, or leaves out runs that failed, finds what he
    likes. Seeds are resampled in pairs where all arms have the same ones, else each arm on its own.

    groups: arms that are taken as one, by name; a seed is drawn with all of its arms, and with the others of the
    `nested` that begin with one run.
    """
    members = [(groups or {}).get(side, (side,)) for side in claim.arms]
    values = results.values[claim.measure]
    there = [[seed for seed in range(seeds) if all(seed in values[arm] for arm in arms)] for arms in members]
    lacking = _lacking([arm for arms in members for arm in arms], claim.measure, results, seeds)
    waits = f"{min(map(len, there))} of {seeds} seeds; {lacking}" if lacking else ""
    sides = [
        results.nested_bounds(claim.measure, arms, chosen, nested) for arms, chosen in zip(members, there, strict=True)
    ]
    counts = tuple(nested * len(side) for side in sides)
    if min(counts) == 0:
        return Verdict(claim, QUICK if quick else PROVISIONAL, None, None, counts, waits)
    interval = _compare(claim, sides, all(chosen == there[0] for chosen in there), average)
    probability = None
    if len(sides) == 2 and len(members[0]) == len(members[1]):
        probability = probability_of_improvement(*(_by_arm(side, len(members[0])) for side in sides))
    verdict, note = UNDECIDED, ""
    if quick:
        verdict = QUICK
    elif lacking:
        verdict, note = PROVISIONAL, waits
    elif interval is None:
        note = f"a negative value has no ratio; register a {claim.kind.replace('ratio', 'difference')}"
    elif seeds // nested < MIN_SEEDS:
        note = f"a verdict needs {MIN_SEEDS} {'seeds' if nested == 1 else 'pretrained policies'} an arm"
    elif precondition is not None and precondition.verdict != AS_PREDICTED:
        verdict = PROVISIONAL if precondition.verdict == PROVISIONAL else UNDECIDED
        note = f"precondition '{precondition.claim.text}' is {precondition.verdict}"
    else:
        expected = Expected.parse(claim.expected)
        if expected.holds(interval.low, interval.high):
            verdict = AS_PREDICTED
        elif expected.excludes(interval.low, interval.high):
            verdict = CONTRARY
    return Verdict(claim, verdict, interval, probability, counts, note)


def _by_arm(side: Bounds, arms: int) -> Bounds:
    """[rows, nested · arms] as [seeds, arms]."""
    return Bounds(*(values.reshape(-1, arms) for values in side))


def _compare(claim: Claim, sides: Sequence[Bounds], paired: bool, average: Average) -> Interval | None:
    if claim.kind == "ratio":
        return ratio_interval(*sides, paired=paired, average=average, together=True)
    if claim.kind == "difference":
        return difference_interval(*sides, paired=paired, average=average, together=True)
    if claim.kind == "ratio of ratios":
        return ratio_of_ratios_interval(*sides, paired=paired, average=average, together=True)
    return difference_of_differences_interval(*sides, paired=paired, average=average, together=True)


def _lacking(arms: Sequence[str], measure: str, results: Results, seeds: int) -> str:
    """Which registered seeds have no value, and why: `icm.few: s3 failed; icm.off: s8–s9 not finished`."""
    parts = []
    missing = set(results.missing)
    for arm in dict.fromkeys(arms):
        why: dict[str, list[int]] = {}
        for seed in range(seeds):
            if seed in results.values[measure][arm]:
                continue
            name = f"{arm}/s{seed}"
            word = "failed" if name in results.failures else "not finished" if name in missing else "not measured"
            why.setdefault(word, []).append(seed)
        parts += [f"{arm}: {spans(found)} {word}" for word, found in why.items()]
    return "; ".join(parts)
