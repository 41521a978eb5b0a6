"""The command `selfplay finetune`. Its body imports late."""

from __future__ import annotations

from pathlib import Path

import click

from selfplay.environments import EVERY_FAMILY
from selfplay.options import AT_LEAST_1, COUNT, ENV_KWARGS, LABELS, SEED, TEACHER, Seconds, checked_env, label_pairs


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--env", metavar="ID", help="Environment.  [default: the one RUN was trained on]")
@ENV_KWARGS
@click.option("--steps", type=COUNT, default="1M", show_default=True, help="Env steps, beside those of RUN.")
@click.option("--player", metavar="bob|alice", help="Whose policy, where RUN is a game.  [default: bob]")
@click.option(
    "--keep",
    metavar="PART,…",
    help="What is taken over: encoder, policy, critic, normaliser, or none.  [default: encoder,policy,normaliser]",
)
@click.option("--freeze", metavar="PART,…", help="What learns nothing: encoder, policy, critic.  [default: none]")
@click.option("--reward", "rewards", multiple=True, metavar="NAME=WEIGHT", help="As for train.  [default: task=1]")
@click.option("--kl", metavar="BETA", help="Leash: the reward that a nat of KL to RUN's policy costs.")
@click.option("--kl-target", metavar="NATS", help="Leash: the KL of an episode that BETA is moved towards.")
@LABELS
@TEACHER
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--num-envs", type=COUNT, help="Worlds side by side.  [default: as for train ppo]")
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Run folder.  [default: runs/finetune-RUN-ENV-sSEED]",
)
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting, such as ppo.clip=0.1. Repeatable.")
@click.option("--threads", type=AT_LEAST_1, help="Threads.  [default: the cores, one less on a busy machine]")
@click.option("--device", type=click.Choice(["cpu", "cuda", "mps"]), default="cpu", show_default=True)
@click.option(
    "--checkpoint-every", type=Seconds(), default=30.0, show_default=True, metavar="SECONDS",
    help="Seconds between two checkpoints; one more at the end.",
)  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress bar and no closing table.")
def finetune(
    run: Path,
    env: str | None,
    env_kwargs: tuple[str, ...],
    steps: int,
    player: str | None,
    keep: str | None,
    freeze: str | None,
    rewards: tuple[str, ...],
    kl: str | None,
    kl_target: str | None,
    labels: int | None,
    teacher: str | None,
    seed: int,
    num_envs: int | None,
    run_dir: Path | None,
    pairs: tuple[str, ...],
    threads: int | None,
    device: str,
    checkpoint_every: float,
    quiet: bool,
) -> None:
    """Train on, beginning with the policy of the run folder RUN, on a leash to it or free.

    The same command with the same run folder goes on where it stopped.
    """
    from selfplay.rundir import find_run

    run = find_run(run)
    env = checked_env(env, EVERY_FAMILY, env_kwargs)
    from selfplay.config import parse_pairs

    more = [f"rewards={','.join(rewards)}"] if rewards else []
    more += [f"keep={'' if keep == 'none' else keep}"] if keep is not None else []
    more += [f"freeze={'' if freeze == 'none' else freeze}"] if freeze is not None else []
    more += [f"leash.beta={kl}"] if kl is not None else []
    more += [f"leash.target={kl_target}"] if kl_target is not None else []
    overrides = parse_pairs([*pairs, *more])
    overrides |= label_pairs(labels, teacher, overrides)
    from selfplay.finetune import run_finetune

    run_finetune(
        run, env, steps=steps, player=player, seed=seed, num_envs=num_envs, run_dir=run_dir, overrides=overrides,
        device=device, threads=threads, quiet=quiet, checkpoint_seconds=checkpoint_every,
    )  # fmt: skip
