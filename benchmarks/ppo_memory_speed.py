"""Trained steps per second of PPO with and without a memory, in one run on one machine.

    python benchmarks/ppo_memory_speed.py --threads 3 --out runs/reference/ppo-memory-speed

Whole iterations of `selfplay train ppo` with its default settings: acting, stepping DoorKey-8x8 and two epochs of
learning. The policies take turns, so that what else the machine does falls on all of them; medians of `--rounds`.
`×` is how many times as long a step takes as with the feed-forward policy.
"""

from __future__ import annotations

import statistics
import time

import click

PLAIN = "feed-forward"


@click.command()
@click.option("--env", default="DoorKey-8x8-v0", show_default=True)
@click.option("--sequences", default="8,16,32,64", show_default=True, help="Lengths that gradients run back.")
@click.option("--rounds", default=9, show_default=True)
@click.option("--autograd/--no-autograd", default=True, show_default=True, help="The readable path as well.")
@click.option("--threads", type=int)
@click.option("--out", type=click.Path())
def main(env, sequences, rounds, autograd, threads, out) -> None:
    """Print a table; with --out also write it there."""
    from selfplay.threads import limit_spinning, set_threads

    limit_spinning()
    from envs.grid.levels import level_spec
    from selfplay.bench.report import write_report
    from selfplay.methods import method_settings
    from selfplay.train import build_stage

    threads = set_threads(threads)
    policies = {PLAIN: {}}
    for length in sequences.split(","):
        policies[f"GRU, {length} steps back"] = {"ppo.memory": "gru", "ppo.sequence": length}
    if autograd:
        policies["GRU, 16 steps back, autograd"] = {"ppo.memory": "gru", "ppo.fused": "false"}
    stages = {
        name: build_stage("ppo", level_spec(env), method_settings("ppo", given), 0, "cpu")
        for name, given in policies.items()
    }
    rates: dict[str, list[float]] = {name: [] for name in stages}
    for round_ in range(rounds + 2):
        for name, stage in stages.items():
            before, began = stage.steps, time.perf_counter()
            stage.iterate(0.0)
            if round_ >= 2:  # the first two compile and warm up
                rates[name].append((stage.steps - before) / (time.perf_counter() - began))
    median = {name: statistics.median(values) for name, values in rates.items()}
    rows = [
        {"policy": name, "trained steps/s": median[name], "slowest": min(rates[name]), "fastest": max(rates[name]),
         "×": median[PLAIN] / median[name]}
        for name in stages
    ]  # fmt: skip
    write_report(f"Trained steps per second on {env}", rows, {"threads": threads, "rounds": rounds}, out)


if __name__ == "__main__":
    main()
