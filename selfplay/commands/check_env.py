"""The command `selfplay check-env`. Its body imports late."""

from __future__ import annotations

import json
import sys

import click

from selfplay.environments import EVERY_FAMILY
from selfplay.errors import UserError
from selfplay.options import AT_LEAST_1, ENV_KWARGS, SEED, checked_env

_MARKS = {"fine": "✓", "mind": "!", "wrong": "✗"}


@click.command("check-env")
@click.argument("env", metavar="ID")
@ENV_KWARGS
@click.option("--steps", type=AT_LEAST_1, default=2000, show_default=True, help="Random steps that are looked at.")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def check_env(env: str, env_kwargs: tuple[str, ...], steps: int, seed: int, as_json: bool) -> None:
    """Say what the environment ID (module:Id-v0) can be used for here, and what is wrong with it.

    Exit code 0 if a policy can be trained in it, 2 if not.
    """
    name = checked_env(env, EVERY_FAMILY, env_kwargs, said="")
    from selfplay.environments import family_of, find_environment

    spec = find_environment(name or env)
    if family_of(spec) != "outside":
        raise UserError(f"{name} is one of our own, and its tests check it (expected module:Id-v0)")
    from envs.outside.check import check
    from envs.outside.spec import OutsideSpec

    assert isinstance(spec, OutsideSpec)
    findings = check(spec, steps, seed)
    wrong = sum(one.verdict == "wrong" for one in findings)
    uses = {"ppo": not wrong, "bonuses": not wrong, "alice-bob": False}
    if as_json:
        rows = [{"what": one.what, "verdict": one.verdict, "words": one.words} for one in findings]
        click.echo(json.dumps({"env": name, "findings": rows, "uses": uses}, ensure_ascii=False))
    else:
        width = max(len(one.what) for one in findings)
        for one in findings:
            click.echo(f"{_MARKS[one.verdict]} {one.what:{width}}  {one.words}")
        usable = (
            "train ppo and every bonus, finetune, evaluate, watch" if not wrong else "nothing, until this is mended"
        )
        click.echo(f"can be used for: {usable}")
    sys.exit(2 if wrong else 0)
