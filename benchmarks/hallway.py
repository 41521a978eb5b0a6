"""The theory of 1703.05407, §2.2, on its own corridor: is Bob fastest everywhere, and does Alice earn nothing?

    python benchmarks/hallway.py --seeds 5 --out runs/reference/hallway

`grid/Hallway-25-v0`, repeat, time payoff, no cloning: the game of 2017. Every one of the 25 · 24 pairs (s, s*) is put
to Bob, who plays his likeliest action; the path is shortest if t_B = |s - s*|. Alice's expected payoff is the mean over
the last tenth of the rounds.

The paper's t_max of 30 leaves Bob 30 - t_A steps, too few for any pair further apart than 15: these are never solved
while training. The default here is 60, with which every pair can be; `--t-max 30` is the paper's. With the learners'
own defaults Alice soon walks one way only, and Bob masters that half of the pairs; a larger entropy bonus for her (.03)
and a slower Bob (3e-4), who then forgets less, are this script's.
"""

from __future__ import annotations

import time

import click
import numpy as np

LENGTH = 25


def shortest_share(stage) -> tuple[float, float]:
    """Share of pairs that Bob (likeliest actions) connects by a shortest path, and that he connects at all."""
    from selfplay.game.turn import TurnPlayer

    start, goal = (a.ravel() for a in np.meshgrid(np.arange(LENGTH), np.arange(LENGTH), indexing="ij"))
    start, goal = start[start != goal], goal[start != goal]
    field = stage.make_field(len(start), 0)
    everyone = np.arange(len(start))
    field.generate(everyone)
    agent = field.engine.state.agent
    agent[:, 0] = 1 + goal
    desired = field.achieved()
    agent[:, 0] = 1 + start
    player = TurnPlayer(stage.bob, field, 2 * LENGTH)
    turn = player.play(
        np.ones(len(start), bool), desired, np.full(len(start), 2 * LENGTH), check_goal=True, deterministic=True
    )
    return float((turn.solved & (turn.steps == np.abs(start - goal))).mean()), float(turn.solved.mean())


@click.command()
@click.option("--seeds", default=5, show_default=True)
@click.option("--steps", default=20_000_000, show_default=True)
@click.option("--t-max", default=60, show_default=True)
@click.option("--threads", type=int)
@click.option("--set", "pairs", multiple=True)
@click.option("--out", type=click.Path())
def main(seeds: int, steps: int, t_max: int, threads: int | None, pairs: tuple[str, ...], out: str | None) -> None:
    """Print a row a seed; with --out also write it there."""
    from envs.grid.levels import level_spec
    from selfplay.bench.report import write_report
    from selfplay.config import parse_pairs
    from selfplay.methods import method_settings
    from selfplay.threads import set_threads
    from selfplay.train import build_stage

    threads = set_threads(threads)
    overrides = {
        "game.t_max": str(t_max), "game.payoff_scale": "0.033", "game.goal": "position", "game.clone": "0",
        "segments": "position", "alice.entropy": "0.03", "bob.learning_rate": "0.0003",
    } | parse_pairs(pairs)  # fmt: skip
    settings = method_settings("alice-bob", overrides)
    rows = []
    for seed in range(seeds):
        stage = build_stage("alice-bob", level_spec(f"Hallway-{LENGTH}-v0"), settings, seed, "cpu")
        before, _ = shortest_share(stage)
        began, payoffs, drawn, share = time.perf_counter(), [], [], before
        when = None
        while stage.steps < steps:
            report = stage.iterate(stage.steps / steps)
            payoffs.append(report.scalars["alice/payoff"])
            drawn.append(report.scalars.get("curriculum/difficulty_q50", np.nan))
            if stage.rounds % 20 == 0 and when is None:
                share, _ = shortest_share(stage)
                when = stage.steps if share >= 0.99 else None
        share, reached = shortest_share(stage)
        tail = max(1, len(payoffs) // 10)
        rows.append({
            "seed": seed, "shortest before": before, "shortest after": share, "reached after": reached,
            "steps to .99": when if when is not None else "–",
            "Alice's payoff, first tenth": float(np.mean(payoffs[:tail])),
            "last tenth": float(np.mean(payoffs[-tail:])),
            "median difficulty, last tenth": float(np.nanmean(drawn[-tail:])),
            "steps": stage.steps, "seconds": time.perf_counter() - began,
        })  # fmt: skip
        print(rows[-1], flush=True)
    write_report(f"Hallway-{LENGTH}, repeat, time payoff, t_max {t_max}", rows, {"threads": threads}, out)


if __name__ == "__main__":
    main()
