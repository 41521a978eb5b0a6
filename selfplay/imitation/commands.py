"""The commands `selfplay record`, `clone` and `dpo`. Bodies import late, as in `selfplay.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from selfplay.environments import EVERY_FAMILY
from selfplay.errors import UserError
from selfplay.options import COUNT, DETERMINISTIC, SEED, THREADS_OF_RUN, checked_env, fits, run_options

_SEED = click.option("--seed", type=SEED, help="[default: that of the run it comes from]")
_fitted = run_options("in runs/", "fit.epochs=20")


@click.command()
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option("--expert", is_flag=True, help="No RUN: the shortest ways to success in grid --env.")
@click.option("--env", metavar="ID", help="Environment.  [default: the one it was trained on]")
@click.option(
    "--episodes", type=COUNT, callback=fits, default=100, show_default=True, help="Episodes, or Alice's turns."
)
@click.option("--player", metavar="bob|alice", help="Who plays, where RUN is a game.  [default: bob]")
@click.option("--seed", type=SEED, default=1_000_000, show_default=True, help="Seed of the levels and the player.")
@THREADS_OF_RUN
@DETERMINISTIC
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Of an expert: segments or view_size.")
@click.option("--out", type=click.Path(path_type=Path), help="The file.  [default: RUN/episodes.safetensors]")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def record(
    run: Path | None,
    expert: bool,
    env: str | None,
    episodes: int,
    player: str | None,
    seed: int,
    threads: int | None,
    deterministic: bool,
    pairs: tuple[str, ...],
    out: Path | None,
    force: bool,
) -> None:
    """Write episodes of the newest checkpoint of RUN into one file: demonstrations for `selfplay clone`.

    Alice's are her turns, as Bob would have seen them with the goal that she set; her STOP is left out.
    """
    if expert == (run is not None):
        raise UserError("record: expected a RUN, or --expert with --env and --out")
    env = checked_env(env)
    if run is None:
        if env is None or out is None or player is not None or deterministic:
            raise UserError("--expert: expected --env and --out, and neither --player nor --deterministic")
        from selfplay.config import parse_pairs
        from selfplay.imitation.record import run_expert

        path, played = run_expert(env, out, episodes=episodes, seed=seed, overrides=parse_pairs(pairs), force=force)
    else:
        from selfplay.rundir import find_run

        if pairs:
            raise UserError(
                f"--set {pairs[0]}: what a run sees is what it learnt with (expected it with --expert only)"
            )
        run = find_run(run)
        from selfplay.imitation.record import run_record

        path, played = run_record(
            run, out, env, episodes=episodes, player=player, seed=seed, deterministic=deterministic, force=force,
            threads=threads,
        )  # fmt: skip
    solved = "" if played.success is None else f", {played.success.mean():.0%} of them a success"
    click.echo(f"{path}: {len(played)} episodes of {played.length.sum():,} steps{solved}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--env", metavar="ID", help="Where it plays.  [default: where the episodes were recorded]")
@click.option("--successes", is_flag=True, help="Look at episodes that succeeded only.")
@_SEED
@_fitted
def clone(
    file: Path,
    env: str | None,
    successes: bool,
    seed: int | None,
    pairs: tuple[str, ...],
    **how: Any,
) -> None:
    """Behaviour cloning: make the actions in FILE (`selfplay record`) likely. The run can be fine-tuned like any other.

    The same command with the same run folder goes on where it stopped.
    """
    env = checked_env(env, EVERY_FAMILY)
    from selfplay.config import parse_pairs

    overrides = parse_pairs([*pairs, *(["fit.successes=true"] if successes else [])])
    from selfplay.imitation.clone import run_clone

    run_clone(file, env, seed=seed, overrides=overrides, **how)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--ledger", type=click.Path(path_type=Path), metavar="FILE",
    help="Preferences, beside a folder clips.  [default: RUN/preferences/ledger.sqlite]",
)  # fmt: skip
@click.option("--teacher", metavar="NAME", help="Whose answers.  [default: everybody's]")
@click.option("--loss", metavar="dpo|cpl", help="Direct preference optimisation, or contrastive preference learning.")
@click.option("--beta", metavar="BETA", help="dpo: the reward that a nat away from RUN's policy costs.  [default: 0.1]")
@_SEED
@_fitted
def dpo(
    run: Path,
    ledger: Path | None,
    teacher: str | None,
    loss: str | None,
    beta: str | None,
    seed: int | None,
    pairs: tuple[str, ...],
    **how: Any,
) -> None:
    """Make the policy of RUN agree with preferences (`selfplay label`), without a reward and without playing.

    The same command with the same run folder goes on where it stopped.
    """
    from selfplay.rundir import find_run

    run = find_run(run)
    from selfplay.config import parse_pairs

    more = [f"fit.{key}={value}" for key, value in (("loss", loss), ("beta", beta)) if value is not None]
    overrides = parse_pairs([*pairs, *more])
    from selfplay.imitation.dpo import run_dpo

    run_dpo(run, ledger, teacher=teacher, seed=seed, overrides=overrides, **how)
