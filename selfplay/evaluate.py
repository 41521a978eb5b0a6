"""`selfplay evaluate`: how good the newest checkpoint of a run is, on fresh levels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfplay import checkpoint
from selfplay.environments import Family, family_of, find_environment, full_name
from selfplay.errors import UserError
from selfplay.jsonfile import plain
from selfplay.methods import find_method
from selfplay.rundir import find_run, read_record
from selfplay.sharing import own_state, shard
from selfplay.threads import limit_spinning, physical_cores, set_threads

EPISODES: dict[Family, int] = {"grid": 512, "mujoco": 32, "outside": 32}
"""How many an evaluation takes: a step of physics, or of Python, costs as much as dozens on a grid."""

_WAY_BACK = {
    "returned": "brought back to Alice's start, from her ends",
    "return_possible": "for which there is a way",
}

if TYPE_CHECKING:
    from selfplay.stages.base import Stage


def load_run(
    path: Path, env: str | None = None, threads: int | None = None, device: str | None = None
) -> tuple[Stage, dict[str, Any]]:
    """The stage of run folder `path` as its newest whole checkpoint left it, and the run's configuration.

    env: another environment id for it to play in; its worlds are then fresh ones, and only what was learnt is loaded.
    device: where the networks run, by default where they were trained. Of a run of several processes it is the first's
    stage, with its share of the worlds.

    Raises:
        UserError: no run, no checkpoint, or the environment does not fit what was learnt.
    """
    from selfplay.train import build_stage

    limit_spinning()
    record = read_record(find_run(path))
    assert record is not None
    config = record["config"]
    set_threads(threads if threads is not None else min(record["threads"], physical_cores()))
    saved = checkpoint.load_latest(path / "checkpoints")
    if saved is None:
        raise UserError(f"run '{path}' has no checkpoint yet")
    try:
        spec = find_environment(env or config["env"])
    except ValueError as error:
        raise UserError(str(error)) from None
    try:
        family = family_of(find_environment(config["env"]))
        settings = type(find_method(config["method"]).defaults(family)).model_validate(config["settings"])
    except ValueError as error:
        raise UserError(f"run '{path}' has settings that this version does not know: {error}") from None
    if family_of(spec) != family:
        raise UserError(f"--env {env}: '{path}' learnt in {family} worlds, expected {family}/…")
    settings = shard(settings, config.get("ranks", 1))
    stage = build_stage(config["method"], spec, settings, config["seed"], device or config["device"])
    tensors = own_state(saved.tensors, 0)
    try:
        if full_name(spec) == config["env"]:
            stage.load_state_dict(tensors)
        else:
            stage.load_learners(tensors)
    except (ValueError, KeyError) as error:
        where = f"--env {env}" if env else f"checkpoint {saved.path}"
        raise UserError(f"{where}: what '{path}' learnt does not fit: {error}") from None
    return stage, config


def run_evaluation(
    run: Path,
    env: str | None = None,
    *,
    episodes: int | None = None,
    seed: int = 1_000_000,
    as_json: bool = False,
    threads: int | None = None,
    deterministic: bool = False,
    device: str | None = None,
) -> dict[str, Any]:
    """Evaluate run folder `run` over `episodes` fresh levels drawn from `seed`; print it as a table or JSON.

    episodes: by default `EPISODES` of its family.

    Returns `task` (success where there is such a thing, return, length of the task's episodes) and, for Bob, `goals`
    (zero-shot success on uniformly drawn reachable goals, t_B / shortest or steps a metre, both also `by_difficulty`)
    and `way_back` (`selfplay.game.scores`). `deterministic` takes the likeliest action instead of drawing one. What is
    undefined (a mean over nothing) is None.
    """
    stage, config = load_run(run, env, threads, device)
    if episodes is None:
        episodes = EPISODES[family_of(find_environment(config["env"]))]
    result: dict[str, Any] = {
        "run": str(run),
        "method": config["method"],
        "env": env or config["env"],
        "trained_steps": stage.steps,
        "episodes": episodes,
        "seed": seed,
    }
    try:
        result |= plain(stage.scores(episodes, seed, deterministic))
    except MemoryError as error:
        raise UserError(f"--episodes {episodes}: so many worlds do not fit into memory: {error}") from None
    if as_json:
        print(json.dumps(result, allow_nan=False))
    else:
        _print(result)
    return result


def _print(result: dict[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(
        f"{result['method']} after {result['trained_steps']:,} steps, "
        f"{result['episodes']} fresh episodes of {result['env']}",
        highlight=False,
    )
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("measure", "value"):
        table.add_column(column, justify="right" if column == "value" else "left")
    for name, value in result["task"].items():
        table.add_row(f"task {name}", _number(value))
    goals = result.get("goals")
    if goals:
        table.add_row("success on uniformly drawn goals", _number(goals["success"]))
        pace = "t_B / shortest" if "t_B_over_shortest" in goals else "steps a metre"
        table.add_row(f"{pace} where solved", _number(goals.get("t_B_over_shortest", goals.get("steps_per_metre"))))
    for name, words in _WAY_BACK.items():
        if name in result.get("way_back", {}):
            table.add_row(words, _number(result["way_back"][name]))
    console.print(table, highlight=False)
    if goals:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for column in (goals["distance"], "goals", "success", pace):
            table.add_column(column, justify="right")
        for row in goals["by_difficulty"]:
            span = f"{row['from']}–{row['to']}" if row["to"] is not None else f"≥ {row['from']}"
            table.add_row(span, str(row["goals"]), _number(row["success"]), _number(row["pace"]))
        console.print(table, highlight=False)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
