"""What somebody else's environment can be used for here, and what is wrong with it."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import env_checker
from gymnasium.vector import VectorEnv

from envs.errors import OutsideError
from envs.outside.flat import FlatActions, FlatObservations
from envs.outside.make import Vectorisation, inside, make_many, registered, told
from envs.outside.spec import OutsideSpec
from envs.outside.world import OutsideWorld

STEPS = 2000
"""How many steps are looked at."""
_AGAIN = 200  # steps that are played a second time with the same seed
_LARGE = 1e3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. verdict: "wrong" rules out training, "mind" is to be known, "fine"."""

    what: str
    verdict: Literal["fine", "mind", "wrong"]
    words: str


def check(spec: OutsideSpec, steps: int = STEPS, seed: int = 0) -> list[Finding]:
    """Everything that is looked at, in order; stops where nothing more can be.

    Spaces, what Gymnasium's own checker says, then what a learner relies on: seeds, finite numbers, episodes that end.
    All this in the way that training would use: its own vector entry point where that fits, else one environment, and
    then two of them one after the other.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            how, way = _way(spec)
            many = make_many(spec, 2, how)
        one = _made(spec) if how == "sync" else None
    except (ValueError, OutsideError) as error:
        return [Finding("can be made", "wrong", str(error))]
    try:
        shown: gymnasium.Env | VectorEnv = many if one is None else one
        found = [
            Finding("can be made", "fine", type(shown.unwrapped).__qualname__),
            *_spaces(many.single_observation_space, many.single_action_space),
            *_gymnasiums_own(spec),
        ]
        if one is not None:
            found += _played(spec, partial(_play, spec, one), steps, seed)
        if not any(finding.verdict == "wrong" for finding in found):
            found += _side_by_side(spec, how, way, steps // 2 or 1, seed)
        return [*found, *_self_play(shown.unwrapped, many.single_observation_space)]
    finally:
        for made in (many, one):
            if made is not None:
                made.close()


def _way(spec: OutsideSpec) -> tuple[Vectorisation, str]:
    """What `vectorisation=auto` comes to, and that with the reason in words; ValueError where neither way is open."""
    known = registered(spec)
    if known.vector_entry_point is None:
        return "sync", "one after the other, by Gymnasium"
    try:
        make_many(spec, 2, "own").close()
    except ValueError as error:
        if known.entry_point is None:
            raise
        return "sync", f"one after the other, by Gymnasium: {str(error).removeprefix(f'{spec.id}: ')}"
    except OutsideError as error:
        raise OutsideError(f"{error}{_without(spec)}") from error
    return "own", "by its own vector entry point"


def _without(spec: OutsideSpec) -> str:
    """The way around a vector entry point that is broken, if there is one."""
    around = registered(spec).entry_point is not None
    return "; --set vectorisation=sync does without its vector entry point" if around else ""


def _made(spec: OutsideSpec) -> gymnasium.Env:
    registered(spec)
    with inside(spec.id, "making it"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return gymnasium.make(spec.gymnasium_id, disable_env_checker=True, **spec.kwargs)


def _spaces(sees: spaces.Space, does: spaces.Space) -> Iterator[Finding]:
    try:
        seen = FlatObservations(sees)
        words = f"{seen.size} {'tokens' if isinstance(seen.space, spaces.MultiDiscrete) else 'numbers'}"
        yield Finding("observations", "fine", words)
        if seen.unseen:
            yield Finding("observations", "mind", f"text is not seen: {', '.join(seen.unseen)}")
        if isinstance(sees, spaces.Box) and len(sees.shape) == 3:
            yield Finding("observations", "mind", "pictures are laid flat: there are no convolutions here")
    except ValueError as error:
        yield Finding("observations", "wrong", str(error))
    try:
        act = FlatActions(does).space
        if isinstance(act, spaces.Box) and np.isfinite(act.low).all() != np.isfinite(act.high).all():
            raise ValueError(f"an action needs both bounds or none, got {does}")
        yield Finding("actions", "fine", str(does))
    except ValueError as error:
        yield Finding("actions", "wrong", str(error))


def _gymnasiums_own(spec: OutsideSpec) -> Iterator[Finding]:
    """What `gymnasium.utils.env_checker` says of one. What rules out training shows in playing."""
    if registered(spec).entry_point is None:
        yield Finding("gymnasium's checker", "mind", "not asked: it looks at one environment, this comes as many only")
        return
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            env_checker.check_env(_made(spec).unwrapped, skip_render_check=True)
        except Exception as error:
            yield Finding("gymnasium's checker", "mind", str(error) if isinstance(error, OutsideError) else told(error))
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
    """What some steps of random actions showed. trace: of the first steps all that a seed should repeat."""

    trace: list[Any] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    terminated: int = 0
    cut: int = 0

    def trace_step(self, *shown: Any) -> None:
        """Keep what a step showed, if it is one of the first."""
        if len(self.trace) < _AGAIN:
            self.trace.append(shown)

    def ended(self, length: int, terminated: bool) -> None:
        """Count an episode."""
        self.lengths.append(length)
        self.terminated += terminated
        self.cut += not terminated


def _play(spec: OutsideSpec, env: gymnasium.Env, steps: int, seed: int) -> _Play:
    """Random actions in one; OutsideError for what breaks, or is not as the spaces say."""
    env.action_space.seed(int(np.random.default_rng(seed).integers(2**31)))
    found = _Play()
    with inside(spec.id, "reset"):
        observation, _ = env.reset(seed=seed)
    length = 0
    for step in range(1, steps + 1):
        _check(spec, env.observation_space, observation, step - 1)
        with inside(spec.id, f"step {step}"):
            observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            reward = float(reward)
        if not np.isfinite(reward):
            raise OutsideError(f"{spec.id}: step {step}: the reward is {reward}")
        found.rewards.append(reward)
        found.trace_step(reward, bool(terminated), bool(truncated), _digest(observation))
        length += 1
        if terminated or truncated:
            _check(spec, env.observation_space, observation, step)
            found.ended(length, bool(terminated))
            length = 0
            with inside(spec.id, "reset"):
                observation, _ = env.reset()
    return found


def _play_many(spec: OutsideSpec, world: OutsideWorld, steps: int, seed: int) -> _Play:
    """The same side by side, as a rollout steps them."""
    world.action_space.seed(int(np.random.default_rng(seed).integers(2**31)))
    found, count = _Play(), world.num_envs
    rows = world.reset(seed)
    next_rows, lengths = np.empty_like(rows), np.zeros(count, int)
    reward, terminated, truncated = np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)
    for step in range(1, steps + 1):
        action = np.stack([world.action_space.sample() for _ in range(count)])
        world.step(action, next_rows, rows, reward, terminated, truncated)
        for row in (*next_rows, *rows):
            _check(spec, world.observation_space, row, step)
        found.rewards += reward.tolist()
        found.trace_step(reward.tolist(), terminated.tolist(), truncated.tolist(), _digest((next_rows, rows)))
        lengths += 1
        for n in np.flatnonzero(terminated | truncated):
            found.ended(int(lengths[n]), bool(terminated[n]))
            lengths[n] = 0
    return found


def _digest(observation: Any) -> Any:
    """Every number of an observation, leaf by leaf: printed arrays leave most of a large one out."""
    if isinstance(observation, dict):
        return {key: _digest(part) for key, part in observation.items()}
    if isinstance(observation, tuple | list):
        return [_digest(part) for part in observation]
    leaf = np.asarray(observation)
    return repr(observation) if leaf.dtype == object else hashlib.sha256(leaf.tobytes()).digest()


def _check(spec: OutsideSpec, space: spaces.Space, observation: Any, step: int) -> None:
    if not space.contains(observation):
        raise OutsideError(f"{spec.id}: step {step}: the observation is not in {space}")


def _played(spec: OutsideSpec, play: Callable[[int, int], _Play], steps: int, seed: int) -> Iterator[Finding]:
    """What `play` of so many steps and a seed shows."""
    began = time.perf_counter()
    try:
        first = play(steps, seed)
        speed = len(first.rewards) / (time.perf_counter() - began)
        again = play(min(steps, _AGAIN), seed)
    except OutsideError as error:
        yield Finding("playing", "wrong", str(error))
        return
    yield Finding("playing", "fine", f"{len(first.rewards):,} random steps, {speed:,.0f} steps/s in one process")
    if first.trace == again.trace:
        yield Finding("seeds", "fine", "the same seed and actions give the same episode")
    else:
        yield Finding("seeds", "mind", "the same seed and actions give another episode: runs cannot be repeated")
    if first.lengths:
        words = f"{len(first.lengths)} ended, {first.terminated} by termination, {first.cut} by a time limit"
        yield Finding("episodes", "fine", f"{words}; {np.mean(first.lengths):.0f} steps on average")
    else:
        limit = spec.kwargs.get("max_episode_steps", registered(spec).max_episode_steps)
        words = f"none ended in {len(first.rewards):,} steps" + (
            f", the limit is {limit:,}" if limit else " and there is no limit"
        )
        yield Finding("episodes", "fine" if limit else "mind", words)
    rewards = np.array(first.rewards)
    words = f"{rewards.min():g} to {rewards.max():g}, mean {rewards.mean():.3g}"
    if not rewards.any():
        yield Finding("rewards", "mind", "all 0 under random actions: sparse, where a bonus may help (`train rnd`)")
    elif np.abs(rewards).max() > _LARGE:
        yield Finding("rewards", "mind", f"{words}: large, but rescaled in training (rescale_task=true)")
    else:
        yield Finding("rewards", "fine", words)


def _side_by_side(spec: OutsideSpec, how: Vectorisation, way: str, steps: int, seed: int) -> Iterator[Finding]:
    """Two of them, stepped and begun anew as in training. Of its own vector entry point this is all that is played."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        world = OutsideWorld(spec, 2, how)
    play = partial(_play_many, spec, world)
    if how == "own":
        found = list(_played(spec, play, steps, seed))
        yield from found
        broken = any(finding.verdict == "wrong" for finding in found)
        yield Finding("many at once", "mind" if broken else "fine", way + (_without(spec) if broken else ""))
        return
    try:
        play(steps, seed)
    except OutsideError as error:
        yield Finding("many at once", "wrong", str(error))
    else:
        yield Finding("many at once", "fine", way)


def _self_play(env: Any, space: spaces.Space) -> Iterator[Finding]:
    """Whether it has what a game of Alice and Bob needs: not from outside yet, but it says what is missing."""
    missing = [name for name in ("snapshot", "restore", "reached") if not hasattr(env, name)]
    goals = isinstance(space, spaces.Dict) and {"achieved_goal", "desired_goal"} <= space.spaces.keys()
    missing += [] if goals else ["achieved_goal and desired_goal in its observations"]
    words = f"no: lacks {', '.join(missing)}" if missing else "no: has what it takes, but only our own worlds are wired"
    yield Finding("self-play", "mind", words)
