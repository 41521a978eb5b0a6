"""`selfplay bench train`: trained steps a second and seconds to success beside the peers, in one run, seed by seed.

Success is .95 or more of fresh levels, asked for whenever the success while playing passes .9. Seconds are those of
collecting and learning: evaluation and compiling are left out, compiling is told in a column of its own. A step counts
as trained when it was played and learnt from in every epoch.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay.bench import report
from selfplay.bench.contender import Contender, Unavailable
from selfplay.bench.envs import OURS, explain
from selfplay.errors import UserError
from selfplay.threads import physical_cores

SOLVED = 0.95
PROFILED = 40  # iterations


@dataclass(frozen=True)
class Peer:
    """A peer: its module, the packages whose versions are told, and a line on how it is run."""

    module: str
    packages: tuple[str, ...]
    note: str


PEERS: dict[str, Peer] = {
    "stable-baselines3": Peer(
        "sb3", ("stable-baselines3",), "minigrid's environment, flattened image, layers of 64; 128 levels"
    ),
    "navix": Peer(
        "navix_ppo", ("navix", "jax"), "its own PPO, γ^t in its advantages mended, fixed start as it ships; 512 levels"
    ),
}


def run(
    env: str,
    *,
    seeds: int,
    threads: int,
    limit: int,
    overrides: dict[str, str],
    peers: list[str],
    peer_seeds: int,
    peer_seconds: float,
    peer_python: dict[str, str],
    bound: bool,
    cold: bool,
    limit_study: str | None,
    json_path: Path | None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Train, print the tables, write the JSON and return it.

    limit: steps after which ours gives up; peer_seconds: the same for a peer. cold: also tell how long ours takes when
    nothing is compiled. limit_study: a command that prints "1234k steps/s", run after each seed.
    """
    from envs.grid.levels import level_spec

    spec = level_spec(env)
    processors = threads if bound else physical_cores()
    facts = report.machine()
    about: dict[str, dict[str, Any]] = {}
    runs: dict[str, list[dict[str, Any]]] = {OURS: []}
    unavailable: dict[str, str] = {}
    study: list[float] = []
    own = {"env": spec.id, "overrides": overrides}
    with ExitStack() as stack:
        ours = stack.enter_context(Contender("selfplay.bench.ours_train"))
        running: dict[str, Contender] = {}
        say(f"preparing {OURS}")
        try:
            about[OURS] = ours.ask("prepare", threads=threads, packages=["torch", "numba"], **own)
            about[OURS]["threads"] = threads
            for name, peer in PEERS.items():
                if peer.module.removesuffix("_ppo") not in peers:
                    continue
                say(f"preparing {name}")
                contender = Contender(
                    f"selfplay.bench.peers.{peer.module}",
                    peer_python.get(peer.module.removesuffix("_ppo")),
                    processors if bound else None,
                )
                stack.callback(contender.close)
                arguments: dict[str, Any] = {"level": spec.id, "processors": processors, "packages": peer.packages}
                if peer.module == "navix_ppo":
                    arguments["max_steps"] = spec.max_steps
                try:
                    about[name] = {"threads": processors} | contender.ask("prepare", **arguments)
                    running[name], runs[name] = contender, []
                except Unavailable as reason:
                    unavailable[name] = explain(str(reason))
            for seed in range(seeds):
                say(f"{OURS}, seed {seed}")
                runs[OURS].append(ours.ask("train", seed=seed, limit=limit, **own))
                for name, contender in list(running.items()) if seed < peer_seeds else []:
                    say(f"{name}, seed {seed}")
                    try:
                        runs[name].append(contender.ask("train", level=spec.id, seed=seed, limit_seconds=peer_seconds))
                    except Unavailable as reason:
                        unavailable[name] = str(reason)
                        del running[name]
                if limit_study is not None:
                    say(f"limit study, run {seed + 1}")
                    study.append(study_rate(limit_study))
            say("where the time goes")
            parts = ours.ask("profile", iterations=PROFILED, **own)
        except Unavailable as reason:
            raise UserError(f"{OURS} {reason}") from None
    cold_seconds = _cold(threads, own, say) if cold else None
    rows = [summary(name, runs.get(name, []), about.get(name), runs[OURS], unavailable.get(name))
            for name in dict.fromkeys([*runs, *unavailable])]  # fmt: skip
    say("")
    report.show(
        f"PPO on {spec.id} until {SOLVED:.0%} of fresh levels are solved; medians over seeds",
        rows,
        _notes(about, unavailable, cold_seconds),
    )
    _show_profile(parts)
    if study:
        best = report.median([one["steps"] / one["seconds"] for one in runs[OURS]])
        print(
            f"limit study: {report.cell(report.median(study))} trained steps/s in the same run; "
            f"{OURS} reaches {best / report.median(study):.2f} of it\n"
        )
    report.show_facts(facts)
    result = {
        "env": f"grid/{spec.id}", "rows": rows, "runs": runs, "contenders": about, "unavailable": unavailable,
        "profile_seconds": parts, "cold_seconds": cold_seconds, "limit_study": study, "machine": facts,
    }  # fmt: skip
    report.write(json_path, result)
    return result


def summary(
    name: str,
    runs: list[dict[str, Any]],
    about: dict[str, Any] | None,
    ours: list[dict[str, Any]],
    unavailable: str | None,
) -> report.Row:
    """A contender's row: medians over its seeds; what never succeeded has no seconds to success."""
    if unavailable is not None or about is None:
        return {"who": name, "note": "not measured"}
    solved = [one for one in runs if (one["success"] or 0.0) >= SOLVED]
    rates = [one["steps"] / one["seconds"] for one in runs]
    our_rates = [one["steps"] / one["seconds"] for one in ours[: len(runs)]]
    return {
        "who": name,
        "trained steps/s": report.median(rates),
        f"{OURS} / it": None if name == OURS else report.ratio(our_rates, rates),
        "seeds solved": f"{len(solved)} of {len(runs)}",
        "seconds to success": report.median([one["seconds"] for one in solved]),
        "range": _range([one["seconds"] for one in solved]),
        "steps to success": report.median([float(one["steps"]) for one in solved]),
        "compile s": about["seconds"],
        "threads": about["threads"],
    }


def _range(values: list[float]) -> str | None:
    return f"{min(values):.3g} – {max(values):.3g}" if len(values) > 1 else None


def _notes(about: dict[str, dict[str, Any]], unavailable: dict[str, str], cold_seconds: float | None) -> list[str]:
    found: dict[str, str] = {}
    for told in about.values():
        found |= told["versions"]
    notes = [
        f"{name}: {told['epochs']} epochs, {report.mode(told['mode'])}"
        + (f"; {PEERS[name].note}" if name in PEERS else "")
        for name, told in about.items()
        if name not in unavailable
    ]
    notes += [f"{name}: {reason}" for name, reason in unavailable.items()]
    notes.append(
        f"{OURS} compiles its kernels once per machine; compile s is loading them, a first update and an evaluation"
    )
    if cold_seconds is not None:
        notes[-1] += f", {cold_seconds:.0f} s where nothing was compiled before"
    notes.append("versions: " + ", ".join(f"{name} {version}" for name, version in found.items()))
    return notes


def _show_profile(parts: dict[str, float]) -> None:
    total = parts["total"]
    rows: list[report.Row] = [
        {"part": part, "share": f"{seconds / total:.0%}", "ms an update": 1000 * seconds / PROFILED}
        for part, seconds in parts.items()
    ]
    report.show(f"where {OURS}'s time goes, {PROFILED} updates", rows)


def _cold(threads: int, own: dict[str, Any], say: Callable[[str], None]) -> float:
    """Seconds of the first update where no kernel was ever compiled."""
    say(f"compiling {OURS} from nothing")
    with (
        tempfile.TemporaryDirectory() as folder,
        Contender("selfplay.bench.ours_train", environment={"NUMBA_CACHE_DIR": folder}) as contender,
    ):
        return float(contender.ask("prepare", threads=threads, packages=[], **own)["seconds"])


def study_rate(command: str) -> float:
    """Steps a second that `command` (a Python file and its arguments) prints last, as "1234k steps/s" or "1.2M"."""
    script, *arguments = shlex.split(command)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(Path(script).resolve()), *arguments],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
    found = re.findall(r"([\d.,]+) ?([kM]?) steps/s", done.stdout)
    if done.returncode or not found:
        raise UserError(f"--limit-study: {script} ended with {done.returncode} and printed no 'steps/s'")
    number, unit = found[-1]
    return float(number.replace(",", "")) * {"": 1.0, "k": 1e3, "M": 1e6}[unit]
