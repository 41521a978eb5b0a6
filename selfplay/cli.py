"""The command `selfplay`. Bodies import late: help must come at once, and torch takes seconds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from selfplay import __version__
from selfplay.bench.command import bench
from selfplay.check_env import check_env
from selfplay.environments import EVERY_FAMILY
from selfplay.errors import UserError, unknown
from selfplay.finetune_command import finetune
from selfplay.label.command import label
from selfplay.options import (
    AT_LEAST_1,
    COUNT,
    ENV_KWARGS,
    LABELS,
    SEED,
    TEACHER,
    Commands,
    Seconds,
    checked_env,
    fits,
    label_pairs,
)
from selfplay.report.command import report
from selfplay.studies.command import study
from selfplay.threads import limit_spinning
from selfplay.transfer.command import compare


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Asymmetric self-play and curiosity on one fast policy-gradient core."""
    limit_spinning()  # before anything loads torch or numba


main.add_command(bench)
main.add_command(finetune)
main.add_command(study)
main.add_command(label)
main.add_command(report)
main.add_command(compare)
main.add_command(check_env)


@main.command()
@click.argument("method", metavar="METHOD")
@click.option(
    "--env",
    required=True,
    metavar="ID",
    help="Environment, such as grid/DoorKey-6x6-v0 (`selfplay envs`), or module:Id-v0 for any that Gymnasium knows.",
)
@ENV_KWARGS
@click.option("--steps", type=COUNT, default="1M", show_default=True, help="Env steps of all players: 5M, 300k, 1e6.")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--num-envs", type=COUNT, help="Worlds side by side.  [default: the method's]")
@click.option(
    "--run-dir", type=click.Path(path_type=Path), metavar="DIR", help="Run folder.  [default: runs/METHOD-ENV-sSEED]"
)
@click.option(
    "--reward",
    "rewards",
    multiple=True,
    metavar="NAME=WEIGHT",
    help="What is wanted, such as task=1 or icm=0.01 (for alice-bob: of Alice). Repeatable.  [default: the method's]",
)
@click.option(
    "--tv",
    metavar="SPEC",
    help="A noisy TV: trigger,content,extent,place, such as remote,k30,view,everywhere.  [default: off]",
)
@LABELS
@TEACHER
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting, such as ppo.clip=0.1. Repeatable.")
@click.option("--threads", type=AT_LEAST_1, help="Threads.  [default: the cores, one less on a busy machine]")
@click.option("--device", type=click.Choice(["cpu", "cuda", "mps"]), default="cpu", show_default=True)
@click.option(
    "--checkpoint-every",
    type=Seconds(),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds between two checkpoints; one more at the end.",
)
@click.option("--quiet", is_flag=True, help="No progress bar and no closing table.")
def train(
    method: str,
    env: str,
    env_kwargs: tuple[str, ...],
    steps: int,
    seed: int,
    num_envs: int | None,
    run_dir: Path | None,
    rewards: tuple[str, ...],
    tv: str | None,
    labels: int | None,
    teacher: str | None,
    pairs: tuple[str, ...],
    threads: int | None,
    device: str,
    checkpoint_every: float,
    quiet: bool,
) -> None:
    """Train with METHOD (`selfplay methods`).

    The same command with the same run folder goes on where it stopped.
    """
    from selfplay.methods import METHODS

    if method not in METHODS:
        raise UserError(unknown("method", method, METHODS))
    env = checked_env(env, EVERY_FAMILY, env_kwargs) or env
    from selfplay.environments import family_of, find_environment

    family = family_of(find_environment(env))
    if tv is not None and "tv" not in type(METHODS[method].defaults(family)).model_fields:
        raise UserError(f"--tv: {method} has no TV (expected ppo, random, or one of the bonuses)")
    from selfplay.config import parse_pairs

    overrides = parse_pairs([*pairs, *([] if tv is None else [f"tv={tv}"]), *_reward_pair(rewards)])
    overrides |= label_pairs(labels, teacher, overrides)
    from selfplay.train import run_training

    run_training(
        method,
        env,
        steps=steps,
        seed=seed,
        num_envs=num_envs,
        run_dir=run_dir,
        overrides=overrides,
        device=device,
        threads=threads,
        quiet=quiet,
        checkpoint_seconds=checkpoint_every,
    )


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--env", metavar="ID", help="Environment.  [default: the one it was trained on]")
@ENV_KWARGS
@click.option("--episodes", type=COUNT, callback=fits, help="Fresh episodes.  [default: 512, of MuJoCo's worlds 32]")
@click.option("--seed", type=SEED, default=1_000_000, show_default=True, help="Seed of the levels and the players.")
@click.option("--threads", type=AT_LEAST_1, help="Threads.  [default: those it was trained with, at most the cores]")
@click.option("--device", type=click.Choice(["cpu", "cuda", "mps"]), help="[default: the one it was trained on]")
@click.option("--deterministic", is_flag=True, help="Take the likeliest action instead of drawing one.")
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


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--env", metavar="ID", help="Environment.  [default: the one it was trained on]")
@ENV_KWARGS
@click.option("--episodes", type=AT_LEAST_1, default=3, show_default=True, help="Episodes, or rounds of the game.")
@click.option("--seed", type=SEED, default=1_000_000, show_default=True, help="Seed of the levels and the players.")
@click.option("--longest", type=AT_LEAST_1, default=1000, show_default=True, help="Steps of an episode that are shown.")
@click.option("--fps", type=click.FloatRange(1, 60), default=8.0, show_default=True, help="Frames a second.")
@click.option("--deterministic", is_flag=True, help="Take the likeliest action instead of drawing one.")
@click.option("--out", type=click.Path(path_type=Path), help="A .gif or .mp4.  [default: RUN/watch.gif]")
def watch(
    run: Path,
    env: str | None,
    env_kwargs: tuple[str, ...],
    episodes: int,
    seed: int,
    longest: int,
    fps: float,
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
            run, out, env, episodes=episodes, seed=seed, longest=longest, fps=fps, deterministic=deterministic,
        )
    )  # fmt: skip


@main.command()
def envs() -> None:
    """List the environments: size (of grids), time limit and mission, and the features that can be rewarded."""
    from envs.grid.features import FEATURES
    from envs.grid.levels import LEVELS
    from envs.grid.pool import FIRST, REFRESH, SIZE
    from envs.mujoco.worlds import WORLDS

    rows = [
        (
            f"grid/{level.id}",
            f"{level.width}×{level.height}",
            f"{level.max_steps}",
            level.mission.template.replace("{}", "…"),
        )
        for level in LEVELS.values()
    ]
    _print_table(("id", "size", "max. steps", "mission"), rows, right=(1, 2))
    click.echo(
        f"grid/WFC-…: drawn by minigrid in the background, into a pool that resets take levels from: {FIRST} at the "
        f"start,\none more for every {REFRESH:,} resets, at most {SIZE}. Fewer than {FIRST} worlds begin with a level "
        "each and get one more\nfor as many resets; a single world gets a fresh level at every reset.\n"
    )
    worlds = [(f"mujoco/{name}", f"{world.max_steps}", world.mission) for name, world in WORLDS.items()]
    _print_table(("id", "max. steps", "mission"), worlds, right=(1,))
    click.echo(
        "module:Id-v0, such as gymnasium:CartPole-v1: any that Gymnasium knows; `selfplay check-env` looks at it."
    )
    features = [("grid/…", name, feature.text) for name, feature in FEATURES.items()]
    for name, world in WORLDS.items():
        features += [(f"mujoco/{name}", key, feature.text) for key, feature in world().features().items()]
    _print_table(("features of", "name", "what --set taught.features.weights=NAME=NUMBER,… weighs"), features)


@main.command()
@click.argument("method", required=False)
@click.option("--env", metavar="ID", help="Its settings there.  [default: in grid worlds]")
def methods(method: str | None, env: str | None) -> None:
    """List the methods that `selfplay train` knows, or the settings of METHOD."""
    from selfplay.methods import CONTINUATIONS, METHODS

    if method is None:
        every = METHODS | CONTINUATIONS
        _print_table(("method", "what it does"), [(name, known.description) for name, known in every.items()])
        return
    from selfplay.config import flatten, keys
    from selfplay.environments import family_of, find_environment
    from selfplay.methods import method_settings

    settings = method_settings(
        method, {}, family_of(find_environment(checked_env(env, EVERY_FAMILY) or "grid/Empty-5x5-v0"))
    )
    defaults = flatten(settings)
    rows = [(key, _as_typed(defaults[key]), field.description or "") for key, field in keys(type(settings)).items()]
    _print_table(("setting", "default", ""), rows)


def _reward_pair(rewards: tuple[str, ...]) -> list[str]:
    return [f"rewards={','.join(rewards)}"] if rewards else []


def _as_typed(value: Any) -> str:
    """A default as `--set` would take it."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], right: tuple[int, ...] = ()) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column, title in enumerate(header):
        last = column == len(header) - 1
        table.add_column(title, justify="right" if column in right else "left", no_wrap=not last)
    for row in rows:
        table.add_row(*row)
    console.print(table, highlight=False)
