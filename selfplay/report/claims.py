"""The verdicts of a study as a page shows them: every kind alike, what came out contrary first."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from selfplay.studies.claim import Expected
from selfplay.studies.nesting import counted, lone
from selfplay.studies.readme import ORDER, told
from selfplay.studies.statistics import Interval

_REGISTERED = re.compile(
    r"(?P<compared>.*?) (?P<expected>(?:>=|<=|>|<)\s*\S+?|\S+ to \S+?)(?:, if '(?P<condition>.*)' holds)?"
)
_LOG = 4.0  # positive ends that lie farther apart than this are drawn on a logarithmic line


def interval_of(saved: Mapping[str, float | None]) -> Interval:
    """An interval as `results.json` has it, where null is infinite."""
    low, high = (math.inf if saved[key] is None else saved[key] for key in ("found_high", "high"))
    ends = [-math.inf if saved[key] is None else saved[key] for key in ("found_low", "low")]
    return Interval(ends[0], low, ends[1], high)  # type: ignore[arg-type]


def grouped(verdicts: Sequence[Mapping[str, Any]], nested: int) -> dict[str, list[dict[str, Any]]]:
    """Verdict to its claims, contrary first, without those that no claim came to.

    nested: how many runs begin with one pretrained policy.
    """
    found = {word: [_claim(v, nested) for v in verdicts if v["verdict"] == word] for word in ORDER}
    return {word: claims for word, claims in found.items() if claims}


def _claim(verdict: Mapping[str, Any], nested: int) -> dict[str, Any]:
    registered = _REGISTERED.fullmatch(verdict["registered"])
    interval = interval_of(verdict["found"]) if verdict["found"] else None
    alone = lone(min(verdict["seeds"]), nested)
    claim = {
        "text": verdict["claim"],
        "kind": verdict["kind"],
        "compared": registered["compared"] if registered else verdict["registered"],
        "expected": registered["expected"] if registered else "",
        "condition": registered["condition"] if registered else None,
        "found": "nothing yet" if interval is None else told(interval, alone),
        "probability": verdict["probability_left_above_right"],
        "seeds": " and ".join(counted(seeds, nested) for seeds in dict.fromkeys(verdict["seeds"])),
        "note": verdict["note"],
        "bar": None,
    }
    if interval and registered and not alone:
        claim["bar"] = bar(interval, Expected.parse(registered["expected"]))
    return claim


def bar(interval: Interval, expected: Expected) -> dict[str, float] | None:
    """Where a line 0 … 100 long shows the expected range and the interval; None where nothing of it is finite.

    expected, width: of the range. low, high, found: of the interval. What is infinite reaches to the end of the line.
    """
    ends = [x for x in (interval.low, interval.high, expected.low, expected.high) if math.isfinite(x)]
    if len(ends) < 2:
        return None
    log = min(ends) > 0 and max(ends) / min(ends) > _LOG
    low, high = (math.log(min(ends)), math.log(max(ends))) if log else (min(ends), max(ends))
    margin = 0.12 * (high - low) or 1.0
    low, high = low - margin, high + margin

    def place(value: float) -> float:
        if math.isinf(value) or (log and value <= 0):
            return 100.0 if value > 0 else 0.0
        return round(100 * ((math.log(value) if log else value) - low) / (high - low), 1)

    middle = interval.found_low if math.isfinite(interval.found_low) else interval.low
    begin = place(expected.low)
    return {
        "expected": begin,
        "width": place(expected.high) - begin,
        "low": place(interval.low),
        "high": place(interval.high),
        "found": min(max(place(middle), 0.0), 100.0),
    }
