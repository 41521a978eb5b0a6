"""Alice and Bob without any reward: what does Bob learn to do that nobody asked him for?

    python benchmarks/self_play.py --out runs/reference/self-play

Three seeds each: FourRooms and DoorKey-6x6 in repeat mode, DoorKey-6x6 without cloning Alice's way (the game as it was
in 2017) and in reverse mode. Bob's zero-shot
success is measured on 2,048 goals drawn uniformly from all that can be reached on fresh levels, before and after. Every
run is a folder of `selfplay train` below `--runs`; a run that is there already is taken up, or only read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

SETTINGS = {
    "FourRooms": ("grid/FourRooms-v0", {}),
    "DoorKey-6x6": ("grid/DoorKey-6x6-v0", {}),
    "DoorKey-6x6, game of 2017": ("grid/DoorKey-6x6-v0", {"game.clone": "0"}),
    "DoorKey-6x6 reverse": ("grid/DoorKey-6x6-v0", {"game.mode": "reverse"}),
}


def door_of(proposal: dict[str, Any]) -> tuple[str, int] | None:
    """State and x of the door in a proposal's goal, None without one."""
    for name, x, _ in proposal["goal"].get("objects", []):
        if name.endswith("door"):
            return name.split()[0], x
    return None


def beyond(proposal: dict[str, Any]) -> bool:
    """Whether the goal puts the agent on the far side of the door."""
    door = door_of(proposal)
    return door is not None and proposal["goal"]["position"][0] > door[1]


def share(flags: list[bool]) -> float:
    """Mean of flags, NaN of none."""
    return float(np.mean(flags)) if flags else float("nan")


def summarise(name: str, seed: int, run: Path, goals: int) -> dict[str, Any]:
    """One row of the table."""
    from selfplay.evaluate import load_run
    from selfplay.jsonfile import read_lines

    stage, _ = load_run(run)
    after = stage.scores(goals, 1_000_000)
    fresh = type(stage)(stage.make_field, stage.config, seed)
    before = fresh.scores(goals, 1_000_000)
    proposals = read_lines(run / "proposals.jsonl")
    seconds = sum(line["iteration_seconds"] for line in read_lines(run / "timings.jsonl"))
    last = max(line["step"] for line in proposals)
    row: dict[str, Any] = {
        "setting": name,
        "seed": seed,
        "zero-shot before": before["goals"]["success"],
        "after": after["goals"]["success"],
        "t_B / shortest": after["goals"]["t_B_over_shortest"],
    }
    for part, (low, high) in {"first 5 %": (0, 0.05), "middle": (0.475, 0.525), "last 5 %": (0.95, 1)}.items():
        lengths = [p["shortest"] for p in proposals if low * last <= p["step"] <= high * last]
        known = [length for length in lengths if length is not None]
        row[f"difficulty, {part}"] = float(np.median(known)) if known else float("nan")
    tail = [p for p in proposals if p["step"] >= 0.75 * last]
    row["solved, last quarter"] = share([p["solved"] for p in tail])
    if any(door_of(p) for p in proposals):
        opened = [p for p in tail if (door_of(p) or ("locked", 0))[0] != "locked"]
        far = [p for p in tail if beyond(p)]
        row |= {
            "goals with the door unlocked": len(opened) / len(tail),
            "solved of the unlocked": share([p["solved"] for p in opened]),
            "goals beyond the door": len(far) / len(tail),
            "solved of the beyond": share([p["solved"] for p in far]),
        }
    row["unreachable from Bob's start"] = share([p["shortest"] is None for p in tail])
    return row | {"steps": stage.steps, "seconds": seconds, "steps/s": stage.steps / seconds}


@click.command()
@click.option("--seeds", default=3, show_default=True)
@click.option("--steps", default="100M", show_default=True)
@click.option("--goals", default=2048, show_default=True)
@click.option("--only", type=click.Choice(list(SETTINGS)), multiple=True)
@click.option("--threads", type=int)
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs/self-play"), show_default=True)
@click.option("--out", type=click.Path())
def main(seeds, steps, goals, only, threads, pairs, runs, out) -> None:
    """Print a row a run; with --out also write them there, with the curriculum of each."""
    import shutil

    from selfplay.bench.report import write_report
    from selfplay.config import parse_count, parse_pairs
    from selfplay.curriculum import draw_curriculum
    from selfplay.threads import set_threads
    from selfplay.train import run_training

    threads = set_threads(threads)
    rows = []
    for name, (env, overrides) in SETTINGS.items():
        if only and name not in only:
            continue
        for seed in range(seeds):
            run = runs / f"{name.replace(',', '').replace(' ', '-')}-s{seed}"
            run_training(
                "alice-bob",
                env,
                steps=parse_count(steps),
                seed=seed,
                run_dir=run,
                overrides=overrides | parse_pairs(pairs),
                threads=threads,
                quiet=True,
            )
            rows.append(summarise(name, seed, run, goals))
            print(rows[-1], flush=True)
            picture = draw_curriculum(run)
            if out and picture:
                Path(out).mkdir(parents=True, exist_ok=True)
                shutil.copy(picture, Path(out) / f"{run.name}.png")
    for name in dict.fromkeys(row["setting"] for row in rows):
        write_report(f"Alice and Bob: {name}", [r for r in rows if r["setting"] == name], {"threads": threads}, None)
    if out:
        widest = max(rows, key=len)
        write_report(
            "Alice and Bob without reward", [dict.fromkeys(widest, "") | row for row in rows], {"threads": threads}, out
        )


if __name__ == "__main__":
    main()
