"""What a study's page says of transfer: what did not beat learning from scratch, then what did, then every table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from selfplay.bench.report import cell, columns_of
from selfplay.report.svg import inline
from selfplay.report.words import inline_html
from selfplay.studies.nesting import lone
from selfplay.studies.transfer_tables import PROFILED, beats, explained
from selfplay.transfer.bootstrap import Estimate
from selfplay.transfer.profile import profiles

_LISTS = (("Did not beat learning from scratch", False), ("Beat learning from scratch", True))
_KINDS = {"worse": "contrary", "better": "agreed", "not told apart": "open"}


def transfer_section(found: Mapping[str, Any] | None, nested: int) -> dict[str, Any] | None:
    """What the template shows of `results.json`'s "transfer"; None where the study has none.

    nested: how many runs begin with one pretrained policy.
    """
    if found is None:
        return None
    alone = lone(nested, nested)
    families = {name: family for name, family in found.items() if name != "against_scratch"}
    return {
        "lists": _lists(found["against_scratch"], alone),
        "families": [_family(name, family, alone) for name, family in families.items()],
        "explained": explained(nested),
    }


def _lists(held: Mapping[str, Any], alone: str) -> list[dict[str, Any]]:
    """Both lists in one form: a part for each family and what is compared, the worst method first.

    Bars of all parts have one scale, that of the largest difference, so that what harms is as long as what helps.
    """
    rows = [
        (f"{family}, {when}", method, Estimate(**saved))
        for family, methods in held.items()
        for method, each in methods.items()
        for when, saved in each.items()
    ]
    ends = [abs(end) for *_, one in rows for end in one if end is not None]
    largest = max(ends, default=0.0) or 1.0
    lists = []
    for title, won in _LISTS:
        parts: dict[str, list[tuple[Estimate, dict[str, Any]]]] = {}
        for part, method, one in rows:
            if beats(one) == won:
                shown = {"method": method, "found": one.told(alone), **_sign(one), "bar": _bar(one, largest)}
                parts.setdefault(part, []).append((one, shown))
        sorted_parts = {
            part: [shown for _, shown in sorted(each, key=lambda pair: pair[0].value)] for part, each in parts.items()
        }
        lists.append({"title": title, "parts": sorted_parts, "number": sum(map(len, sorted_parts.values()))})
    return lists


def _sign(one: Estimate) -> dict[str, str]:
    """Whether it is worse than scratch, better, or not told apart from it."""
    word = "better" if beats(one) else "worse" if one.high is not None and one.high < 0 else "not told apart"
    return {"word": word, "kind": _KINDS[word]}


def _bar(one: Estimate, largest: float) -> dict[str, float]:
    """Places on a line 0 … 100 long, 0 of the difference being at 50: of the interval's ends, and of what was found."""
    low, high = (one.value if end is None else end for end in (one.low, one.high))
    place = [round(50 + 48 * x / largest, 1) for x in (low, high, one.value)]
    return {"low": place[0], "high": place[1], "found": place[2]}


def _family(name: str, family: Mapping[str, Any], alone: str) -> dict[str, Any]:
    scores = {method: np.array(values, float) for method, values in family["profiles"].items()}
    single = {method for method, values in scores.items() if len(values) == 1}
    tables = [
        {
            "title": inline_html(title),
            "columns": [inline_html(name) for name in columns_of(rows)],
            "rows": [_shown(row, columns_of(rows), alone, single) for row in rows],
        }
        for title, rows in family["tables"].items()
    ]
    return {
        "name": name,
        "tasks": ", ".join(family["tasks"]),
        "tables": tables,
        "profile": _profile(scores, name, alone) if scores else None,
        "notes": family["notes"],
    }


def _shown(row: Mapping[str, Any], columns: list[str], alone: str, single: set[str]) -> list[str]:
    return [_told(row[name], alone, row.get("method") in single) if name in row else "" for name in columns]


def _told(value: Any, alone: str, single: bool) -> str:
    """A cell. Of an estimate null is ∞, or that there is no interval; of anything else that it is undefined.

    single: the method has one draw of luck, so that null ends are the latter also where the value itself is ∞.
    """
    if value is None:
        return "undefined"
    if not isinstance(value, Mapping):
        return cell(value)
    found, *ends = (value[key] for key in Estimate._fields)
    if ends == [None, None] and (found is not None or single):
        return Estimate(math.inf if found is None else found, None, None).told(alone)
    return Estimate(*(math.inf if number is None else number for number in (found, *ends))).told()


def _profile(scores: Mapping[str, np.ndarray], name: str, alone: str) -> Markup:
    """Performance profiles of the methods, with bands over pretrained policies."""
    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(6.5, 4.4), layout="constrained")
        FigureCanvasAgg(figure)
        profiles(figure.subplots(), scores, PROFILED, alone)
        return inline(figure, f"Performance profiles, {name}: share of runs and tasks above a score, by method: "
                      f"{', '.join(scores)}.")  # fmt: skip
