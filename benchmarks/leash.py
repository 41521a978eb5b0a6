"""Does PPO on a leash come to the exact optimum of reward less β · KL? Three grids, five β.

    python benchmarks/leash.py --out runs/reference/leash

One level of each grid, its time limit out of sight; the reference is a random, lopsided policy that PPO begins as
(`selfplay.measures.leash_gap`). "missing" is what PPO's policy lacks of the optimum J* by exact policy evaluation, as a
share of J*, and as a share of what there was to be gained over the reference. DoorKey under the largest β is what takes
long: there the optimum is .066, and an episode of the leashed policy some 370 steps.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

BETAS = (0.003, 0.01, 0.03, 0.1, 0.3)
GRIDS = {"Empty-5x5-v0": 160, "LavaGapS5-v0": 200, "DoorKey-5x5-v0": 640}
"""Level to updates of 128 worlds × 32 steps."""
FIGURE = "leash.png"


@click.command()
@click.option("--seeds", default=3, show_default=True)
@click.option("--threads", type=int)
@click.option("--out", type=click.Path(), help="Folder for README.md, data.json and leash.png.")
@click.option("--redraw", is_flag=True, help="Only draw leash.png anew, from data.json in --out.")
def main(seeds: int, threads: int | None, out: str | None, redraw: bool) -> None:
    """Print a row for each grid, β and seed; with --out also write it there, with a picture."""
    if redraw:
        if out is None:
            raise click.UsageError("--redraw: expected --out FOLDER as well")
        draw(Path(out))
        return
    from envs.grid.levels import level_spec
    from selfplay.bench.report import write_report
    from selfplay.core.config import PPOConfig
    from selfplay.measures.leash_gap import leash_gap
    from selfplay.threads import set_threads

    threads = set_threads(threads)
    config = PPOConfig(learning_rate=1e-3, lr_schedule="linear", epochs=4, minibatch_size=1024, entropy=0.0)
    rows = []
    for name, updates in GRIDS.items():
        for beta in BETAS:
            for seed in range(seeds):
                began = time.perf_counter()
                gap = leash_gap(
                    level_spec(name), beta, config, updates=updates, num_envs=128, num_steps=32, seed=seed
                )  # fmt: skip
                rows.append({
                    "grid": name, "β": beta, "seed": seed, "J of the reference": gap.reference.objective,
                    "J*": gap.optimum, "J of PPO": gap.learnt.objective,
                    "missing, of J*": gap.of_optimum, "missing, of the gain": gap.of_gain,
                    "KL (nats an episode)": gap.learnt.kl_per_episode, "length": gap.learnt.length,
                    "steps": gap.steps, "seconds": time.perf_counter() - began,
                })  # fmt: skip
                print(rows[-1], flush=True)
    write_report("PPO on a leash against the exact optimum", rows, {"threads": threads}, out, figure=FIGURE)
    if out is not None:
        draw(Path(out))


def draw(folder: Path) -> None:
    """The picture of the rows that are written down in `folder`."""
    from selfplay.bench.figure import draw_leash

    draw_leash(folder / FIGURE, json.loads((folder / "data.json").read_text(encoding="utf-8"))["rows"])


if __name__ == "__main__":
    main()
