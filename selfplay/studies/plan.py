"""Which runs a study consists of, where they lie, and how far each has come. The run folders are the truth."""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay import checkpoint
from selfplay.config import flatten
from selfplay.environments import family_of, find_environment, full_name
from selfplay.errors import UserError, unknown
from selfplay.methods import method_settings
from selfplay.rundir import read_record
from selfplay.studies.study import Arm, Run, Study

BEGINNINGS = "begins"
"""The folder, in that of a study, of runs that others begin with."""


@dataclass(frozen=True)
class Task:
    """One run of a study: arm `arm` with seed `seed` in run folder `folder`; begins: the run that it goes on from."""

    arm: Arm
    seed: int
    folder: Path
    begins: Task | None = None

    @property
    def name(self) -> str:
        """`arm/s0`."""
        return f"{self.arm.name}/s{self.seed}"


def quick(study: Study) -> Study:
    """The study with `quick_seeds` and `quick_steps`; its name says so, and so does its folder.

    Fewer seeds than begin with one run are as many that do.
    """

    def short(run: Run) -> Run:
        begins = None if run.begins is None else short(run.begins)
        return dataclasses.replace(run, steps=min(run.steps, study.quick_steps), begins=begins)

    arms = tuple(dataclasses.replace(arm, run=short(arm.run)) for arm in study.arms)
    return dataclasses.replace(
        study, name=f"{study.name}-quick", arms=arms, seeds=study.quick_seeds,
        nested=min(study.nested, study.quick_seeds), quick=True,
    )  # fmt: skip


def default_folder(study: Study) -> Path:
    """`runs/study-NAME`."""
    return Path("runs") / f"study-{study.name}"


def tasks(study: Study, folder: Path, seeds: int | None = None, pattern: str = "*", first_seed: int = 0) -> list[Task]:
    """Every run of the arms that match `pattern`, in the order they are run: all arms of the first seed, then of the
    next, … seeds: how many, by default all of the study's from `first_seed` on.

    So a study that was cut off has as many seeds of every arm, give or take one.
    """
    arms = [arm for arm in study.arms if fnmatch.fnmatchcase(arm.name, pattern)]
    if not arms:
        raise UserError(f"--arms: {unknown('arm', pattern, [arm.name for arm in study.arms])}")
    count = study.seeds - first_seed if seeds is None else seeds
    if count < 1:
        raise UserError(f"--first-seed {first_seed}: the study has seeds 0 to {study.seeds - 1}; give --seeds as well")
    chosen = range(first_seed, first_seed + count)
    by_run = {_key(arm.run): arm for arm in reversed(study.arms)}
    return [_task(study, by_run, arm, seed, folder) for seed in chosen for arm in arms]


def _task(study: Study, by_run: Mapping[str, Arm], arm: Arm, seed: int, folder: Path) -> Task:
    """The run of an arm, and whatever comes before it.

    What equals an arm's run is that run. Anything else lies in `begins/`, once for all that begin with it: an arm's
    seeds k · i … k · i + k − 1, k being `study.nested`, begin with its seed i. A folder of the run's own, as there was
    before runs shared them, is kept to.
    """
    place = folder / arm.name / f"s{seed}"
    first = arm.run.begins
    if first is None:
        return Task(arm, seed, place)
    own = place.with_name(f"{place.name}-begins")
    if own.exists():
        return Task(arm, seed, place, Task(Arm(f"{arm.name}-begins", first), seed, own))
    if (known := by_run.get(_key(first))) is not None:
        return Task(arm, seed, place, _task(study, by_run, known, seed, folder))
    env = re.sub(r"[^A-Za-z0-9._=+-]", "-", first.env.rpartition("/")[2])
    digest = hashlib.sha256(_key(first).encode()).hexdigest()[:8]
    shared = Arm(f"{BEGINNINGS}/{first.method}.{env}.{digest}", first)
    is_shared = arm.name.startswith(f"{BEGINNINGS}/")  # then its seed is a beginning's already
    return Task(arm, seed, place, _task(study, by_run, shared, seed if is_shared else seed // study.nested, folder))


def _key(run: Run) -> str:
    return json.dumps(dataclasses.asdict(run), sort_keys=True)


def with_beginnings(chosen: Iterable[Task]) -> list[Task]:
    """These and the runs they begin with that are missing, each before the first that needs it, none twice.

    A beginning is left out where nothing that needs it is still to be run.
    """
    found: dict[Path, Task] = {}

    def add(task: Task) -> None:
        if task.begins is not None and not finished(task):
            add(task.begins)
        found.setdefault(task.folder, task)

    for task in chosen:
        add(task)
    return list(found.values())


def expected_config(arm: Arm, seed: int) -> dict[str, Any]:
    """What the run's `config.json` must hold as its configuration. UserError where an arm's settings are wrong."""
    try:
        spec = find_environment(arm.run.env)
    except ValueError as error:
        raise UserError(f"arm {arm.name}: {error}") from None
    try:
        settings = method_settings(arm.run.method, arm.run.overrides, family_of(spec))
    except UserError as error:
        raise UserError(f"arm {arm.name}: {error.message}") from None
    return {
        "method": arm.run.method, "env": full_name(spec), "steps": arm.run.steps, "seed": seed,
        "settings": settings.model_dump(mode="json"),
    }  # fmt: skip


def finished(task: Task) -> bool:
    """Whether the run's newest checkpoint is at the end of its budget."""
    return max(checkpoint.list_steps(task.folder / "checkpoints"), default=0) >= task.arm.run.steps


def check_folder(task: Task, config: Mapping[str, Any], threads: int | None = None) -> None:
    """UserError where the folder holds a run with another configuration, or with another number of threads.

    Steps count as well: a schedule over the budget makes a lengthened run another one.
    """
    record = read_record(task.folder)
    if record is None:
        return
    was, now = dict(record["config"]), dict(config)
    if threads is not None:
        was["threads"], now["threads"] = record["threads"], threads
    check_config(f"run folder '{task.folder}'", was, now)


def check_config(what: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """UserError where `was`, the configuration of a run that is there, lacks something of `now` or has it otherwise."""
    was, now = flatten(was), flatten(now)
    for key, value in now.items():
        if was.get(key) != value:
            found = was.get(key, "not there")
            raise UserError(
                f"{what} was started with {key} = {found}, the study has {value}; "
                "give another folder, or move this one away"
            )
