"""The command `selfplay label`. Bodies import late, as in `selfplay.cli`."""

from __future__ import annotations

from pathlib import Path

import click

from selfplay.options import AT_LEAST_1, SEED


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--teacher", metavar="NAME", help="Who answers.  [default: the user's name]")
@click.option(
    "--queries", type=click.IntRange(0, 10_000), default=20, show_default=True, metavar="N",
    help="Questions to film first where none are open; 0: wait for those of another process.",
)  # fmt: skip
@click.option("--horizon", type=AT_LEAST_1, metavar="STEPS", help="Steps of a clip.  [default: the run's, or 25]")
@click.option("--question", default="Which one is better?", show_default=True, metavar="TEXT", help="What to judge by.")
@click.option("--fps", type=click.FloatRange(1, 30), default=8.0, show_default=True, help="Frames a second.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of what is played for new questions.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="PORT", help="[default: a free one]")
def label(
    run: Path,
    teacher: str | None,
    queries: int,
    horizon: int | None,
    question: str,
    fps: float,
    seed: int,
    port: int,
) -> None:
    """Ask a person which of two clips of RUN is better, on a local page.

    Prints a link for a browser on this machine. Labels are in RUN/preferences/ledger.sqlite; training may go on
    meanwhile. Keys: 1 or ← left, 2 or → right, e or = equal, s skip, u undo, ? help.
    """
    from selfplay.rundir import find_run

    run = find_run(run)
    from selfplay.label.serve import default_teacher, run_label

    run_label(
        run, teacher=default_teacher() if teacher is None else teacher, queries=queries, horizon=horizon,
        question=question, fps=fps, seed=seed, port=port,
    )  # fmt: skip
