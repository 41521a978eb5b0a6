"""What somebody else's environment can be used for here, and what is wrong with it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import env_checker

from envs.errors import OutsideError
from envs.outside.flat import FlatActions, FlatObservations
from envs.outside.make import inside, registered, told
from envs.outside.spec import OutsideSpec

STEPS = 2000
"""How many steps are looked at."""
_LARGE = 1e3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. verdict: "wrong" rules out training, "mind" is to be known, "fine"."""

    what: str
    verdict: Literal["fine", "mind", "wrong"]
    words: str


def check(spec: OutsideSpec, steps: int = STEPS, seed: int = 0) -> list[Finding]:
    """Everything that is looked at, in order; stops where nothing more can be.

    Gymnasium's own checker first, then what a learner relies on: spaces, seeds, finite numbers, episodes that end.
    """
    try:
        env = _made(spec)
    except (ValueError, OutsideError) as error:
        return [Finding("can be made", "wrong", str(error))]
    try:
        return [
            Finding("can be made", "fine", type(env.unwrapped).__qualname__),
            *_spaces(env),
            *_gymnasiums_own(env),
            *_played(spec, env, steps, seed),
            *_vector(spec),
            *_self_play(env),
        ]
    finally:
        env.close()


def _made(spec: OutsideSpec) -> gymnasium.Env:
    registered(spec)
    with inside(spec.id, "making it"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return gymnasium.make(spec.gymnasium_id, disable_env_checker=True, **spec.kwargs)


def _spaces(env: gymnasium.Env) -> Iterator[Finding]:
    try:
        seen = FlatObservations(env.observation_space)
        words = f"{seen.size} {'tokens' if isinstance(seen.space, spaces.MultiDiscrete) else 'numbers'}"
        yield Finding("observations", "fine", words)
        if seen.unseen:
            yield Finding("observations", "mind", f"text is not seen: {', '.join(seen.unseen)}")
        if isinstance(env.observation_space, spaces.Box) and len(env.observation_space.shape) == 3:
            yield Finding("observations", "mind", "pictures are laid flat: there are no convolutions here")
    except ValueError as error:
        yield Finding("observations", "wrong", str(error))
    try:
        act = FlatActions(env.action_space).space
        if isinstance(act, spaces.Box) and np.isfinite(act.low).all() != np.isfinite(act.high).all():
            raise ValueError(f"an action needs both bounds or none, got {env.action_space}")
        yield Finding("actions", "fine", str(env.action_space))
    except ValueError as error:
        yield Finding("actions", "wrong", str(error))


def _gymnasiums_own(env: gymnasium.Env) -> Iterator[Finding]:
    """What `gymnasium.utils.env_checker` says."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            env_checker.check_env(env.unwrapped, skip_render_check=True)
        except Exception as error:
            yield Finding("gymnasium's checker", "wrong", told(error))
            return
    for words in dict.fromkeys(_plain(str(one.message)) for one in said):
        yield Finding("gymnasium's checker", "mind", words)
    if not said:
        yield Finding("gymnasium's checker", "fine", "nothing to complain of")


def _plain(text: str) -> str:
    """A warning of Gymnasium's without its colours and prefix, in one line."""
    for code in ("\x1b[33m", "\x1b[0m", "WARN:"):
        text = text.replace(code, "")
    return " ".join(text.split())


@dataclass
class _Play:
    """What some steps of random actions showed."""

    trace: list[Any]
    lengths: list[int]
    rewards: list[float]
    terminated: int = 0
    cut: int = 0


def _play(spec: OutsideSpec, env: gymnasium.Env, steps: int, seed: int) -> _Play:
    """Random actions; OutsideError for what breaks, or is not as the spaces say."""
    env.action_space.seed(int(np.random.default_rng(seed).integers(2**31)))
    found = _Play([], [], [])
    with inside(spec.id, "reset"):
        observation, _ = env.reset(seed=seed)
    length = 0
    for step in range(1, steps + 1):
        _check(spec, env, observation, step - 1)
        with inside(spec.id, f"step {step}"):
            observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            reward = float(reward)
        if not np.isfinite(reward):
            raise OutsideError(f"{spec.id}: step {step}: the reward is {reward}")
        found.rewards.append(reward)
        found.trace.append((reward, bool(terminated), bool(truncated), repr(observation)))
        length += 1
        if terminated or truncated:
            _check(spec, env, observation, step)
            found.lengths.append(length)
            found.terminated += bool(terminated)
            found.cut += bool(truncated and not terminated)
            length = 0
            with inside(spec.id, "reset"):
                observation, _ = env.reset()
    return found


def _check(spec: OutsideSpec, env: gymnasium.Env, observation: Any, step: int) -> None:
    if not env.observation_space.contains(observation):
        raise OutsideError(f"{spec.id}: step {step}: the observation is not in {env.observation_space}")


def _played(spec: OutsideSpec, env: gymnasium.Env, steps: int, seed: int) -> Iterator[Finding]:
    began = time.perf_counter()
    try:
        first = _play(spec, env, steps, seed)
        speed = steps / (time.perf_counter() - began)
        again = _play(spec, env, min(steps, 200), seed)
    except OutsideError as error:
        yield Finding("playing", "wrong", str(error))
        return
    yield Finding("playing", "fine", f"{steps:,} random steps, {speed:,.0f} steps/s in one process")
    if first.trace[: len(again.trace)] == again.trace:
        yield Finding("seeds", "fine", "the same seed and actions give the same episode")
    else:
        yield Finding("seeds", "mind", "the same seed and actions give another episode: runs cannot be repeated")
    if first.lengths:
        words = f"{len(first.lengths)} ended, {first.terminated} by termination, {first.cut} by a time limit"
        yield Finding("episodes", "fine", f"{words}; {np.mean(first.lengths):.0f} steps on average")
    else:
        limit = env.spec.max_episode_steps if env.spec is not None else None
        words = f"none ended in {steps:,} steps" + (f", the limit is {limit:,}" if limit else " and there is no limit")
        yield Finding("episodes", "fine" if limit else "mind", words)
    rewards = np.array(first.rewards)
    words = f"{rewards.min():g} to {rewards.max():g}, mean {rewards.mean():.3g}"
    if not rewards.any():
        yield Finding("rewards", "mind", "all 0 under random actions: sparse, where a bonus may help (`train rnd`)")
    elif np.abs(rewards).max() > _LARGE:
        yield Finding("rewards", "mind", f"{words}: large, but rescaled in training (rescale_task=true)")
    else:
        yield Finding("rewards", "fine", words)


def _vector(spec: OutsideSpec) -> Iterator[Finding]:
    known = registered(spec)
    own = known.vector_entry_point is not None
    yield Finding("many at once", "fine", "has its own vector entry point" if own else "by Gymnasium's vectorisation")


def _self_play(env: gymnasium.Env) -> Iterator[Finding]:
    """Whether it has what a game of Alice and Bob needs: not from outside yet, but it says what is missing."""
    missing = [name for name in ("snapshot", "restore", "reached") if not hasattr(env.unwrapped, name)]
    space = env.observation_space
    goals = isinstance(space, spaces.Dict) and {"achieved_goal", "desired_goal"} <= space.spaces.keys()
    missing += [] if goals else ["achieved_goal and desired_goal in its observations"]
    words = f"no: lacks {', '.join(missing)}" if missing else "no: has what it takes, but only our own worlds are wired"
    yield Finding("self-play", "mind", words)
