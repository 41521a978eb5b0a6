"""What each bonus costs: trained steps per second as a share of plain PPO's, in one run on one machine.

    python benchmarks/bonus_cost.py --threads 2 --out runs/reference/bonus-cost

Whole iterations of `selfplay train NAME` with its default settings: acting, stepping, paying the bonus, two epochs of
learning, and the bonus's own learning. The bonuses take turns, so that what else the machine does falls on all of
them; `share` is the median over rounds of the ratio to PPO's rate in the same round.
"""

from __future__ import annotations

import statistics
import time

import click

PLAIN = "ppo"


@click.command()
@click.option("--env", default="MultiRoom-N7-S4-v0", show_default=True)
@click.option("--rounds", default=9, show_default=True)
@click.option("--threads", type=int)
@click.option("--out", type=click.Path())
def main(env, rounds, threads, out) -> None:
    """Print a table; with --out also write it there."""
    from selfplay.threads import limit_spinning, set_threads

    limit_spinning()
    from curiosity.catalogue import SOURCES
    from envs.grid.levels import level_spec
    from selfplay.bench.report import write_report
    from selfplay.methods import method_settings
    from selfplay.train import build_stage

    threads = set_threads(threads)
    stages = {
        name: build_stage(name, level_spec(env), method_settings(name, {}), 0, "cpu") for name in (PLAIN, *SOURCES)
    }
    rates: dict[str, list[float]] = {name: [] for name in stages}
    for round_ in range(rounds + 2):
        for name, stage in stages.items():
            before, began = stage.steps, time.perf_counter()
            stage.iterate(0.0)
            if round_ >= 2:  # the first two compile and warm up
                rates[name].append((stage.steps - before) / (time.perf_counter() - began))
    rows = []
    for name, values in rates.items():
        share = statistics.median(own / plain for own, plain in zip(values, rates[PLAIN], strict=True))
        rows.append({"bonus": name, "trained steps/s": statistics.median(values), "share": share})
    write_report(f"Trained steps per second on {env}", rows, {"threads": threads, "rounds": rounds}, out)


if __name__ == "__main__":
    main()
