"""A study from beginning to end: check, register, run what is missing, report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from selfplay.errors import UserError
from selfplay.jsonfile import write_json
from selfplay.studies.archive import ARCHIVE
from selfplay.studies.plan import Task, check_folder, expected_config, finished, with_beginnings
from selfplay.studies.records import FAILURES, Session, check_study, make_folder, read_failures, register
from selfplay.studies.study import Run, Study
from selfplay.threads import default_threads, limit_spinning


def show_plan(study: Study, tasks: Sequence[Task]) -> None:
    """Print the question, the claims and every run with its state."""
    click.echo(f"{study.name}: {study.question}\n")
    for claim in study.claims:
        click.echo(f"claim  {claim.text}: {claim.kind} of {claim.registered}")
    for arm in dict.fromkeys(task.arm.name for task in tasks):
        expected_config(study.arm(arm), 0)
        click.echo(f"arm    {arm}: {_words(study.arm(arm).run)}")
        begins = study.arm(arm).run.begins
        while begins is not None:
            click.echo(f"       from {_words(begins)}")
            begins = begins.begins
    for task in with_beginnings(tasks):
        state = "finished" if finished(task) else "begun" if task.folder.exists() else "to do"
        click.echo(f"run    {task.folder}: {state}")


def _words(run: Run) -> str:
    sets = "".join(f" --set {key}={value}" for key, value in run.overrides.items())
    return f"{run.method} --env {run.env} --steps {run.steps}{sets}"


def conduct(
    study: Study, folder: Path, tasks: Sequence[Task], *, jobs: int | None, threads: int,
    checkpoint_seconds: float, ray: str | None = None,
) -> int:  # fmt: skip
    """Run those of `tasks` that are not finished, write the report into `folder`, and return the exit code.

    ray: the address of a Ray cluster to run them on, see `selfplay.studies.ray_runner`; None: processes of our own.

    0: all are finished. 1: some failed; they are named. 130, 143: asked to stop; what was going on is saved.

    Raises:
        UserError: before anything runs: a setting that is wrong, or a run folder that holds another run.
    """
    from selfplay.studies.progress import StudyProgress
    from selfplay.studies.report import write_report
    from selfplay.studies.runner import run_tasks

    limit_spinning()
    check_study(study, folder)
    if (folder / ARCHIVE).exists():
        raise UserError(f"'{folder}' holds an exported study (expected --report-only, or another --dir to run it anew)")
    everything = with_beginnings(tasks)
    for task in everything:
        check_folder(task, expected_config(task.arm, task.seed), threads)
    make_folder(folder)
    register(study, folder)
    todo = [task for task in everything if not finished(task)]
    failures = read_failures(folder)
    jobs = jobs or default_threads()
    session = Session(folder, jobs, threads)
    made = 0
    with StudyProgress(study.name, len(everything), len(everything) - len(todo)) as progress:

        def over(task: Task, why: str | None) -> None:
            nonlocal made
            made += why is None
            failures.pop(task.name, None)
            if why is not None:
                failures[task.name] = why
            write_json(folder / FAILURES, failures)
            session.save(made)
            progress.over(task.name, why)

        if ray is not None:
            from selfplay.studies.ray_runner import run_tasks_on_ray

            code = run_tasks_on_ray(todo, address=ray, jobs=jobs, threads=threads,
                                    checkpoint_seconds=checkpoint_seconds, report=over)  # fmt: skip
        else:
            code = run_tasks(todo, jobs=jobs, threads=threads,
                             checkpoint_seconds=checkpoint_seconds, report=over)  # fmt: skip
    if todo:
        session.save(made)
    if code:
        click.echo("stopped; the same command goes on, --report-only reports on what is there", err=True)
        return code
    click.echo(write_report(study, folder, 1 + max(task.seed for task in tasks)))
    failed = [task.name for task in everything if task.name in failures]
    if failed:
        print(f"error: {len(failed)} of {len(everything)} runs failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0
