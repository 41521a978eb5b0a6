"""Steps per second of our grid engine and of minigrid itself, in one run.

    python benchmarks/grid_stepping.py [--level DoorKey-8x8-v0] [--num-envs 4096] [--threads 4] [--json]

Random actions, MiniGrid's 7x7 image observation, fresh levels at every episode end. Ours goes through
`GridVectorEnv.step`, with what Gymnasium's interface costs; minigrid through `SyncVectorEnv` and a single `gym.make`
environment that is reset when its episode ends. The contenders take turns, round by round, so that a busy moment of
the machine falls on all of them; the figure is the median over rounds.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import gymnasium as gym
import minigrid  # noqa: F401 (registers its ids)
import numba as nb
import numpy as np
from gymnasium.vector import SyncVectorEnv

from envs.grid.levels import level_spec
from envs.grid.vector_env import GridVectorEnv


def _for_seconds(step: Callable[[int], None], steps: int, seconds: float) -> float:
    """Call `step(k)`, which makes `steps` environment steps, for about `seconds`; steps a second."""
    calls, started = 0, time.perf_counter()
    while True:
        step(calls)
        calls += 1
        passed = time.perf_counter() - started
        if passed >= seconds:
            return calls * steps / passed


def ours(level: str, num_envs: int, threads: int, observation: str, seconds: float) -> Callable[[], float]:
    """A measurement of `GridVectorEnv.step` on `threads` threads; compiled and warm."""
    worlds = GridVectorEnv(level, num_envs, observation)
    worlds.reset(seed=0)
    actions = np.random.default_rng(0).integers(worlds.engine.num_actions, size=(64, num_envs))
    for k in range(64):
        worlds.step(actions[k])

    def measure() -> float:
        nb.set_num_threads(threads)
        return _for_seconds(lambda k: worlds.step(actions[k % 64]) and None, num_envs, seconds)

    return measure


def sync_vector_env(minigrid_id: str, num_envs: int, seconds: float) -> Callable[[], float]:
    """A measurement of minigrid in Gymnasium's SyncVectorEnv."""
    worlds = SyncVectorEnv([lambda: gym.make(minigrid_id) for _ in range(num_envs)])
    worlds.reset(seed=0)
    actions = np.random.default_rng(0).integers(7, size=(64, num_envs))
    return lambda: _for_seconds(lambda k: worlds.step(actions[k % 64]) and None, num_envs, seconds)


def single_env(minigrid_id: str, seconds: float) -> Callable[[], float]:
    """A measurement of one minigrid environment, as `gym.make` gives it."""
    env = gym.make(minigrid_id)
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(7, size=4096)

    def step(k: int) -> None:
        _, _, terminated, truncated, _ = env.step(actions[k % 4096])
        if terminated or truncated:
            env.reset()

    return lambda: _for_seconds(step, 1, seconds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--level", default="DoorKey-8x8-v0")
    parser.add_argument("--num-envs", type=int, default=4096)
    parser.add_argument("--sync-envs", type=int, default=64, help="environments in minigrid's SyncVectorEnv")
    parser.add_argument("--threads", type=int, default=nb.get_num_threads())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each contender in each round")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    spec = level_spec(chosen.level)
    if spec.minigrid_id is None:
        parser.error(f"{chosen.level} is not one of minigrid's levels")
    args = (chosen.level, chosen.num_envs)
    contenders = {
        f"ours, image, {chosen.threads} threads": ours(*args, chosen.threads, "image", chosen.seconds),
        f"ours, tokens, {chosen.threads} threads": ours(*args, chosen.threads, "tokens", chosen.seconds),
        "ours, image, 1 thread": ours(*args, 1, "image", chosen.seconds),
        f"minigrid, SyncVectorEnv of {chosen.sync_envs}": sync_vector_env(
            spec.minigrid_id, chosen.sync_envs, chosen.seconds
        ),
        "minigrid, gym.make": single_env(spec.minigrid_id, chosen.seconds),
    }
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(chosen.rounds):
        for name, measure in contenders.items():
            rates[name].append(measure())
    medians = {name: statistics.median(found) for name, found in rates.items()}
    first, _, _, sync, _ = medians
    result = {
        "level": spec.id,
        "num_envs": chosen.num_envs,
        "rounds": chosen.rounds,
        "steps_per_second": medians,
        "range": {name: [min(found), max(found)] for name, found in rates.items()},
        "ratio": medians[first] / medians[sync],
        "versions": {name: version(name) for name in ("minigrid", "gymnasium", "numba", "numpy")},
        "python": platform.python_version(),
        "threading_layer": nb.threading_layer(),
    }
    if chosen.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{spec.id}, {chosen.num_envs} environments, random actions, fresh levels; median of {chosen.rounds} rounds")
    for name, rate in medians.items():
        print(f"  {name:32s} {rate:14,.0f} steps/s   ({min(rates[name]):,.0f} to {max(rates[name]):,.0f})")
    print(f"  ratio, {first} to SyncVectorEnv: {result['ratio']:,.0f}")
    known = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    print(f"  {known}, python {result['python']}, {result['threading_layer']}")


if __name__ == "__main__":
    main()
