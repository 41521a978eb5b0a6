"""Where a goal classifier's examples come from: the world itself, a demonstration, or a folder of snapshots."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import safetensors.numpy
import torch

from envs.errors import UnmeasurableError
from selfplay.core.collect import World
from selfplay.errors import UserError
from selfplay.imitation.episodes import fitting, load_episodes
from selfplay.rewards.classifier_memory import Examples
from selfplay.rewards.taught_config import ClassifierConfig

WORLDS = 32
"""How many worlds random play is drawn from."""
_KEY = "taught.classifier.positives"

MakeWorld = Callable[[int], World]
"""Number of worlds -> fresh worlds with the channels of the training."""


def examples_of(config: ClassifierConfig, make_world: MakeWorld, seed: int) -> Examples:
    """What `GoalClassifier.teach` wants, of the channel that it reads. UserError where there is none to be had."""
    if config.positives == "world":
        success = _of_world(config, make_world, seed)
    elif Path(config.positives).is_dir():
        success = _of_snapshots(config, make_world)
    else:
        if config.reads != "obs":
            raise UserError(f"{_KEY}: a demonstration holds what the player saw, expected taught.classifier.reads=obs")
        one = make_world(1)
        success = read_successes(Path(config.positives), one.observation_space, one.action_space)
    world = make_world(WORLDS)
    failure = random_play(world, config.failures, seed)[:, world.columns[config.reads]]
    if success.shape[1:] != failure.shape[1:] or success.dtype != failure.dtype:
        raise UserError(
            f"{_KEY}: successes are {success.dtype} {list(success.shape)}, in this world expected {failure.dtype} "
            f"[M, {failure.shape[1]}]"
        )
    return Examples(torch.from_numpy(success.copy()), torch.from_numpy(failure.copy()), world.succeeds)


def random_play(world: World, count: int, seed: int) -> np.ndarray:
    """Rows [count, W] of the states after so many steps of uniformly drawn actions, those of success left out."""
    rng, space = np.random.default_rng(seed), world.action_space
    envs = world.num_envs
    rows, left = world.reset(seed), count
    found = []
    reward, terminated, truncated = np.zeros(envs), np.zeros(envs, bool), np.zeros(envs, bool)
    while left > 0:
        if isinstance(space, gymnasium.spaces.Discrete):
            action = rng.integers(0, int(space.n), envs)
        else:
            assert isinstance(space, gymnasium.spaces.Box)
            action = rng.uniform(space.low, space.high, (envs, *space.shape)).astype(np.float32)
        after = np.empty_like(rows)
        world.step(action, after, rows, reward, terminated, truncated)
        failed = after[~(world.succeeds & terminated & (reward > 0))][:left]
        found.append(failed)
        left -= len(failed)
    return np.concatenate(found)


def read_successes(path: Path, sees: gymnasium.Space, does: gymnasium.Space) -> np.ndarray:
    """Rows [M, P] of the states of success in a demonstration. UserError where there are none.

    Of a file of `selfplay record` the last observation of each episode that succeeded; it must be of a player that sees
    and does the same. Any other safetensors file has `next_obs` [S, P] and `success` bool [S]: the state after each
    step that is marked.
    """
    if not path.is_file():
        raise UserError(f"{_KEY}: there is no '{path}' (expected world, a .safetensors file, or a folder of snapshots)")
    arrays = _read(path)
    if "last_obs" in arrays:
        return _of_episodes(path, sees, does)
    for name in ("next_obs", "success"):
        if name not in arrays:
            raise UserError(
                f"{_KEY}: '{path}' has no {name} (it has {', '.join(sorted(arrays)) or 'nothing'}; "
                "expected next_obs and success, or what `selfplay record` writes)"
            )
    rows, marks = arrays["next_obs"], arrays["success"].astype(bool)
    if rows.shape[: marks.ndim] != marks.shape or rows.ndim != marks.ndim + 1:
        raise UserError(f"{_KEY}: '{path}' has next_obs {list(rows.shape)} and success {list(marks.shape)}, "
                        "expected [S, P] and [S]")  # fmt: skip
    if not marks.any():
        raise UserError(f"{_KEY}: in '{path}' no step is marked as a success")
    return rows[marks]


def _of_episodes(path: Path, sees: gymnasium.Space, does: gymnasium.Space) -> np.ndarray:
    try:
        episodes = load_episodes(path)
    except ValueError as error:
        raise UserError(f"{_KEY}: {error}") from None
    if missing := sorted({"player", "sees", "does"} - set(episodes.about)):
        raise UserError(f"{_KEY}: '{path}' does not say its {missing[0]}")
    episodes = fitting(episodes, sees, does, f"{_KEY}={path}")
    if episodes.success is None or not episodes.success.any():
        raise UserError(f"{_KEY}: in '{path}' none of {len(episodes)} episodes is a success")
    return episodes.last_obs[episodes.success]


def _of_world(config: ClassifierConfig, make_world: MakeWorld, seed: int) -> np.ndarray:
    world = _bare(make_world(config.successes))
    try:
        rows = world.success_rows(seed)
    except UnmeasurableError as error:
        raise UserError(f"{_KEY}=world: no success is known here: {error} (expected a file or a folder)") from None
    if not len(rows):
        raise UserError(f"{_KEY}=world: no level could be solved (expected a file or a folder)")
    return rows[:, world.columns[config.reads]]


def _of_snapshots(config: ClassifierConfig, make_world: MakeWorld) -> np.ndarray:
    """Of a folder of safetensors files, each the arrays of a snapshot's `arrays()`."""
    files = sorted(Path(config.positives).glob("*.safetensors"))
    if not files:
        raise UserError(f"{_KEY}: '{config.positives}' holds no .safetensors files")
    states = [_read(path) for path in files]
    for path, state in zip(files, states, strict=True):
        if state.keys() != states[0].keys():
            raise UserError(f"{_KEY}: '{path}' has other arrays than '{files[0]}'")
    joined = {name: np.concatenate([state[name] for state in states]) for name in states[0]}
    world = _bare(make_world(len(next(iter(joined.values())))))
    try:
        return world.rows_of(joined)[:, world.columns[config.reads]]
    except (ValueError, KeyError) as error:
        why = f"'{files[0]}' lacks the array {error}" if isinstance(error, KeyError) else error
        raise UserError(f"{_KEY}: '{config.positives}' holds no snapshots of this world: {why}") from None


def _bare(world: Any) -> Any:
    """The world itself, without what only looks on; UserError where a television changes what is seen."""
    bare = world
    while not hasattr(bare, "success_rows"):
        if not hasattr(bare, "world"):
            raise UserError(f"{_KEY}: this world knows no success and no snapshots (expected a demonstration)")
        bare = bare.world
    if bare.columns != world.columns:
        raise UserError(f"{_KEY}: successes are known without a TV only (expected tv=off, or a demonstration)")
    return bare


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        return dict(safetensors.numpy.load_file(path))
    except (OSError, safetensors.SafetensorError) as error:
        raise UserError(f"{_KEY}: '{path}' cannot be read: {error}") from None
