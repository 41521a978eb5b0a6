"""A finished study in one small file: what every run says, its curves thinned out, so that it can be committed."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from selfplay.errors import UserError
from selfplay.jsonfile import plain, write_bytes
from selfplay.studies.records import registration
from selfplay.studies.reductions import Value
from selfplay.studies.runs import Curve, RunResult
from selfplay.studies.study import Study

ARCHIVE = "runs.json.gz"
_POINTS = 60  # of a curve: as many as the figure draws
_DIGITS = 4


def write_archive(study: Study, folder: Path, runs: Mapping[str, RunResult]) -> None:
    """Write `runs.json.gz`: all values as they are, curves of at most 60 points of 4 digits.

    The values were reduced from the whole curves, so that a report from here has the same figures.
    """
    content = {
        "measures": registration(study)["measures"],
        "runs": {
            name: {
                "values": {measure: [value.low, value.high] for measure, value in run.values.items()},
                "lacking": run.lacking,
                "curves": {tag: _thinned(points) for tag, points in run.curves.items()},
                "seconds": run.seconds,
                "config": run.config,
                "commit": run.commit,
            }
            for name, run in runs.items()
        },
    }
    text = json.dumps(plain(content), allow_nan=False, separators=(",", ":"))
    write_bytes(folder / ARCHIVE, gzip.compress(text.encode(), mtime=0))


def read_archive(study: Study, folder: Path) -> dict[str, RunResult]:
    """The runs in the `runs.json.gz` of `folder`; none where there is no such file.

    Raises:
        UserError: it cannot be read, or it was written with other measures: these need the whole runs.
    """
    path = folder / ARCHIVE
    try:
        content = json.loads(gzip.decompress(path.read_bytes()))
        runs = {name: _run(saved) for name, saved in content["runs"].items()}
        measures = content["measures"]
    except FileNotFoundError:
        return {}
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not an exported study: {type(error).__name__}: {error}") from None
    if measures != registration(study)["measures"]:
        raise UserError(f"{path} was written with other measures than '{study.name}' declares (expected the same)")
    return runs


def _run(saved: Mapping[str, Any]) -> RunResult:
    return RunResult(
        values={name: Value(low, math.inf if high is None else high) for name, (low, high) in saved["values"].items()},
        lacking=saved["lacking"],
        curves={tag: (np.array(steps, float), np.array(values, float)) for tag, (steps, values) in
                saved["curves"].items()},
        seconds=saved["seconds"],
        config=saved["config"],
        commit=saved["commit"],
    )  # fmt: skip


def _thinned(points: Curve) -> list[list[float]]:
    """At most 60 points, the first and the last among them; noise between two of them is left out."""
    steps, values = points
    if len(steps) > _POINTS:
        chosen = np.linspace(0, len(steps) - 1, _POINTS).round().astype(int)
        steps, values = steps[chosen], values[chosen]
    return [steps.astype(int).tolist(), [float(f"{value:.{_DIGITS}g}") for value in values]]
