"""PPO to success ≥ .95 on DoorKey-8x8, ours beside stable-baselines3's, in one run on one machine.

    python benchmarks/ppo_doorkey.py --seeds 5 --peer-seeds 1 --out runs/reference/ppo-doorkey

Ours: `selfplay train ppo` with its default settings, evaluated on 512 fresh levels whenever the rollout's success
passes .9, stopped at .95, then scored once more on 512 other levels. The peer: stable-baselines3's PPO, its defaults
but for the settings below, on MiniGrid's own environment (same 7x7 view, flattened), evaluated on 128 levels likewise.
Seconds are those of collecting and learning, without evaluation; ours leave out the compiler, which is told apart.
"""

from __future__ import annotations

import contextlib
import time

import click


def ours(env: str, seed: int, limit: int, overrides: dict[str, str]) -> dict:
    """Train to .95 or `limit` steps."""
    from envs.grid.levels import level_spec
    from selfplay.methods import method_settings
    from selfplay.train import build_stage

    settings = method_settings("ppo", overrides)
    stage = build_stage("ppo", level_spec(env), settings, seed, "cpu")
    seconds, success = 0.0, float("nan")
    while stage.steps < limit:
        began = time.perf_counter()
        report = stage.iterate(stage.steps / limit)
        seconds += time.perf_counter() - began
        if report.scalars.get("rollout/success", 0) > 0.9:
            success = stage.evaluate()["eval/success"]
            if success >= 0.95:
                break
    return {
        "who": "selfplay", "seed": seed, "steps": stage.steps, "seconds": seconds,
        "steps_per_second": stage.steps / seconds, "success": success,
        "on other levels": stage.scores(512, 1_000_000)["task"]["success"],
    }  # fmt: skip


def peer(env: str, seed: int, limit_seconds: float, threads: int) -> dict:
    """stable-baselines3's PPO on minigrid's own environment, eight of them in one process."""
    import gymnasium
    import numpy as np
    import torch
    from minigrid.wrappers import ImgObsWrapper
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env

    torch.set_num_threads(threads)

    def make() -> gymnasium.Env:
        return gymnasium.wrappers.FlattenObservation(ImgObsWrapper(gymnasium.make(env)))

    class Watch(BaseCallback):
        """Stops at .95 on 128 fresh levels, or when the time is over; keeps the clock without evaluation."""

        def __init__(self) -> None:
            super().__init__()
            self.began, self.success = time.perf_counter(), 0.0

        def _on_step(self) -> bool:
            return True

        def _on_rollout_end(self) -> None:
            returns = [info["r"] for info in self.model.ep_info_buffer]
            self.promising = len(returns) > 50 and np.mean(np.array(returns) > 0) > 0.9

        def _on_rollout_start(self) -> None:
            if getattr(self, "promising", False) and self.success < 0.95:
                paused = time.perf_counter()
                self.success = solved(self.model, make, 128)
                self.began += time.perf_counter() - paused
            if self.success >= 0.95 or time.perf_counter() - self.began > limit_seconds:
                self.seconds = time.perf_counter() - self.began
                raise StopIteration

    def solved(model, make_env, episodes: int) -> float:
        env, hits = make_env(), 0
        for episode in range(episodes):
            obs, _ = env.reset(seed=10_000 + episode)
            over = False
            while not over:
                action, _ = model.predict(obs, deterministic=False)
                obs, reward, terminated, truncated, _ = env.step(int(action))
                over = terminated or truncated
            hits += reward > 0
        return hits / episodes

    worlds = make_vec_env(make, n_envs=8, seed=seed)
    model = PPO(
        "MlpPolicy", worlds, n_steps=512, batch_size=256, n_epochs=4, learning_rate=7e-4, ent_coef=0.01,
        policy_kwargs={"net_arch": [64, 64]}, seed=seed, device="cpu",
    )  # fmt: skip
    watch = Watch()
    with contextlib.suppress(StopIteration):
        model.learn(10**9, callback=watch)
    return {
        "who": "stable-baselines3", "seed": seed, "steps": model.num_timesteps, "seconds": watch.seconds,
        "steps_per_second": model.num_timesteps / watch.seconds, "success": watch.success,
    }  # fmt: skip


@click.command()
@click.option("--env", default="DoorKey-8x8-v0", show_default=True)
@click.option("--seeds", default=5, show_default=True)
@click.option("--peer-seeds", default=1, show_default=True)
@click.option("--peer-seconds", default=400.0, show_default=True)
@click.option("--limit", default=20_000_000, show_default=True, help="Steps after which ours gives up.")
@click.option("--threads", type=int)
@click.option("--set", "pairs", multiple=True)
@click.option("--out", type=click.Path())
def main(env, seeds, peer_seeds, peer_seconds, limit, threads, pairs, out) -> None:
    """Print a table; with --out also write it there."""
    from _report import write_report

    from selfplay.config import parse_pairs
    from selfplay.threads import set_threads

    threads = set_threads(threads)
    overrides = parse_pairs(pairs)
    began = time.perf_counter()
    ours(env, 0, 1, overrides)
    compiled = time.perf_counter() - began
    rows = []
    for seed in range(max(seeds, peer_seeds)):
        if seed < seeds:
            rows.append(ours(env, seed, limit, overrides))
            print(rows[-1], flush=True)
        if seed < peer_seeds:
            rows.append(peer(f"MiniGrid-{env.removeprefix('grid/')}", seed, peer_seconds, threads))
            print(rows[-1], flush=True)
    write_report(f"PPO to success ≥ .95 on {env}", rows, {"first iteration, compiler included (s)": compiled,
                                                         "threads": threads}, out)  # fmt: skip


if __name__ == "__main__":
    main()
