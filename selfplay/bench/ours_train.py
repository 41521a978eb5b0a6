"""Our PPO as a contender: trained to success, and where its time goes."""

from __future__ import annotations

import time
from typing import Any

from selfplay.bench.worker import serve, versions

SOLVED = 0.95
PROMISING = 0.9  # success while playing from which an evaluation is worth its time
OTHER_LEVELS = 1_000_000


def _stage(env: str, seed: int, overrides: dict[str, str]) -> Any:
    from envs.grid.levels import level_spec
    from selfplay.methods import method_settings
    from selfplay.train import build_stage

    return build_stage("ppo", level_spec(env), method_settings("ppo", overrides), seed, "cpu")


def prepare(env: str, threads: int, overrides: dict[str, str], packages: list[str]) -> dict[str, Any]:
    """Set the threads, compile (or load what is compiled) and play once: seconds of that, and the settings."""
    from selfplay.threads import set_threads

    began = time.perf_counter()
    set_threads(threads)
    stage = _stage(env, 0, overrides)
    stage.iterate(0.0)
    stage.evaluate()
    return {
        "seconds": time.perf_counter() - began,
        "versions": versions(packages),
        "mode": {"num_envs": stage.config.num_envs, "minibatch": stage.config.ppo.minibatch_size},
        "epochs": stage.config.ppo.epochs,
    }


def train(env: str, seed: int, limit: int, overrides: dict[str, str]) -> dict[str, Any]:
    """Train to success on 512 fresh levels, or for `limit` steps; seconds without evaluation."""
    stage = _stage(env, seed, overrides)
    seconds, success = 0.0, None
    while stage.steps < limit:
        began = time.perf_counter()
        report = stage.iterate(stage.steps / limit)
        seconds += time.perf_counter() - began
        if report.scalars.get("rollout/success", 0) > PROMISING:
            success = stage.evaluate()["eval/success"]
            if success >= SOLVED:
                break
    other = stage.scores(512, OTHER_LEVELS)["task"]["success"]
    return {"seed": seed, "steps": stage.steps, "seconds": seconds, "success": success, "on other levels": other}


def profile(env: str, iterations: int, overrides: dict[str, str]) -> dict[str, float]:
    """Seconds of each part in `iterations` iterations; see `bench.profile`."""
    from selfplay.bench.profile import shares

    stage = _stage(env, 0, overrides)
    stage.iterate(0.0)
    return shares(stage, iterations)


if __name__ == "__main__":
    serve({"prepare": prepare, "train": train, "profile": profile})
