"""The commands `selfplay train` and `finetune`. Bodies import late, as in `selfplay.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from selfplay.environments import EVERY_FAMILY
from selfplay.errors import UserError, unknown
from selfplay.options import COUNT, ENV_KWARGS, LABELS, SEED, TEACHER, checked_env, label_pairs, run_options

_OF_THEIR_OWN = {"finetune": "RUN", "clone": "FILE", "dpo": "RUN"}
"""Methods that begin with a run or a file: commands, and what they are given."""

_REWARDS = (
    "task=1; a bonus such as icm=0.01 (`selfplay methods` lists them); or what is taught by examples, by weights or by "
    "comparisons: classifier=1, features=1, preferences=1"
)


class _Train(click.Command):
    """Looks at METHOD first: what a command of its own takes are no options of this one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _refuse_a_command(args[0] if args else "")
        return super().parse_args(ctx, args)


def _refuse_a_command(method: str) -> None:
    if method in _OF_THEIR_OWN:
        raise UserError(f"{method}: that is a command of its own: `selfplay {method} {_OF_THEIR_OWN[method]}`")


@click.command(cls=_Train)
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
    "--reward",
    "rewards",
    multiple=True,
    metavar="NAME=WEIGHT",
    help=f"What is wanted (for alice-bob: of Alice): {_REWARDS}. Repeatable.  [default: the method's]",
)
@click.option(
    "--tv",
    metavar="SPEC",
    help="A noisy TV: trigger,content,extent,place, such as remote,k30,view,everywhere.  [default: off]",
)
@LABELS
@TEACHER
@run_options("runs/METHOD-ENV-sSEED", "ppo.clip=0.1")
def train(
    method: str,
    env: str,
    env_kwargs: tuple[str, ...],
    steps: int,
    seed: int,
    num_envs: int | None,
    rewards: tuple[str, ...],
    tv: str | None,
    labels: int | None,
    teacher: str | None,
    pairs: tuple[str, ...],
    **how: Any,
) -> None:
    """Train with METHOD (`selfplay methods`).

    The same command with the same run folder goes on where it stopped.
    """
    from selfplay.methods import METHODS

    _refuse_a_command(method)
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

    run_training(method, env, steps=steps, seed=seed, num_envs=num_envs, overrides=overrides, **how)


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
@click.option(
    "--reward",
    "rewards",
    multiple=True,
    metavar="NAME=WEIGHT",
    help=f"What is wanted: {_REWARDS}. Repeatable.  [default: task=1]",
)
@click.option("--kl", metavar="BETA", help="Leash: the reward that a nat of KL to RUN's policy costs.")
@click.option("--kl-target", metavar="NATS", help="Leash: the KL of an episode that BETA is moved towards.")
@LABELS
@TEACHER
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--num-envs", type=COUNT, help="Worlds side by side.  [default: as for train ppo]")
@run_options("runs/finetune-RUN-ENV-sSEED", "ppo.clip=0.1")
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
    pairs: tuple[str, ...],
    **how: Any,
) -> None:
    """Train on, beginning with the policy of the run folder RUN, on a leash to it or free.

    The same command with the same run folder goes on where it stopped.
    """
    from selfplay.rundir import find_run

    run = find_run(run)
    env = checked_env(env, EVERY_FAMILY, env_kwargs)
    from selfplay.config import parse_pairs

    more = _reward_pair(rewards)
    more += [f"keep={'' if keep == 'none' else keep}"] if keep is not None else []
    more += [f"freeze={'' if freeze == 'none' else freeze}"] if freeze is not None else []
    more += [f"leash.beta={kl}"] if kl is not None else []
    more += [f"leash.target={kl_target}"] if kl_target is not None else []
    overrides = parse_pairs([*pairs, *more])
    overrides |= label_pairs(labels, teacher, overrides)
    from selfplay.finetune import run_finetune

    run_finetune(run, env, steps=steps, player=player, seed=seed, num_envs=num_envs, overrides=overrides, **how)


def _reward_pair(rewards: tuple[str, ...]) -> list[str]:
    return [f"rewards={','.join(rewards)}"] if rewards else []
