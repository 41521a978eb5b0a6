"""Which runs a study consists of, where they lie, and how far each has come. The run folders are the truth."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Mapping
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


@dataclass(frozen=True)
class Task:
    """One run of a study: arm `arm` with seed `seed` in run folder `folder`."""

    arm: Arm
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """`arm/s0`."""
        return f"{self.arm.name}/s{self.seed}"


def quick(study: Study) -> Study:
    """The study with `quick_seeds` and `quick_steps`; its name says so, and so does its folder."""

    def short(run: Run) -> Run:
        begins = None if run.begins is None else short(run.begins)
        return dataclasses.replace(run, steps=min(run.steps, study.quick_steps), begins=begins)

    arms = tuple(dataclasses.replace(arm, run=short(arm.run)) for arm in study.arms)
    return dataclasses.replace(study, name=f"{study.name}-quick", arms=arms, seeds=study.quick_seeds, quick=True)


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
    return [Task(arm, seed, folder / arm.name / f"s{seed}") for seed in chosen for arm in arms]


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
