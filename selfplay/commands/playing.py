"""The commands `selfplay evaluate` and `watch`. Bodies import late, as in `selfplay.cli`."""

from __future__ import annotations

from pathlib import Path

import click

from selfplay.environments import EVERY_FAMILY
from selfplay.options import (
    AT_LEAST_1,
    COUNT,
    DETERMINISTIC,
    ENV_KWARGS,
    SEED,
    THREADS_OF_RUN,
    checked_env,
    fits,
)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--env", metavar="ID", help="Environment.  [default: the one it was trained on]")
@ENV_KWARGS
@click.option("--episodes", type=COUNT, callback=fits, help="Fresh episodes.  [default: 512, of MuJoCo's worlds 32]")
@click.option("--seed", type=SEED, default=1_000_000, show_default=True, help="Seed of the levels and the players.")
@THREADS_OF_RUN
@click.option("--device", type=click.Choice(["cpu", "cuda", "mps"]), help="[default: the one it was trained on]")
@DETERMINISTIC
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def evaluate(
    run: Path,
    env: str | None,
    env_kwargs: tuple[str, ...],
    episodes: int | None,
    seed: int,
    threads: int | None,
    device: str | None,
    deterministic: bool,
    as_json: bool,
) -> None:
    """Evaluate the newest checkpoint of the run folder RUN over fresh episodes."""
    from selfplay.rundir import find_run

    run = find_run(run)
    env = checked_env(env, EVERY_FAMILY, env_kwargs)
    from selfplay.evaluate import run_evaluation

    run_evaluation(
        run, env, episodes=episodes, seed=seed, as_json=as_json, threads=threads, deterministic=deterministic,
        device=device,
    )  # fmt: skip


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--env", metavar="ID", help="Environment.  [default: the one it was trained on]")
@ENV_KWARGS
@click.option("--episodes", type=AT_LEAST_1, default=3, show_default=True, help="Episodes, or rounds of the game.")
@click.option("--seed", type=SEED, default=1_000_000, show_default=True, help="Seed of the levels and the players.")
@click.option(
    "--longest", type=AT_LEAST_1, default=1000, show_default=True, help="Steps of an episode or a turn that are shown."
)
@click.option(
    "--fps", type=click.FloatRange(1, 60), help="Frames a second.  [default: 8; of MuJoCo's worlds in real time]"
)
@click.option(
    "--stride", type=AT_LEAST_1, help="Steps from frame to frame.  [default: 1; of MuJoCo's worlds as fps wants]"
)
@DETERMINISTIC
@click.option("--out", type=click.Path(path_type=Path), help="A .gif or .mp4.  [default: RUN/watch.gif]")
def watch(
    run: Path,
    env: str | None,
    env_kwargs: tuple[str, ...],
    episodes: int,
    seed: int,
    longest: int,
    fps: float | None,
    stride: int | None,
    deterministic: bool,
    out: Path | None,
) -> None:
    """Write a moving picture of what the newest checkpoint of RUN does."""
    from selfplay.rundir import find_run

    run = find_run(run)
    env = checked_env(env, EVERY_FAMILY, env_kwargs)
    from selfplay.watch import run_watch

    click.echo(
        run_watch(
            run, out, env, episodes=episodes, seed=seed, longest=longest, fps=fps, stride=stride,
            deterministic=deterministic,
        )
    )  # fmt: skip
