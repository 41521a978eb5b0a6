"""The command `selfplay study`. Bodies import late, as in `selfplay.cli`."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

import click

from selfplay.errors import UserError
from selfplay.options import AT_LEAST_1, Seconds


@click.command()
@click.argument("name", required=False)
@click.option("--seeds", type=AT_LEAST_1, metavar="N", help="Seeds of every arm.  [default: the study's]")
@click.option("--first-seed", type=click.IntRange(min=0), default=0, metavar="K", help="Seeds from K on: a part.")
@click.option("--jobs", type=AT_LEAST_1, metavar="N", help="Runs side by side.  [default: the cores, one less if busy]")
@click.option(
    "--ray", "address", is_flag=False, flag_value="local", metavar="[ADDRESS]",
    help="Run on a Ray cluster: HOST:PORT, auto, or without ADDRESS one of this machine's own.",
)  # fmt: skip
@click.option("--threads", type=AT_LEAST_1, default=1, metavar="N", show_default=True, help="Threads of each run.")
@click.option("--quick", is_flag=True, help="The small version, to see that it works; in a folder of its own.")
@click.option("--dir", "folder", type=click.Path(path_type=Path), metavar="DIR", help="[default: runs/study-NAME]")
@click.option("--arms", "pattern", default="*", metavar="PATTERN", help="Only arms like this, such as 'icm*'.")
@click.option(
    "--checkpoint-every", type=Seconds(), default=30.0, show_default=True, metavar="SECONDS",
    help="Seconds between two checkpoints of a run.",
)  # fmt: skip
@click.option("--report-only", is_flag=True, help="Only write the report anew, from the runs that are there.")
@click.option(
    "--merge",
    "parts",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Only report, on the runs under every DIR; once for each.",
)
@click.option("--export", type=click.Path(path_type=Path), metavar="DIR", help="Only write a small copy to commit.")
@click.option("--dry-run", is_flag=True, help="Only list the runs and the registered claims.")
def study(
    name: str | None,
    seeds: int | None,
    first_seed: int,
    jobs: int | None,
    address: str | None,
    threads: int,
    quick: bool,
    folder: Path | None,
    pattern: str,
    checkpoint_every: float,
    report_only: bool,
    parts: tuple[Path, ...],
    export: Path | None,
    dry_run: bool,
) -> None:
    """Run the study NAME (or a file NAME.py) and report.

    Arms × seeds, claims registered beforehand. The same command goes on where it stopped. Without NAME: list them.

    A part, made elsewhere: --first-seed 5 --seeds 5 --dir part2. All parts together: --merge part1 --merge part2.
    """
    from selfplay.studies import catalogue, plan

    if name is None:
        _refuse_options_alone(catalogue.STUDIES)
        for known in catalogue.STUDIES:
            click.echo(f"{known:20} {catalogue.find_study(known).question}")
        return
    declared = catalogue.find_study(name)
    if quick:
        declared = plan.quick(declared)
    folder = folder or plan.default_folder(declared)
    if report_only or parts or export:
        from selfplay.studies import report

        _refuse_idle_options(report_only, bool(parts), export is not None)
        if export:
            click.echo(report.export(declared, export, parts or (folder,), seeds))
        elif parts:
            click.echo(report.merge(declared, folder, parts))
        else:
            click.echo(report.write_report(declared, folder, seeds))
        return
    from selfplay.studies.conduct import conduct, show_plan

    tasks = plan.tasks(declared, folder, seeds, pattern, first_seed)
    if dry_run:
        show_plan(declared, tasks)
        return
    if address is not None:
        from selfplay.studies.ray_runner import check_ray

        check_ray(address, jobs)
    sys.exit(
        conduct(declared, folder, tasks, jobs=jobs, threads=threads, checkpoint_seconds=checkpoint_every, ray=address)
    )


def _refuse_options_alone(studies: Collection[str]) -> None:
    """UserError for options without a NAME. One that may be without a value takes the NAME behind it for that."""
    context = click.get_current_context()
    given = [
        (parameter.opts[0], context.params[parameter.name])
        for parameter in context.command.params
        if parameter.name and context.get_parameter_source(parameter.name) is click.core.ParameterSource.COMMANDLINE
    ]
    for option, value in given:
        for one in value if isinstance(value, tuple) else (value,):
            if str(one) in studies:
                raise UserError(f"expected NAME; is '{one}', given to {option}, the study?")
    if given:
        raise UserError(f"expected NAME beside {given[0][0]} (`selfplay study` lists all)")


def _refuse_idle_options(report_only: bool, merged: bool, exported: bool) -> None:
    """UserError for an option that a report makes no use of: it would be on other runs than was meant."""
    mode = "--export" if exported else "--merge" if merged else "--report-only"
    idle = {"first_seed": "--first-seed", "pattern": "--arms", "jobs": "--jobs", "address": "--ray",
            "threads": "--threads", "checkpoint_every": "--checkpoint-every", "dry_run": "--dry-run"}  # fmt: skip
    if merged and not exported:
        idle["seeds"] = "--seeds"
    if merged and exported:
        idle["folder"] = "--dir"
    if report_only and (merged or exported):
        idle["report_only"] = "--report-only"
    context = click.get_current_context()
    for parameter, option in idle.items():
        if context.get_parameter_source(parameter) is click.core.ParameterSource.COMMANDLINE:
            raise UserError(f"{option} has no use with {mode} (expected one of them)")
