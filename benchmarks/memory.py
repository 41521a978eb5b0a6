"""What a memory is for: PPO with a GRU and without on MiniGrid's Memory levels, to success ≥ .95.

    python benchmarks/memory.py --seeds 5 --out runs/reference/memory

`selfplay train ppo` with its default settings, but for `ppo.memory`; evaluated on 512 fresh levels whenever the
rollout's success passes .9, stopped at .95 or after `--limit` steps, then scored once more on 512 other levels. Seconds
are those of collecting and learning, without evaluation and without the compiler.
"""

from __future__ import annotations

import time

import click


def train(env: str, memory: str, seed: int, limit: int, overrides: dict[str, str]) -> dict:
    """Train to .95 or `limit` steps."""
    from envs.grid.levels import level_spec
    from selfplay.methods import method_settings
    from selfplay.train import build_stage

    settings = method_settings("ppo", {**overrides, "ppo.memory": memory})
    stage = build_stage("ppo", level_spec(env), settings, seed, "cpu")
    seconds, success, best = 0.0, float("nan"), 0.0
    while stage.steps < limit:
        began = time.perf_counter()
        report = stage.iterate(stage.steps / limit)
        seconds += time.perf_counter() - began
        rollout = report.scalars.get("rollout/success", 0)
        best = max(best, rollout)
        if rollout > 0.9 or stage.steps >= limit:
            success = stage.evaluate()["eval/success"]
            if success >= 0.95:
                break
    return {
        "env": env, "memory": memory, "seed": seed, "steps": stage.steps, "seconds": seconds,
        "steps_per_second": stage.steps / seconds, "success": success, "best rollout": best,
        "on other levels": stage.scores(512, 1_000_000)["task"]["success"],
    }  # fmt: skip


@click.command()
@click.option("--envs", default="MemoryS7-v0,MemoryS11-v0", show_default=True)
@click.option("--seeds", default=5, show_default=True)
@click.option("--limit", default=20_000_000, show_default=True, help="Steps after which a run gives up.")
@click.option("--threads", type=int)
@click.option("--set", "pairs", multiple=True)
@click.option("--out", type=click.Path())
def main(envs, seeds, limit, threads, pairs, out) -> None:
    """Print a table; with --out also write it there."""
    from selfplay.threads import limit_spinning, set_threads

    limit_spinning()
    from selfplay.bench.report import write_report
    from selfplay.config import parse_pairs

    threads = set_threads(threads)
    overrides = parse_pairs(pairs)
    rows = []
    for env in envs.split(","):
        for memory in ("gru", "none"):
            train(env, memory, 0, 1, overrides)  # compiles the kernels
            for seed in range(seeds):
                rows.append(train(env, memory, seed, limit, overrides))
                print(rows[-1], flush=True)
    write_report("PPO with and without a memory, to success ≥ .95", rows, {"threads": threads}, out)


if __name__ == "__main__":
    main()
