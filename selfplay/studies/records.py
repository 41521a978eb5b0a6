"""What a study folder remembers beside its runs: what was registered beforehand, and which runs failed."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selfplay.bench.report import cell, machine
from selfplay.errors import UserError
from selfplay.jsonfile import plain, write_json
from selfplay.studies.study import Measure, Run, Study

REGISTERED, FAILURES, SESSIONS = "registered.json", "failures.json", "sessions.json"


def registration(study: Study) -> dict[str, Any]:
    """What is fixed beforehand: question, the number of seeds, arms, how everything is measured, and the claims."""
    return plain(
        {
            "question": study.question,
            "seeds": study.seeds,
            "arms": {arm.name: _registered_run(arm.run) for arm in study.arms},
            "measures": {measure.name: _registered_measure(study, measure) for measure in study.measures},
            "claims": [f"{claim.text}: {claim.kind} of {claim.registered}" for claim in study.claims],
            **({"nested": study.nested} if study.nested > 1 else {}),
            **({"groups": study.groups} if study.groups else {}),
        }
    )  # fmt: skip


def _registered_run(run: Run) -> dict[str, Any]:
    said = {"method": run.method, "env": run.env, "steps": run.steps, "overrides": dict(run.overrides)}
    return said if run.begins is None else said | {"begins": _registered_run(run.begins)}


def _registered_measure(study: Study, measure: Measure) -> str:
    arms = [arm.name for arm in study.arms if measure.fits(arm)]
    of = "" if len(arms) == len(study.arms) else f" (of {', '.join(arms)})"
    scale = "; ".join(f"{env} {zero:g} to {one:g}" for env, (zero, one) in measure.scale.items())
    return f"{measure.tag}: {measure.said}{of}" + (f" (0 to 1 is {scale})" if scale else "")


def read_registered(folder: Path) -> dict[str, Any] | None:
    """What was registered in `folder`; None where nothing was."""
    return _read(folder / REGISTERED, dict)


def registered_seeds(study: Study, folder: Path) -> int:
    """How many seeds were registered: those a verdict needs. What the study declares where nothing was."""
    count = (read_registered(folder) or {}).get("seeds", study.seeds)
    if type(count) is not int or count < 1:
        raise UserError(f"{folder / REGISTERED}: seeds = {count!r} (expected a whole number >= 1)")
    return count


def check_study(study: Study, folder: Path) -> None:
    """UserError where `folder` is that of another study."""
    there = (read_registered(folder) or {}).get("study", study.name)
    if there != study.name:
        hint = "; --quick is missing" if there == f"{study.name}-quick" else ""
        raise UserError(f"'{folder}' holds study '{there}' (expected '{study.name}'{hint})")


def check_new(option: str, folder: Path) -> None:
    """UserError where `folder` holds runs of its own, or an export: a report on other runs must not take its place."""
    if (folder / REGISTERED).exists():
        raise UserError(f"{option} '{folder}' holds a study already (expected another folder)")


def check_same_registration(folders: Sequence[Path]) -> None:
    """UserError unless the same was registered in each of `folders`, but for the date, and none is given twice."""
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UserError(f"--merge: a folder is given twice ({', '.join(map(str, folders))})")
    found = []
    for folder in folders:
        registered = read_registered(folder)
        if registered is None:
            raise UserError(f"'{folder}' cannot be merged: nothing was registered there (expected {REGISTERED})")
        found.append({key: value for key, value in registered.items() if key not in ("study", "registered")})
        other = next((key for key in {**found[0], **found[-1]} if found[0].get(key) != found[-1].get(key)), None)
        if other is not None:
            raise UserError(
                f"'{folder}' cannot be merged with '{folders[0]}': other {other} were registered (expected the same)"
            )


def make_folder(folder: Path) -> None:
    """Make a study's folder, unless it is there. UserError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"study folder '{folder}' cannot be made: {error.strerror}") from None


def register(study: Study, folder: Path) -> None:
    """Write `registered.json`, unless it is there: it keeps what was claimed before the first run."""
    if not (folder / REGISTERED).exists():
        write_json(folder / REGISTERED, {"study": study.name, "registered": _now(), **registration(study)})


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def read_failures(folder: Path) -> dict[str, str]:
    """Run name to the line that says how it failed, as the last attempt at it left it."""
    return _read(folder / FAILURES, dict) or {}


def read_sessions(folder: Path) -> list[dict[str, Any]]:
    """Every time that runs were made in `folder`: when it began, seconds of wall-clock, jobs, threads, runs made, and
    `bench.report.machine` of it, which has the command.
    """
    return _read(folder / SESSIONS, list) or []


def made_on(sessions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The machine that runs were made on and the commands; what differs between sessions is joined.

    Of sessions that did not note it, and of none, that of now: the machine, and the command, of whoever asks.
    """
    noted = [session["machine"] for session in sessions if "machine" in session]
    if not noted:
        return machine()
    values = {key: list(dict.fromkeys(str(cell(one.get(key))) for one in noted)) for key in noted[0]}
    return {key: found[0] if len(found) == 1 else "; ".join(found) for key, found in values.items()}


def _read(path: Path, kind: type) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}; remove it to go on") from None
    if not isinstance(content, kind):
        raise UserError(f"{path} cannot be read: it holds no {kind.__name__}; remove it to go on")
    return content


class Session:
    """The wall-clock of one invocation, kept in `sessions.json` as it goes: a kill costs what the run in hand took."""

    def __init__(self, folder: Path, jobs: int, threads: int) -> None:
        self._path = folder / SESSIONS
        self._before = read_sessions(folder)
        self._began = time.monotonic()
        self._entry = {
            "began": _now(), "seconds": 0.0, "jobs": jobs, "threads": threads, "runs": 0, "machine": machine(),
        }  # fmt: skip

    def save(self, runs: int) -> None:
        """Write how long it has been going, and that it made `runs` runs."""
        self._entry |= {"seconds": round(time.monotonic() - self._began, 1), "runs": runs}
        write_json(self._path, [*self._before, self._entry])
