"""stable-baselines3's PPO on minigrid's own environment, eight of them, its policy of two layers of 64."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from selfplay.bench.worker import serve, versions

SOLVED, PROMISING = 0.95, 0.9
EVALUATED = 128  # levels of an evaluation: each takes this peer about a minute's worth of training
ENVS = 8
SETTINGS: dict[str, Any] = {
    "n_steps": 512, "batch_size": 256, "n_epochs": 2, "learning_rate": 7e-4, "ent_coef": 0.01,
    "policy_kwargs": {"net_arch": [64, 64]},
}  # fmt: skip


def _make(level: str) -> Any:
    import gymnasium
    import minigrid  # noqa: F401 (registers its ids)
    from minigrid.wrappers import ImgObsWrapper

    return gymnasium.wrappers.FlattenObservation(ImgObsWrapper(gymnasium.make(f"MiniGrid-{level}")))


def _model(level: str, seed: int) -> Any:
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    worlds = make_vec_env(lambda: _make(level), n_envs=ENVS, seed=seed)
    return PPO("MlpPolicy", worlds, seed=seed, device="cpu", **SETTINGS)


def prepare(level: str, processors: int, packages: list[str]) -> dict[str, Any]:
    """Nothing is compiled. One rollout each with one of torch's threads and with all: the faster stays."""
    found = versions(packages)
    import gymnasium
    import minigrid  # noqa: F401 (registers its ids)
    import torch

    if f"MiniGrid-{level}" not in gymnasium.registry:
        raise ValueError(f"it has no MiniGrid-{level}")
    tried: list[tuple[float, int]] = []
    for threads in sorted({1, processors}):
        torch.set_num_threads(threads)
        model = _model(level, 0)
        began = time.perf_counter()
        model.learn(ENVS * SETTINGS["n_steps"])
        tried.append((time.perf_counter() - began, threads))
        model.env.close()
    torch.set_num_threads(min(tried)[1])
    return {
        "seconds": 0.0,
        "versions": found,
        "mode": {"num_envs": ENVS, "minibatch": SETTINGS["batch_size"]},
        "threads": min(tried)[1],
        "epochs": SETTINGS["n_epochs"],
    }


def train(level: str, seed: int, limit_seconds: float) -> dict[str, Any]:
    """Train to success on 128 fresh levels, or for `limit_seconds`; seconds without evaluation."""
    import numpy as np
    from stable_baselines3.common.callbacks import BaseCallback

    def solved(model: Any) -> float:
        env, hits = _make(level), 0
        for episode in range(EVALUATED):
            obs, _ = env.reset(seed=10_000 + episode)
            over, reward = False, 0.0
            while not over:
                action, _ = model.predict(obs, deterministic=False)
                obs, reward, terminated, truncated, _ = env.step(int(action))
                over = terminated or truncated
            hits += reward > 0
        return hits / EVALUATED

    class Watch(BaseCallback):
        """Stops at success or when the time is over; its clock stands still during an evaluation."""

        def __init__(self) -> None:
            super().__init__()
            self.began, self.seconds = time.perf_counter(), 0.0
            self.success: float | None = None

        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            self.seconds = time.perf_counter() - self.began
            returns = [info["r"] for info in self.model.ep_info_buffer or ()]
            if len(returns) > 50 and np.mean(np.array(returns) > 0) > PROMISING:
                self.success = solved(self.model)
                self.began = time.perf_counter() - self.seconds
            if (self.success or 0.0) >= SOLVED or self.seconds > limit_seconds:
                raise StopIteration

    model = _model(level, seed)
    watch = Watch()
    with contextlib.suppress(StopIteration):
        model.learn(10**9, callback=watch)
    model.env.close()
    return {"seed": seed, "steps": model.num_timesteps, "seconds": watch.seconds, "success": watch.success}


if __name__ == "__main__":
    serve({"prepare": prepare, "train": train})
