"""PPO in MuJoCo's worlds: ours beside stable-baselines3's, same steps, return and wall-clock.

    python benchmarks/ppo_mujoco.py --seeds 5 --out runs/reference/ppo-mujoco

Both: batches of 2,048 steps, 10 epochs of minibatches of 64, so as many gradient steps, two times two layers of 64 tanh
units, Adam at 3e-4, γ .99, λ .95, clip .2, no entropy bonus, gradients clipped at .5, observations and rewards
normalised by running moments. These are stable-baselines3's own defaults, with its VecNormalize; it plays one world for
2,048 steps, ours eight (`SETTINGS`) for 256. Seconds are those of playing and learning, without imports, compiling and
evaluation. Return: mean over 100 episodes of the mean action, in Gymnasium's own reward.
"""

from __future__ import annotations

import time
from typing import Any

import click

BUDGETS = {"InvertedPendulum-v5": 100_000, "Reacher-v5": 500_000, "Hopper-v5": 500_000}
EPISODES = 100
SETTINGS = {"num_envs": "8", "rollout_steps": "256", "ppo.minibatch_size": "64"}
"""Of ours: all else is what `selfplay train ppo` does in MuJoCo's worlds without being told."""


def train_ours(env: str, steps: int, seed: int, overrides: dict[str, str]) -> dict[str, Any]:
    """Seconds and the return after `steps` steps."""
    from selfplay.environments import find_environment
    from selfplay.methods import method_settings
    from selfplay.train import build_stage

    settings = method_settings("ppo", SETTINGS | overrides, "mujoco")
    stage = build_stage("ppo", find_environment(f"mujoco/{env}"), settings, seed, "cpu")
    began = time.perf_counter()
    while stage.steps < steps:
        stage.iterate(stage.steps / steps)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "return": stage.scores(EPISODES, 1_000_000, deterministic=True)["task"]["return"]}


def train_sb3(env: str, steps: int, seed: int, overrides: dict[str, str]) -> dict[str, Any]:
    """The same of stable-baselines3's PPO with VecNormalize, one environment."""
    import gymnasium
    import numpy as np
    from stable_baselines3 import PPO
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    worlds = VecNormalize(DummyVecEnv([lambda: Monitor(gymnasium.make(env))]))
    model = PPO("MlpPolicy", worlds, seed=seed, device="cpu")
    began = time.perf_counter()
    model.learn(steps)
    seconds = time.perf_counter() - began
    worlds.training, worlds.norm_reward = False, False
    worlds.seed(1_000_000)
    returns, _ = evaluate_policy(model, worlds, EPISODES, deterministic=True, return_episode_rewards=True)
    return {"seconds": seconds, "return": float(np.mean(returns))}


WHO = {"ours": train_ours, "sb3": train_sb3}


@click.command()
@click.option("--envs", default=",".join(BUDGETS), show_default=True)
@click.option("--who", default=",".join(WHO), show_default=True)
@click.option("--seeds", default=5, show_default=True)
@click.option("--steps", type=int, help="Instead of each environment's own budget.")
@click.option("--threads", type=int)
@click.option("--set", "pairs", multiple=True, help="Of ours.")
@click.option("--out", type=click.Path())
def main(envs, who, seeds, steps, threads, pairs, out) -> None:
    """Print a table; with --out also write it there."""
    from selfplay.threads import limit_spinning, set_threads

    limit_spinning()
    from selfplay.bench.report import write_report
    from selfplay.config import parse_pairs

    threads = set_threads(threads)
    overrides = parse_pairs(pairs)
    rows = []
    for env in envs.split(","):
        budget = steps or BUDGETS[env]
        for name in who.split(","):
            if name == "ours":
                train_ours(env, 1, 0, overrides)  # loads and compiles
            for seed in range(seeds):
                measured = WHO[name](env, budget, seed, overrides)
                rows.append({"env": env, "who": name, "seed": seed, "steps": budget, **measured})
                rows[-1]["steps_per_second"] = budget / rows[-1]["seconds"]
                print(rows[-1], flush=True)
    write_report("PPO in MuJoCo's worlds, ours and stable-baselines3's", rows, {"threads": threads}, out)


if __name__ == "__main__":
    main()
