"""`selfplay bench envs`: environment steps a second beside the peers, in one run, taking turns.

Random actions drawn beforehand; in the grid MiniGrid's 7x7 image observation and fresh random levels at every reset, in
MuJoCo Gymnasium's own observations. Every contender is a process of its own, is warm before the first round, and first
tries its modes and keeps the fastest. In each round each is measured once, so that a busy moment of the machine falls
on all of them; figures are medians over the rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfplay.bench import report
from selfplay.bench.busy import busy
from selfplay.bench.contender import Contender, Unavailable
from selfplay.errors import UserError
from selfplay.threads import physical_cores

OURS = "selfplay"


@dataclass(frozen=True)
class Peer:
    """A peer: its module, the packages whose versions are told, and what its `prepare` is asked besides the world.

    An argument that is None is what the measurement is of: `max_steps`, `num_envs` or `threads`.
    """

    module: str
    packages: tuple[str, ...]
    arguments: dict[str, Any] = field(default_factory=dict)


PEERS: dict[str, Peer] = {
    "minigrid, SyncVectorEnv": Peer("minigrid", ("minigrid", "gymnasium"), {"kind": "sync"}),
    "minigrid, AsyncVectorEnv": Peer("minigrid", ("minigrid", "gymnasium"), {"kind": "async"}),
    "envpool, synchronous": Peer("envpool", ("envpool",), {"kind": "sync"}),
    "envpool, asynchronous": Peer("envpool", ("envpool",), {"kind": "async"}),
    "navix": Peer("navix", ("navix", "jax"), {"max_steps": None}),
}
MUJOCO_PEERS: dict[str, Peer] = {
    "mujoco.batch, bare": Peer("mujoco", ("mujoco",), {"num_envs": None, "threads": None}),
    "gymnasium, SyncVectorEnv": Peer("gymnasium", ("gymnasium", "mujoco")),
    "envpool, synchronous": Peer("envpool", ("envpool",), {"kind": "sync"}),
    "envpool, asynchronous": Peer("envpool", ("envpool",), {"kind": "async"}),
}
ALIKE = {
    "envpool": {
        f"PointMaze-{ours}-v0": f"PointMaze_{its}-v3"
        for ours, its in {"Open": "Open", "U": "UMaze", "Medium": "Medium", "Large": "Large"}.items()
    }
}
"""What a peer has instead of our own worlds: Gymnasium-Robotics' point mazes, with as many substeps a step as ours."""
TRIAL_SECONDS = 1.0


def run(
    env: str,
    *,
    num_envs: int,
    threads: int,
    rounds: int,
    seconds: float,
    peers: list[str],
    peer_python: dict[str, str],
    bound: bool,
    busy_processes: int,
    json_path: Path | None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Measure, print the table, write the JSON and return it.

    env: "grid/…" or "mujoco/…". peers: modules of `PEERS` or `MUJOCO_PEERS`.
    bound: whether peers are held to `threads` processors; otherwise they have all.
    """
    family, world = env.split("/")
    of_world = {"max_steps": _max_steps(family, world), "num_envs": num_envs, "threads": threads}
    engine = "numba" if family == "grid" else "mujoco"
    processors = threads if bound else physical_cores()
    facts = report.machine()
    rates: dict[str, list[float]] = {}
    beside: dict[str, list[float]] = {}
    about: dict[str, dict[str, Any]] = {}
    unavailable: dict[str, str] = {}
    with ExitStack() as stack:
        running = {OURS: stack.enter_context(Contender("selfplay.bench.ours"))}
        say(f"preparing {OURS}")
        try:
            about[OURS] = running[OURS].ask(
                "prepare", packages=[engine, "numpy"], env=env, num_envs=num_envs, threads=threads
            ) | {"mode": {"num_envs": num_envs}, "threads": threads}
        except Unavailable as reason:
            raise UserError(f"{OURS} {reason}") from None
        for name, peer in (PEERS if family == "grid" else MUJOCO_PEERS).items():
            if peer.module not in peers:
                continue
            say(f"preparing {name}")
            its = ALIKE.get(peer.module, {}).get(world)
            arguments: dict[str, Any] = {"world": f"MiniGrid-{world}" if family == "grid" else its or world}
            arguments |= {"processors": processors} | peer.arguments
            arguments |= {key: of_world[key] for key, value in peer.arguments.items() if value is None}
            contender = Contender(
                f"selfplay.bench.peers.{peer.module}", peer_python.get(peer.module), processors if bound else None
            )
            try:
                about[name] = contender.ask("prepare", trial=TRIAL_SECONDS, packages=peer.packages, **arguments)
                about[name] |= {"threads": processors} | ({"note": f"its {its}, 5 substeps"} if its else {})
                running[name] = stack.enter_context(contender)
            except Unavailable as reason:
                unavailable[name] = explain(str(reason))
                contender.close()
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            _measure_all(running, seconds, rates, unavailable)
            if busy_processes and OURS in running:
                with busy(busy_processes):
                    _measure_all(running, seconds, beside, unavailable)
            if OURS not in running:
                raise UserError(f"{OURS} {unavailable[OURS]}")
    rows = _rows(rates, beside, about, unavailable, busy_processes)
    say("")
    shown = "7x7 image, fresh levels" if family == "grid" else "float64 observations"
    title = f"{world}: environment steps a second, random actions, {shown}; median of {rounds} rounds"
    report.show(title, rows, _notes(about, unavailable, busy_processes))
    report.show_facts(facts)
    result = {
        "env": env, "rounds": rounds, "seconds": seconds, "busy": busy_processes, "rows": rows,
        "rates": rates, "rates_beside_busy": beside, "contenders": about, "unavailable": unavailable, "machine": facts,
    }  # fmt: skip
    report.write(json_path, result)
    return result


def _max_steps(family: str, world: str) -> int:
    if family == "grid":
        from envs.grid.levels import LEVELS

        return LEVELS[world].max_steps
    from envs.mujoco.worlds import WORLDS

    return WORLDS[world].max_steps


def explain(reason: str) -> str:
    """What is missing, and what to do about it."""
    if reason.startswith("not installed"):
        return f'{reason}; pip install -c constraints.txt -e ".[bench]"'
    return reason


def _measure_all(
    running: dict[str, Contender], seconds: float, rates: dict[str, list[float]], unavailable: dict[str, str]
) -> None:
    for name, contender in list(running.items()):
        try:
            rates.setdefault(name, []).append(contender.ask("measure", seconds=seconds)["rate"])
        except Unavailable as reason:
            unavailable[name] = str(reason)
            del running[name]  # the stack still closes it


def _rows(
    rates: dict[str, list[float]],
    beside: dict[str, list[float]],
    about: dict[str, dict[str, Any]],
    unavailable: dict[str, str],
    busy_processes: int,
) -> list[report.Row]:
    """A row a contender, ours first; what could not be measured says why."""
    rows = []
    for name in dict.fromkeys([*rates, *unavailable]):
        row: report.Row = {"who": name}
        if name in unavailable:
            rows.append(row | {"note": "not measured"})
            continue
        row |= {
            "steps/s": report.median(rates[name]),
            "lowest – highest": f"{report.cell(min(rates[name]))} – {report.cell(max(rates[name]))}",
            f"{OURS} / it": None if name == OURS else report.ratio(rates[OURS], rates[name]),
        }
        if busy_processes and name in beside:
            row[f"beside {busy_processes} busy"] = report.median(beside[name])
            row["keeps"] = f"{report.ratio(beside[name], rates[name]):.0%}"
            row[f"{OURS} / it, then"] = None if name == OURS else report.ratio(beside[OURS], beside[name])
        row["threads"] = about[name]["threads"]
        row["mode"] = report.mode(about[name]["mode"])
        if "note" in about[name]:
            row["note"] = about[name]["note"]
        rows.append(row)
    return rows


def _notes(about: dict[str, dict[str, Any]], unavailable: dict[str, str], busy_processes: int) -> list[str]:
    found: dict[str, str] = {}
    for told in about.values():
        found |= told["versions"]
    notes = [f"{name}: {reason}" for name, reason in unavailable.items()]
    notes += ["versions: " + ", ".join(f"{name} {version}" for name, version in found.items())]
    if busy_processes:
        notes.append(f"beside {busy_processes} busy: the same while so many other processes do nothing but count")
    return notes


def run_all(
    *, num_envs: int, threads: int, rounds: int, seconds: float, json_path: Path | None, say: Callable[[str], None]
) -> dict[str, Any]:
    """Every registered id, ours alone, the slowest first."""
    from envs.grid.levels import LEVELS

    facts = report.machine()
    rows: list[report.Row] = []
    with Contender("selfplay.bench.ours") as contender:
        for number, (name, spec) in enumerate(LEVELS.items(), 1):
            say(f"{number} of {len(LEVELS)}: {name}")
            row: report.Row = {"env": f"grid/{name}", "size": f"{spec.width}×{spec.height}"}
            try:
                contender.ask("prepare", packages=[], env=f"grid/{name}", num_envs=num_envs, threads=threads)
                rates = [contender.ask("measure", seconds=seconds)["rate"] for _ in range(rounds)]
                row |= {"steps/s": report.median(rates), "lowest": min(rates), "highest": max(rates)}
            except Unavailable as reason:
                if str(reason).startswith("ended"):
                    raise UserError(f"{OURS}, grid/{name}: {reason}") from None
                row["note"] = str(reason)
            rows.append(row)
    say("")
    rows.sort(key=lambda row: row.get("steps/s", float("inf")))
    report.show(
        f"every level, {num_envs:,} worlds, threads: {threads}, the slowest first: environment steps a second, random "
        f"actions, 7x7 image, fresh levels; median of {rounds} rounds",
        rows,
        [f"the slowest: {rows[0]['env']}"],
    )
    report.show_facts(facts)
    result = {"num_envs": num_envs, "threads": threads, "rounds": rounds, "rows": rows, "machine": facts}
    report.write(json_path, result)
    return result
