"""`selfplay finetune`: a run that begins with the policy of another one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfplay import checkpoint
from selfplay.config import apply_overrides
from selfplay.environments import Family, family_of, find_environment, full_name
from selfplay.errors import UserError
from selfplay.idle import check_idle
from selfplay.lineage import Parent, find_parent
from selfplay.methods import find_method
from selfplay.rewards.streams import LEASH, parse_rewards
from selfplay.rundir import default_run_dir, read_record
from selfplay.threads import limit_spinning
from selfplay.train import CHECKPOINT_SECONDS, run_stage
from selfplay.worlds import world_maker

if TYPE_CHECKING:
    from selfplay.stages.finetune_settings import FinetuneConfig

METHOD = "finetune"
SHAPE = ("hidden", "activation", "memory", "normalise_obs")  # what a policy's weights mean nothing without
_INHERITED = (*SHAPE, "critic", "sequence", "log_std")


def run_finetune(
    run: Path,
    env: str | None = None,
    *,
    steps: int,
    player: str | None = None,
    seed: int = 0,
    num_envs: int | None = None,
    run_dir: Path | None = None,
    overrides: dict[str, str] | None = None,
    device: str = "cpu",
    threads: int | None = None,
    quiet: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    pictures: bool = True,
    method: str = METHOD,
) -> Path:
    """Train on `env` (by default that of `run`) for `steps` steps, beginning with the policy of run folder `run`.

    player: "bob" (the default) or "alice" where `run` is a game. overrides: dotted keys of `FinetuneConfig`; the shape
    of the policy and what it sees are those of `run`, and on a leash there is no entropy bonus unless one is given,
    for it would pull away from the policy to be kept to. method: "finetune", or another one that goes on so
    ("overoptimization"). The rest as in `selfplay.train.run_training`.

    Returns the run folder, whose `config.json` names the runs it comes from as `parents`, the nearest first.

    Raises:
        UserError: whatever the user can put right, in one line.
        SystemExit: 130 or 143, after a checkpoint, when asked to stop.
    """
    limit_spinning()
    parent = find_parent(run, player)
    try:
        spec = find_environment(env or parent.record["config"]["env"])
    except ValueError as error:
        raise UserError(str(error)) from None
    if family_of(spec) != parent.family:
        raise UserError(f"--env {env}: '{run}' learnt in {parent.family} worlds, expected {parent.family}/…")
    given = dict(overrides or {})
    if num_envs is not None:
        given["num_envs"] = str(num_envs)
    settings = finetune_settings(parent, given, parent.family, method)
    path = run_dir or default_run_dir(f"{method}-{parent.name}", full_name(spec), seed)
    check_idle(settings, given, path)
    saved = parent.newest()
    heads = tuple(parse_rewards(settings.rewards)) + ((LEASH,) if settings.leash.first_beta is not None else ())
    begin = None
    if settings.keep or LEASH in heads:
        try:
            world = world_maker(spec, settings)(1, 0, False)
        except ValueError as error:
            raise UserError(str(error)) from None
        learnt = parent.policy(saved, world.observation_space, world.action_space, heads)

        def begin(stage: Any) -> None:
            stage.begin(learnt)

    return run_stage(
        method, spec, settings, path, steps=steps, seed=seed, device=device, threads=threads, quiet=quiet,
        checkpoint_seconds=checkpoint_seconds, pictures=pictures,
        lineage={"parents": recorded_parents(path, parent) or parent.lineage(saved)},
        begin=begin,
    )  # fmt: skip


def finetune_settings(
    parent: Parent, overrides: dict[str, str], family: Family, method: str = METHOD
) -> FinetuneConfig:
    """The defaults with what is inherited from `parent`, then `overrides`; UserError for what does not fit."""
    base: Any = find_method(method).defaults(family)
    ppo: dict[str, Any] = {key: getattr(parent.ppo, key) for key in _INHERITED}
    if any(overrides.get(key, "none").lower() not in ("none", "null") for key in ("leash.beta", "leash.target")):
        ppo["entropy"] = 0.0
    update: dict[str, Any] = {"ppo": base.ppo.model_copy(update=ppo)}
    if family == "grid":
        settings: Any = parent.settings
        update |= {"segments": settings.segments, "view_size": settings.view_size}
    found = apply_overrides(type(base), overrides, base=base.model_copy(update=update))
    if found.keep or found.leash.first_beta is not None:
        for key in SHAPE:
            was, asked = getattr(parent.ppo, key), getattr(found.ppo, key)
            if was != asked:
                raise UserError(
                    f"ppo.{key}: '{parent.path}' has {was}, not {asked} (expected that, or --keep none and no leash)"
                )
    return found


def recorded_parents(path: Path, parent: Parent) -> list[dict[str, Any]] | None:
    """The lineage of a run that has begun: its parent may have gone on since."""
    record = read_record(path)
    if record is None or not checkpoint.list_steps(path / "checkpoints"):
        return None
    parents: list[dict[str, Any]] = record["config"].get("parents") or []
    same = parents and (parents[0]["run"], parents[0].get("player", "")) == (parent.name, parent.player)
    return parents if same else None
