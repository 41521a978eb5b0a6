"""PPO in MuJoCo's worlds: ours beside stable-baselines3's, same steps, return and wall-clock.

    python benchmarks/ppo_mujoco.py --seeds 5 --jobs 2 --out runs/reference/ppo-mujoco

Both: batches of 2,048 steps, 10 epochs of minibatches of 64, so as many gradient steps, two times two layers of 64 tanh
units, Adam at 3e-4, γ .99, λ .95, clip .2, no entropy bonus, gradients clipped at .5, observations and rewards
normalised by running moments. These are stable-baselines3's own defaults, with its VecNormalize; it plays one world for
2,048 steps, ours eight (`SETTINGS`) for 256. Seconds are those of playing and learning, without imports, compiling and
evaluation: of the clock, and of the processor, which other work on the machine hardly changes. Return: mean over 100
episodes of the mean action, in Gymnasium's own reward.

Every training is a process of its own with `--threads` threads; ours and theirs take turns, `--jobs` at a time. With
--out the same command goes on where it stopped.
"""

from __future__ import annotations

import json
import multiprocessing
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import click

BUDGETS = {"InvertedPendulum-v5": 100_000, "Reacher-v5": 500_000, "Hopper-v5": 500_000}
EPISODES = 100
SETTINGS = {"num_envs": "8", "rollout_steps": "256", "ppo.minibatch_size": "64"}
"""Of ours: all else is what `selfplay train ppo` does in MuJoCo's worlds without being told."""
Row = dict[str, Any]


class Stopwatch:
    """Seconds of the clock and of this process's processor time, of what is inside."""

    def __enter__(self) -> Stopwatch:
        self._began = (time.perf_counter(), time.process_time())
        return self

    def __exit__(self, *_: object) -> None:
        now = (time.perf_counter(), time.process_time())
        self.seconds, self.processor_seconds = (end - began for end, began in zip(now, self._began, strict=True))

    def row(self) -> Row:
        return {"seconds": self.seconds, "processor_seconds": self.processor_seconds}


def train_ours(env: str, steps: int, seed: int, overrides: dict[str, str]) -> Row:
    """Seconds and the return after `steps` steps."""
    from selfplay.environments import find_environment
    from selfplay.methods import method_settings
    from selfplay.train import build_stage

    settings = method_settings("ppo", SETTINGS | overrides, "mujoco")

    def stage_of(seed: int) -> Any:
        return build_stage("ppo", find_environment(f"mujoco/{env}"), settings, seed, "cpu")

    stage_of(0).iterate(0.0)  # loads and compiles
    stage = stage_of(seed)
    with Stopwatch() as watch:
        while stage.steps < steps:
            stage.iterate(stage.steps / steps)
    return watch.row() | {"return": stage.scores(EPISODES, 1_000_000, deterministic=True)["task"]["return"]}


def train_sb3(env: str, steps: int, seed: int, _overrides: dict[str, str]) -> Row:
    """The same of stable-baselines3's PPO with VecNormalize, one environment."""
    import gymnasium
    import numpy as np
    from stable_baselines3 import PPO
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.logger import configure
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    worlds = VecNormalize(DummyVecEnv([lambda: Monitor(gymnasium.make(env))]))
    model = PPO("MlpPolicy", worlds, seed=seed, device="cpu")
    model.set_logger(configure(None, []))  # prints nothing and leaves no folder
    with Stopwatch() as watch:
        model.learn(steps)
    worlds.training, worlds.norm_reward = False, False
    worlds.seed(1_000_000)
    returns, _ = evaluate_policy(model, worlds, EPISODES, deterministic=True, return_episode_rewards=True)
    return watch.row() | {"return": float(np.mean(returns))}


WHO = {"ours": train_ours, "sb3": train_sb3}


def measure(who: str, env: str, steps: int, seed: int, threads: int, overrides: dict[str, str]) -> Row:
    """One training, in a process that does nothing else."""
    from selfplay.threads import limit_spinning, set_threads

    limit_spinning()
    set_threads(threads)
    found = WHO[who](env, steps, seed, overrides)
    return {"env": env, "who": who, "seed": seed, "steps": steps, **found, "steps_per_second": steps / found["seconds"]}


def summary(rows: list[Row]) -> list[Row]:
    """For each environment both returns with intervals over seeds, and what time ours takes of theirs."""
    import numpy as np

    from selfplay.studies.statistics import Bounds, difference_interval, iqm_interval

    found = []
    for env in dict.fromkeys(row["env"] for row in rows):
        line: Row = {"env": env}
        returns, seconds, processor = {}, {}, {}
        for who in WHO:
            ours = sorted((row for row in rows if (row["env"], row["who"]) == (env, who)), key=lambda row: row["seed"])
            if not ours:
                continue
            returns[who] = Bounds.exact(np.array([row["return"] for row in ours]))
            seconds[who] = float(np.median([row["seconds"] for row in ours]))
            processor[who] = float(np.median([row["processor_seconds"] for row in ours]))
            line |= {f"return, {who}": _interval(iqm_interval(returns[who])), f"seconds, {who}": seconds[who]}
        if len(returns) == len(WHO):
            line["ours − sb3"] = _interval(difference_interval(returns["ours"], returns["sb3"], paired=False))
            line["times as fast"] = seconds["sb3"] / seconds["ours"]
            line["by processor time"] = processor["sb3"] / processor["ours"]
        found.append(line)
    return found


def _end_trainings(signum: int, _frame: object) -> None:
    """As the terminal's Ctrl-C does, which all processes get."""
    for training in multiprocessing.active_children():
        training.terminate()
    sys.exit(128 + signum)


def _interval(found: Any) -> str:
    return f"{found.found_low:.4g} [{found.low:.4g}, {found.high:.4g}]"


@click.command()
@click.option("--envs", default=",".join(BUDGETS), show_default=True)
@click.option("--who", default=",".join(WHO), show_default=True)
@click.option("--seeds", default=5, show_default=True)
@click.option("--steps", type=int, help="Instead of each environment's own budget.")
@click.option("--jobs", default=1, show_default=True, help="Trainings at a time.")
@click.option("--threads", default=1, show_default=True, help="Of each of them.")
@click.option("--set", "pairs", multiple=True, help="Of ours.")
@click.option("--out", type=click.Path(path_type=Path))
def main(envs, who, seeds, steps, jobs, threads, pairs, out) -> None:
    """Print a table; with --out also write it there, and every training as soon as it is over."""
    from selfplay.bench.report import write_report
    from selfplay.config import parse_pairs
    from selfplay.jsonfile import read_lines

    overrides = parse_pairs(pairs)
    tasks = [
        (name, env, steps or BUDGETS[env], seed)
        for env in envs.split(",")
        for seed in range(seeds)
        for name in who.split(",")
    ]
    kept = out / "rows.jsonl" if out else None
    rows = [] if kept is None or not kept.exists() else read_lines(kept)
    done = {(row["who"], row["env"], row["steps"], row["seed"]) for row in rows}
    signal.signal(signal.SIGTERM, _end_trainings)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        going = [pool.submit(measure, *task, threads, overrides) for task in tasks if task not in done]
        for one in as_completed(going):
            rows.append(one.result())
            print(rows[-1], flush=True)
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                with kept.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    rows = [row for row in rows if (row["who"], row["env"], row["steps"], row["seed"]) in tasks]
    rows.sort(key=lambda row: tasks.index((row["who"], row["env"], row["steps"], row["seed"])))
    facts = {"threads": threads, "trainings at a time": jobs}
    write_report(
        "PPO in MuJoCo's worlds, ours and stable-baselines3's", rows, facts, str(out) if out else None, summary(rows)
    )


if __name__ == "__main__":
    main()
