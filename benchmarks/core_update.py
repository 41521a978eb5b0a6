"""Trained steps per second of the learner alone: `python benchmarks/core_update.py --threads 4`.

The batch is made up: 49 view cells of `--symbols` symbols each, of which about 17 are seen, a direction and a mission
token, seven actions. "act" is the rollout's part of the learner (no environment), "update" everything after it.
"""

from __future__ import annotations

import argparse
import statistics
import time

import gymnasium
import numba
import numpy as np
import torch

from selfplay.core.acting import Act
from selfplay.core.config import PPOConfig
from selfplay.core.learner import Learner
from selfplay.core.streams import Stream
from selfplay.core.transitions import Transitions
from selfplay.rewards.task import TaskReward


def made_up(steps: int, envs: int, nvec: np.ndarray, seen: float, seed: int) -> Transitions:
    """Random transitions whose tokens use ten values each, most of them 0."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, np.minimum(nvec, 10), (steps + 1, envs, len(nvec)), dtype=np.uint8)
    tokens[..., :49] *= rng.random((steps + 1, envs, 49)) < seen
    obs = torch.from_numpy(tokens)
    done = torch.from_numpy(rng.random((steps, envs)) < 0.02)
    return Transitions(
        obs=obs[:-1],
        action=torch.from_numpy(rng.integers(0, 7, (steps, envs))),
        log_prob=torch.full((steps, envs), -1.95),
        value=torch.zeros(steps, envs, 1),
        next_obs=obs[1:],
        terminated=done,
        truncated=torch.zeros_like(done),
        task_reward=done.float(),
        mask=torch.ones_like(done),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--envs", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--minibatch", type=int, default=16384)
    parser.add_argument("--symbols", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    numba.set_num_threads(options.threads)
    nvec = np.array([options.symbols] * 49 + [5, 7])
    batch = made_up(options.steps, options.envs, nvec, 0.39, seed=0)
    total = options.steps * options.envs
    print(f"{options.threads} threads, {options.envs} x {options.steps}, minibatch {options.minibatch}, 2 epochs")
    for fused in (True, False):
        config = PPOConfig(fused=fused, minibatch_size=options.minibatch)
        learner = Learner(
            gymnasium.spaces.MultiDiscrete(nvec), gymnasium.spaces.Discrete(7), config, [Stream(TaskReward())], seed=0
        )
        out = Act(batch.action[0].clone(), batch.log_prob[0].clone(), batch.value[0].clone())
        times: dict[str, list[float]] = {"act": [], "update": []}
        for repeat in range(options.repeats + 2):
            start = time.perf_counter()
            for t in range(options.steps):
                learner.act(batch.obs[t], out=out)
            middle = time.perf_counter()
            learner.update(batch)
            end = time.perf_counter()
            if repeat >= 2:  # the first two compile and warm up
                times["act"].append(middle - start)
                times["update"].append(end - middle)
        act, update = (statistics.median(times[part]) for part in ("act", "update"))
        print(
            f"{'fused' if fused else 'autograd':>8}: act {total / act / 1e3:.0f} k steps/s, update "
            f"{total / update / 1e3:.0f} k, both {total / (act + update) / 1e3:.0f} k"
        )


if __name__ == "__main__":
    main()
