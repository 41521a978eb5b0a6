"""What a study's page takes from the runs themselves, or from the archive of an export: curves, and curricula."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from selfplay.jsonfile import read_lines
from selfplay.report.pictures import curriculum
from selfplay.runlog import METRICS
from selfplay.studies.archive import ARCHIVE
from selfplay.studies.games import find_games
from selfplay.studies.runs import Curve, curve

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


def curricula(folder: Path, arms: Iterable[str]) -> list[dict[str, Any]]:
    """The curriculum of the first seed that has one, of every arm and every beginning: some are games.

    None where neither run folders nor an export's archive of games are there, or the runs kept no proposals.
    """
    return [{"run": name, "pictures": curriculum(game)} for name, game in find_games(folder, arms)]
