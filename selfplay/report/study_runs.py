"""What a study's page takes from the runs themselves, or from the archive of an export: curves, and curricula."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from selfplay.jsonfile import read_lines
from selfplay.report.arms import Registered
from selfplay.report.pictures import curriculum
from selfplay.rundir import read_record
from selfplay.runlog import METRICS
from selfplay.studies.archive import ARCHIVE
from selfplay.studies.plan import BEGINNINGS
from selfplay.studies.runs import Curve, curve

MOST_CURRICULA = 12
"""On one page, of some 80 kB each."""

ByArm = dict[str, dict[int, Curve]]
"""Arm to seed to curve."""


def read_curves(folder: Path, arms: Sequence[str], tags: Sequence[str]) -> dict[str, ByArm]:
    """Tag to arm to seed to curve: from `runs.json.gz` where there is one, else `tags` from the run folders."""
    return _archived(folder) or _logged(folder, arms, tags)


def _archived(folder: Path) -> dict[str, ByArm]:
    path = folder / ARCHIVE
    found: dict[str, ByArm] = {}
    runs = json.loads(gzip.decompress(path.read_bytes()))["runs"] if path.is_file() else {}
    for name, run in runs.items():
        for tag, (steps, values) in run["curves"].items():
            arm, _, seed = name.rpartition("/")
            points = np.array(steps, float), np.array(values, float)
            found.setdefault(tag, {}).setdefault(arm, {})[_number(seed)] = points
    return found


def _logged(folder: Path, arms: Sequence[str], tags: Sequence[str]) -> dict[str, ByArm]:
    found: dict[str, ByArm] = {tag: {} for tag in tags}
    for arm in arms:
        for path in _seeds(folder / arm):
            lines = read_lines(path / METRICS)
            for tag in tags:
                points = curve(lines, tag)
                if len(points[0]):
                    found[tag].setdefault(arm, {})[_number(path.name)] = points
    return {tag: by_arm for tag, by_arm in found.items() if by_arm}


def _seeds(folder: Path) -> list[Path]:
    """The run folders s0, s1, … in `folder`, by rising seed."""
    return sorted((path for path in folder.glob("s*") if path.name[1:].isdigit()), key=lambda path: _number(path.name))


def _number(seed: str) -> int:
    return int(seed.removeprefix("s"))


def curricula(folder: Path, arms: Mapping[str, Registered]) -> list[dict[str, Any]]:
    """The curriculum of the first seed that has one, of every arm and every beginning: some are games.

    None where the run folders are not there, or the runs kept no proposals. `MOST_CURRICULA` at most.
    """
    found: list[dict[str, Any]] = []
    for name, path, pictures in _games(folder, arms):
        if len(found) == MOST_CURRICULA:
            break
        record = read_record(path)
        assert record is not None
        config = record["config"]
        run = f"{name}: {config['method']} on {config['env']}, {config['steps']:,} steps, seed {config['seed']}"
        found.append({"run": run, "pictures": pictures})
    return found


def _games(folder: Path, arms: Mapping[str, Registered]) -> Iterator[tuple[str, Path, list[dict[str, Any]]]]:
    """Name, run folder and pictures, drawn as they are asked for."""
    places = [*(folder / arm for arm in arms), *sorted((folder / BEGINNINGS).glob("*"))]
    for place in places:
        for path in _seeds(place):
            if pictures := curriculum(path):
                name = place.name if place.parent == folder else "what others begin with"
                yield name, path, pictures
                break
