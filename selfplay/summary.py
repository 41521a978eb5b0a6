"""What a finished run shows: a short table, a picture of the curriculum, and how to look further."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from envs.mujoco.worlds import GOAL_WORLDS
from envs.ruler import STEPS, Ruler
from selfplay.environments import MujocoSpec, find_environment
from selfplay.jsonfile import read_lines
from selfplay.progress import human
from selfplay.rundir import read_record
from selfplay.runlog import METRICS, PROPOSALS, TIMINGS

_ROWS = {
    "eval/success": "success on fresh levels",
    "eval/return": "return on fresh levels",
    "eval/length": "episode length on fresh levels",
    "eval/zero_shot": "Bob's success on uniformly drawn goals",
    "eval/zero_shot_t_B_over_shortest": "Bob's detour on these (t_B / shortest)",
    "eval/target_success": "Bob's success on the target task",
    "eval/zero_shot_steps_per_metre": "Bob's pace on these (steps a metre)",
    "eval/returned": "share of Alice's ends that he gets back from",
    "curriculum/difficulty_q50": "median difficulty of her goals ({})",
    "curriculum/difficulty_q90": "90 % quantile of their difficulty ({})",
    "curriculum/coverage": "share of all cell-to-cell ways she lately asked for",
    "curriculum/solved": "share of her goals that Bob solves",
    "curriculum/trivial": "share of her goals that are trivial",
    "coverage/positions": "share of the reachable cells that an episode visits",
    "coverage/states": "share of all reachable states that an episode visits",
    "heldout/loss": "loss on what is held out (nats)",
    "heldout/accuracy": "accuracy on what is held out",
    "heldout/rmse": "error of the mean action on what is held out",
    "train/leash/kl_per_episode": "KL to the policy it began as (nats an episode)",
    "train/leash/beta": "what a nat of it costs",
    "tv/in_view": "share of steps in front of the TV",
    "tv/press_rate": "share of steps that press its button",
    "tv/press_chance": "the same by chance",
    "tv/bonus_share": "share of the bonus that is owed to the TV",
}


def print_summary(path: Path) -> None:
    """Print the closing words of run folder `path`; draws `curriculum.png` where there were proposals."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    metrics = list(read_lines(path / METRICS))
    timings = list(read_lines(path / TIMINGS))
    record = read_record(path)
    assert record is not None
    config = record["config"]
    console = Console(soft_wrap=True)
    seconds = sum(line["iteration_seconds"] for line in timings)
    steps = metrics[-1]["step"]
    console.print(
        f"\n[bold]{config['method']}[/] on [bold]{config['env']}[/], seed {config['seed']}: {human(steps)} steps in "
        f"{seconds:.0f} s of training ({human(steps / seconds)} trained steps/s, {record['threads']} threads)",
        highlight=False,
    ) if seconds else None
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("measure", "first", "last"):
        table.add_column(column, justify="left" if column == "measure" else "right")
    ruler = _ruler(config["env"])
    for tag, words in _ROWS.items():
        values = [line[tag] for line in metrics if line.get(tag) is not None]
        if values:
            tail = values[-1:] if tag.startswith(("eval/", "heldout/")) else values[-max(1, len(values) // 20) :]
            table.add_row(words.format(f"{ruler.name}, {ruler.unit}"), f"{values[0]:.3g}", f"{np.mean(tail):.3g}")
    console.print(table, highlight=False)
    for tag, text in _alarms(metrics).items():
        console.print(f"[yellow]{tag}[/]: {text}", highlight=False)
    picture = draw_curriculum(path)
    if picture is not None:
        console.print(f"curriculum   {picture}", highlight=False)
    console.print(f"TensorBoard  {_command('tensorboard')} --logdir {path}", highlight=False)
    console.print(f"evaluate     {_command('selfplay')} evaluate {path}", highlight=False)


def _command(name: str) -> str:
    """How to call a command of this environment from here: its name where the shell finds it, else its path."""
    beside = Path(sys.executable).with_name(name)
    if not beside.exists() or shutil.which(name) == str(beside):
        return name
    return os.path.relpath(beside) if beside.is_relative_to(Path.cwd()) else str(beside)


def _alarms(metrics: list[dict[str, Any]]) -> dict[str, str]:
    """The alarms that rang in most of the last tenth of the iterations, with their meaning."""
    from selfplay.game.alarms import ALARM_TEXT

    tail = metrics[-max(1, len(metrics) // 10) :]
    return {tag: text for tag, text in ALARM_TEXT.items() if np.mean([line.get(tag) or 0 for line in tail]) > 0.5}


def draw_curriculum(path: Path) -> Path | None:
    """Draw `curriculum.png` into run folder `path` from its logs and return where; None without proposals.

    Four charts over environment steps (difficulty of Alice's goals; what became of them; what changed in the world
    between start and goal, in MuJoCo's worlds the length of the turns; Bob's success on goals nobody proposed) above
    maps of where her goals lay, in MuJoCo's worlds with what became of them.
    """
    proposals = list(read_lines(path / PROPOSALS)) if (path / PROPOSALS).exists() else []
    if not proposals:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    metrics = list(read_lines(path / METRICS))
    record = read_record(path)
    assert record is not None
    figure = Figure(figsize=(12, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    config = record["config"]
    mode = config["settings"]["game"]["mode"]
    figure.suptitle(f"What Alice asked for, and what Bob can do: {config['env']}, {mode} mode, seed {config['seed']}")
    top, bottom = np.asarray(figure.subfigures(2, 1, height_ratios=(3, 2))).ravel()
    difficulty, shares, kinds, skill = top.subplots(1, 4)
    steps = np.array([line["step"] for line in proposals]) / 1e6
    edges = np.linspace(0, steps.max(), 41)
    ruler = _ruler(config["env"])
    _difficulty(difficulty, steps, edges, proposals, ruler)
    _lines(shares, metrics, {"solved": "curriculum/solved", "trivial": "curriculum/trivial",
                             "no STOP": "alice/not_stopped", "invalid": "alice/invalid"})  # fmt: skip
    shares.set(title="share of goals (of turns)", ylim=(-0.02, 1.02))
    if ruler.in_steps:
        _kinds(kinds, steps, edges, proposals)
    else:
        _lines(kinds, metrics, {"Alice": "alice/t_A", "Bob where he succeeds": "bob/t_B"})
        kinds.set(title="length of the turns (steps)", ylim=(0, None))
    _lines(skill, metrics, {"uniformly drawn goals": "eval/zero_shot", "target task": "eval/target_success"})
    skill.set(title="Bob's success on fresh levels", ylim=(-0.02, 1.02))
    _target_axis(skill, metrics)
    for axis in (difficulty, shares, kinds, skill):
        axis.set_xlabel("million steps")
        axis.spines[["top", "right"]].set_visible(False)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(frameon=False, fontsize=8)
    _maps(bottom, proposals, metrics) if ruler.in_steps else _places(bottom, proposals, metrics, config)
    target = path / "curriculum.png"
    figure.savefig(target, dpi=110)
    return target


def _binned(steps: np.ndarray, edges: np.ndarray, values: np.ndarray, statistic) -> np.ndarray:
    place = np.clip(np.searchsorted(edges, steps, side="right") - 1, 0, len(edges) - 2)
    groups = [values[place == b] for b in range(len(edges) - 1)]
    return np.array([statistic(group) if len(group) else np.nan for group in groups])


def _ruler(env: str) -> Ruler:
    """How far goals are in environment `env`."""
    spec = find_environment(env)
    if isinstance(spec, MujocoSpec) and spec.id in GOAL_WORLDS:
        return GOAL_WORLDS[spec.id].ruler
    return STEPS


def _difficulty(axis, steps: np.ndarray, edges: np.ndarray, proposals: list[dict], ruler: Ruler) -> None:
    distances = [line.get("shortest" if ruler.exact else "straight") for line in proposals]
    shortest = np.array([np.nan if distance is None else distance for distance in distances], float)
    known = ~np.isnan(shortest)
    centres = (edges[1:] + edges[:-1]) / 2
    median = _binned(steps[known], edges, shortest[known], np.median)
    seen = ~np.isnan(median)
    for low, high, shade in ((0.1, 0.9, 0.2), (0.25, 0.75, 0.35)):
        bounds = [
            _binned(steps[known], edges, shortest[known], lambda v, q=q: np.quantile(v, q))[seen] for q in (low, high)
        ]
        axis.fill_between(centres[seen], *bounds, color="C0", alpha=shade, lw=0, label=f"{low:.0%} – {high:.0%}")
    axis.plot(centres[seen], median[seen], color="C0", label="median")
    axis.set(title=f"difficulty ({ruler.name}, {ruler.unit})", ylim=(0, None))


def _lines(axis, metrics: list[dict], tags: dict[str, str]) -> None:
    for words, tag in tags.items():
        points = [(line["step"] / 1e6, line[tag]) for line in metrics if line.get(tag) is not None]
        if points:
            axis.plot(*zip(*points, strict=True), label=words, lw=1.5)


def _target_axis(axis, metrics: list[dict]) -> None:
    """A second scale for the share of the steps that went into the target task, where some did."""
    points = [(line["step"] / 1e6, line["bob/target_steps"] / 1e6) for line in metrics if line.get("bob/target_steps")]
    if len(points) > 1:
        total, target = np.array([(0.0, 0.0), *points]).T
        scale = (lambda x: np.interp(x, total, target), lambda x: np.interp(x, target, total))
        axis.secondary_xaxis("top", functions=scale).set_xlabel("of these in the target task", fontsize=8)


def _kinds(axis, steps: np.ndarray, edges: np.ndarray, proposals: list[dict]) -> None:
    """Shares of goals by the boldest thing that changed between start and goal."""
    labels = ("a door", "an object moved", "something carried", "position only", "nothing")
    kind = np.array([labels.index(_changed(line["start"], line["goal"])) for line in proposals])
    centres = (edges[1:] + edges[:-1]) / 2
    shares = np.array([_binned(steps, edges, (kind == k).astype(float), np.mean) for k in range(len(labels))])
    seen = ~np.isnan(shares[0])
    axis.stackplot(centres[seen], shares[:, seen], labels=labels, alpha=0.8)
    axis.set(title="what her goals change", ylim=(0, 1))


def _changed(start: dict, goal: dict) -> str:
    def doors(state: dict) -> list:
        return [thing for thing in state.get("objects", []) if thing[0].endswith("door")]

    if doors(start) != doors(goal):
        return "a door"
    if goal.get("carried") and goal.get("carried") != start.get("carried"):
        return "something carried"
    if start.get("objects") != goal.get("objects"):
        return "an object moved"
    return "position only" if start["position"] != goal["position"] else "nothing"


def _maps(figure, proposals: list[dict], metrics: list[dict]) -> None:
    """Heat-maps of goal positions in four quarters of the run."""
    positions = np.array([line["goal"]["position"] for line in proposals])
    steps = np.array([line["step"] for line in proposals])
    shape = positions.max(0) + 2
    axes = figure.subplots(1, 4)
    last = max(line["step"] for line in metrics)
    for quarter, axis in enumerate(axes):
        inside = (steps > last * quarter / 4) & (steps <= last * (quarter + 1) / 4)
        counts = np.zeros(shape)
        np.add.at(counts, tuple(positions[inside].T), 1)
        axis.imshow(counts.T, cmap="viridis", interpolation="nearest")
        axis.set(
            title=f"goals, {human(last * quarter / 4)}–{human(last * (quarter + 1) / 4)} steps", xticks=[], yticks=[]
        )


def _places(figure, proposals: list[dict], metrics: list[dict], config: dict[str, Any]) -> None:
    """Where goals lay in four quarters of the run: red where Bob failed, else the darker the sooner he was there."""
    from selfplay.game.pictures import outcome_colours

    world = GOAL_WORLDS[config["env"].partition("/")[2]]()
    parts = config["settings"]["game"]["goal"] or world.task
    where = [line["goal"]["objects"][0] if "objects" in parts else line["goal"]["position"] for line in proposals]
    solved, taken = (np.array([line[key] for line in proposals], float) for key in ("solved", "t_B"))
    longest = np.max(taken, initial=1, where=solved > 0)
    colours = outcome_colours(np.where(solved > 0, taken / longest, np.nan)) / 255
    steps = np.array([line["step"] for line in proposals])
    last = max(line["step"] for line in metrics)
    for quarter, axis in enumerate(figure.subplots(1, 4)):
        inside = (steps > last * quarter / 4) & (steps <= last * (quarter + 1) / 4)
        axis.scatter(*np.array(where)[inside].T, c=colours[inside], s=3, lw=0)
        for x0, y0, x1, y1 in world.walls:
            axis.fill_between((x0, x1), y0, y1, color="0.75", lw=0)
        axis.set(
            title=f"goals, {human(last * quarter / 4)}–{human(last * (quarter + 1) / 4)} steps", aspect="equal",
            xticks=[], yticks=[],
        )  # fmt: skip
