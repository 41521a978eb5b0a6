"""`selfplay record`: the episodes of a run as one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfplay.environments import family_of, find_environment, full_name
from selfplay.errors import UserError, unknown
from selfplay.evaluate import load_run
from selfplay.finetune import METHOD, finetune_settings
from selfplay.imitation.episodes import Episodes, save_episodes, space_facts
from selfplay.imitation.recording import record_alice, record_policy
from selfplay.lineage import Parent, find_parent
from selfplay.methods import method_settings
from selfplay.rundir import commit, versions
from selfplay.stages.alice_bob import AliceBob
from selfplay.stages.ppo import PPOStage
from selfplay.train import build_stage
from selfplay.worlds import world_maker

if TYPE_CHECKING:
    import gymnasium
    from pydantic import BaseModel

    from selfplay.stages.finetune import FinetuneStage

SEEN = ("segments", "view_size", "tv", "tv_hidden", "levels", "success")
"""The settings of a stage of one learner that say what is seen, of which levels, and from outside what a success is."""


def run_record(
    run: Path,
    out: Path | None = None,
    env: str | None = None,
    *,
    episodes: int = 100,
    player: str | None = None,
    seed: int = 1_000_000,
    deterministic: bool = False,
    force: bool = False,
    threads: int | None = None,
) -> tuple[Path, Episodes]:
    """Play `episodes` episodes with the newest checkpoint of `run` and write them to `out`; where they are, and they.

    out: by default `episodes.safetensors` in the run folder, for Alice `episodes-alice.safetensors`. env: another
    environment. player: of a game, Bob on the task (the default) or Alice's own turns. force: replace a file.

    Raises:
        UserError: whatever `load_run` complains of; the file is there, or cannot be written.
    """
    name = "episodes-alice.safetensors" if player == "alice" else "episodes.safetensors"
    parent = find_parent(run, player)
    path = parent.path / name if out is None else out
    _check_free(path, force)
    stage, config = load_run(run, env, threads)
    facts = {"player": parent.player, "seed": seed, "deterministic": deterministic, "run_seed": config["seed"]}
    try:
        if parent.player == "alice":
            assert isinstance(stage, AliceBob)
            field = stage.make_field(episodes, seed)
            about = _about(parent, env, field.observation_space, field.action_space) | facts
            played = record_alice(field, stage.alice, stage.config.game, seed, about, deterministic)
        else:
            single = bob_alone(parent, env) if parent.player else stage
            assert isinstance(single, PPOStage)
            world = single.fresh_worlds(episodes)
            about = _about(parent, env, world.observation_space, world.action_space) | facts
            played = record_policy(world, single.learner, seed, about, deterministic)
    except ValueError as error:
        raise UserError(str(error)) from None
    except MemoryError as error:
        raise UserError(f"--episodes {episodes}: so many do not fit into memory: {error}") from None
    write(path, played)
    return path, played


def run_expert(
    env: str,
    out: Path,
    *,
    episodes: int = 100,
    seed: int = 1_000_000,
    overrides: dict[str, str] | None = None,
    force: bool = False,
) -> tuple[Path, Episodes]:
    """As `run_record`, of the shortest ways to success in fresh levels of grid `env`.

    overrides: `segments` and `view_size`, what is seen; by default as for `train ppo`.
    """
    from envs.errors import UnmeasurableError
    from envs.grid.world import GridWorld
    from selfplay.imitation.expert import record_expert

    _check_free(out, force)
    try:
        spec = find_environment(env)
    except ValueError as error:
        raise UserError(str(error)) from None
    if family_of(spec) != "grid":
        raise UserError(f"--env {env}: an expert's way is known in grid worlds only, expected grid/…")
    for key in overrides or {}:
        if key not in ("segments", "view_size"):
            raise UserError(f"--set: {unknown('setting of an expert', key, ('segments', 'view_size'))}")
    settings: Any = method_settings("ppo", overrides or {}, "grid")
    try:
        world = world_maker(spec, settings)(episodes, 0, False)
        assert isinstance(world, GridWorld)
        played = record_expert(world, seed, {
            "player": "expert", "seed": seed, "deterministic": False, "run_seed": 0, "lineage": [],
            **_facts(spec, world.observation_space, world.action_space, settings),
        })  # fmt: skip
    except (ValueError, UnmeasurableError) as error:
        raise UserError(str(error)) from None
    write(out, played)
    return out, played


def _check_free(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise UserError(f"--out: '{path}' is there already (expected another name, or --force to replace it)")
    if not path.parent.is_dir():
        raise UserError(f"--out: there is no folder '{path.parent}'")


def write(path: Path, played: Episodes) -> None:
    """`save_episodes`; UserError where it cannot be."""
    try:
        save_episodes(path, played)
    except OSError as error:
        raise UserError(f"--out: '{path}' cannot be written: {error.strerror or error}") from None


def bob_alone(parent: Parent, env: str | None = None) -> FinetuneStage:
    """Bob of a game as a learner of the task itself, as `selfplay finetune` begins with him."""
    from selfplay.stages.finetune import FinetuneStage

    spec = find_environment(env or parent.record["config"]["env"])
    settings = finetune_settings(parent, {"num_envs": "1", "rollout_steps": "1"}, parent.family)
    stage = build_stage(METHOD, spec, settings, parent.record["config"]["seed"], "cpu")
    assert isinstance(stage, FinetuneStage)
    stage.begin(parent.policy(parent.newest(), stage.world.observation_space, stage.world.action_space, ("task",)))
    return stage


def _about(parent: Parent, env: str | None, sees: gymnasium.Space, does: gymnasium.Space) -> dict[str, Any]:
    """The header of a file of episodes of `parent`."""
    spec = find_environment(env or parent.record["config"]["env"])
    return {
        **_facts(spec, sees, does, parent.settings),
        "lineage": parent.lineage(parent.newest()),
    }


def _facts(spec: Any, sees: gymnasium.Space, does: gymnasium.Space, settings: BaseModel) -> dict[str, Any]:
    """What any file of episodes says of itself."""
    values = settings.model_dump(mode="json")
    return {
        "env": full_name(spec),
        "family": family_of(spec),
        "sees": space_facts(sees),
        "does": space_facts(does),
        "world": {key: values[key] for key in SEEN if key in values},
        "versions": versions(),
        "commit": commit(),
    }
