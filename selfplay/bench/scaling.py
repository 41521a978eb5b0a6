"""`selfplay bench scaling`: steps a second and memory by the number of worlds, their size and the threads.

Random actions, 7x7 image, fresh levels, through `gymnasium.make_vec`. Every point is a process of its own, whose peak
memory is its own too. Figures are medians over the rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from selfplay.bench import report
from selfplay.bench.contender import Contender, Unavailable
from selfplay.bench.knee import call_cost, knee
from selfplay.errors import UserError

COUNTS = tuple(2**k for k in range(6, 17))
SIDES = {"Empty": (5, 9, 13, 17, 21, 25), "FourRooms": (7, 9, 13, 17, 21, 25), "MultiRoom, 4 rooms": (15, 17, 21, 25)}


def thread_counts(most: int) -> list[int]:
    """1, 2, 4 … and `most`."""
    return sorted({2**k for k in range(most.bit_length()) if 2**k <= most} | {most})


def run(
    env: str,
    *,
    num_envs: int,
    threads: int,
    rounds: int,
    seconds: float,
    counts: Sequence[int],
    sides: dict[str, Sequence[int]],
    figure: Path | None,
    json_path: Path | None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Measure, print the tables, draw the figure, write the JSON and return it.

    num_envs: worlds where the size varies. threads: the most.
    """
    from envs.grid.levels import level_spec

    spec = level_spec(env)
    facts = report.machine()
    by_count: list[report.Row] = []
    for number in thread_counts(threads):
        for count in counts:
            say(f"{count:,} worlds, {number} threads")
            point = _point(rounds, seconds, env=f"grid/{spec.id}", num_envs=count, threads=number)
            by_count.append({"worlds": count, "threads": number} | point)
    by_side: list[report.Row] = []
    for family, wanted in sides.items():
        for side in wanted:
            say(f"{family} {side}x{side}, {num_envs:,} worlds")
            point = _point(rounds, seconds, env=family, size=side, num_envs=num_envs, threads=threads)
            by_side.append({"level": family, "side": side} | point)
    knees = {number: knee(*_series(by_count, number)) for number in thread_counts(threads)}
    costs = {number: call_cost(*_series(by_count, number)) for number in thread_counts(threads) if len(counts) > 1}
    say("")
    what = "environment steps a second, random actions, 7x7 image, fresh levels"
    report.show(f"{spec.id} by worlds and threads: {what}; median of {rounds} rounds", by_count,
                [_knee_line(number, knees[number], costs.get(number)) for number in knees])  # fmt: skip
    print(_memory_line(by_count))
    if by_side:
        report.show(f"{num_envs:,} worlds by size, threads: {threads}: {what}", by_side)
    report.show_facts(facts)
    result = {
        "env": f"grid/{spec.id}", "by_worlds": by_count, "by_size": by_side, "knee": knees,
        "call": {number: {"seconds": cost[0], "seconds_a_world": cost[1]} for number, cost in costs.items()},
        "num_envs": num_envs, "rounds": rounds, "machine": facts,
    }  # fmt: skip
    if figure is not None:
        from selfplay.bench.figure import draw_scaling

        figure.parent.mkdir(parents=True, exist_ok=True)
        draw_scaling(figure, spec.id, by_count, by_side, knees)
        print(f"figure: {figure}")
    report.write(json_path, result)
    return result


def _point(rounds: int, seconds: float, **world: Any) -> report.Row:
    with Contender("selfplay.bench.ours") as contender:
        try:
            contender.ask("prepare", packages=[], **world)
            found = [contender.ask("measure", seconds=seconds) for _ in range(rounds)]
        except Unavailable as reason:
            raise UserError(f"{world['env']} with {world['num_envs']:,} worlds {reason}") from None
    rates = [one["rate"] for one in found]
    return {
        "steps/s": report.median(rates),
        "lowest": min(rates),
        "highest": max(rates),
        "µs a call": 1e6 * world["num_envs"] / report.median(rates),
        "peak memory MB": found[-1]["peak_bytes"] / 1e6,
    }


def _series(rows: Sequence[report.Row], threads: int) -> tuple[list[int], list[float]]:
    mine = [row for row in rows if row["threads"] == threads]
    return [row["worlds"] for row in mine], [row["steps/s"] for row in mine]


def _memory_line(rows: Sequence[report.Row]) -> str:
    """What a world takes, from the fewest to the most."""
    low, high = (pick(rows, key=lambda row: row["worlds"]) for pick in (min, max))
    each = 1e6 * (high["peak memory MB"] - low["peak memory MB"]) / (high["worlds"] - low["worlds"])
    return f"memory: {low['peak memory MB']:.0f} MB with {low['worlds']:,} worlds, then {each:,.0f} bytes a world"


def _knee_line(threads: int, found: int | None, cost: tuple[float, float] | None) -> str:
    name = f"{threads} thread{'s' if threads > 1 else ''}"
    where = "speed still grows with the most worlds" if found is None else f"the knee is at {found:,} worlds"
    line = (
        f"{name}: {where} (from there doubling their number brings less than 10 % more)"
        if found
        else f"{name}: {where}"
    )
    if cost is not None:
        line += f"; a call takes about {1e6 * cost[0]:.3g} µs whatever it steps and {1e9 * cost[1]:.3g} ns a world"
    return line
