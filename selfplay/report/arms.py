"""The arms of a study as commands, with what their runs begin with."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from selfplay.studies.study import CONTINUES

Registered = Mapping[str, Any]
"""A run as `registered.json` has it: method, env, steps, overrides, and `begins`, another one."""


def lineage(run: Registered) -> list[Registered]:
    """The runs that it begins with, the first of all first, then the run itself."""
    begins = run.get("begins")
    return [*(lineage(begins) if begins else []), run]


def commands(run: Registered) -> list[str]:
    """A line for each run of its lineage, in the order they are to be given.

    What no command does by itself is a line that says so, after `#`.
    """
    runs = lineage(run)
    names = [f"BEGIN{k + 1 if len(runs) > 2 else ''}" for k in range(len(runs) - 1)]
    lines = []
    for k, one in enumerate(runs):
        if one["method"] == "finetune" and k > 0:
            words = ["finetune", names[k - 1]]
        elif one["method"] in CONTINUES:
            first = f"begins with {names[k - 1]}" if k else "begins with a run that was not registered"
            lines.append(f"# {one['method']} on {one['env']} {first}: no command by itself, selfplay study runs it")
            continue
        else:
            words = ["train", one["method"]]
        pairs = [word for key, value in one["overrides"].items() for word in ("--set", f"{key}={value}")]
        folder = ["--run-dir", names[k]] if k < len(names) else []
        lines.append(
            shlex.join(["selfplay", *words, "--env", one["env"], "--steps", str(one["steps"]), *pairs, *folder])
        )
    return lines


def begins_with(run: Registered, arms: Mapping[str, Registered]) -> str:
    """What it begins with, in words, the nearest first; "" from scratch. arms: to name what is an arm's own run."""
    names = {id(one): name for one in lineage(run)[:-1] for name, arm in arms.items() if arm == one}
    return "; before it ".join(
        f"{one['method']} on {one['env']}, {one['steps']:,} steps"
        + (f" (arm {names[id(one)]})" if id(one) in names else "")
        for one in reversed(lineage(run)[:-1])
    )


def steps_of(arms: Mapping[str, Registered]) -> str:
    """Env steps of the arms' runs, and of all that these begin with."""
    own = _told({arm["steps"] for arm in arms.values()})
    before = {sum(run["steps"] for run in lineage(arm)[:-1]) for arm in arms.values() if arm.get("begins")}
    if not before:
        return own
    return f"{own}, after {_told(before)} of pretraining where there is any"


def _told(counts: set[int]) -> str:
    """Each of a few; of many the least and the most."""
    shown = [f"{count:,}" for count in sorted(counts)]
    return " or ".join(shown) if len(shown) <= 3 else f"{shown[0]} to {shown[-1]}"
