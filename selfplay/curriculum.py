"""The curriculum in pictures: how hard Alice's goals were, what became of them, where they lay, what Bob can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from envs.mujoco.worlds import GOAL_WORLDS
from envs.ruler import Ruler
from selfplay.environments import ruler_of
from selfplay.jsonfile import read_lines
from selfplay.progress import human
from selfplay.rundir import read_record
from selfplay.runlog import METRICS, PROPOSALS

QUARTERS = 4


@dataclass(frozen=True)
class Played:
    """What the logs of a game say: a line for each goal that was kept, and one for each update."""

    proposals: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    config: dict[str, Any]
    ruler: Ruler

    @property
    def steps(self) -> np.ndarray:
        """Million env steps [goals]."""
        return np.array([line["step"] for line in self.proposals]) / 1e6

    @property
    def edges(self) -> np.ndarray:
        """The 40 spans of steps that goals are counted in, [41]."""
        return np.linspace(0, self.steps.max(), 41)


def read_game(path: Path) -> Played | None:
    """The game of run folder `path`; None where it has no proposals."""
    proposals = list(read_lines(path / PROPOSALS))
    if not proposals:
        return None
    record = read_record(path)
    assert record is not None
    return played(proposals, list(read_lines(path / METRICS)), record["config"])


def played(proposals: list[dict[str, Any]], metrics: list[dict[str, Any]], config: dict[str, Any]) -> Played:
    """The game that was logged so, in a run with this configuration."""
    return Played(proposals, metrics, config, ruler_of(config["env"]))


def draw_curriculum(path: Path) -> Path | None:
    """Draw `curriculum.png` into run folder `path` from its logs and return where; None without proposals.

    Four charts over environment steps (difficulty of Alice's goals; what became of them; what changed in the world
    between start and goal, in MuJoCo's worlds the length of the turns; Bob's success on goals nobody proposed) above
    maps of where her goals lay, in MuJoCo's worlds with what became of them.
    """
    game = read_game(path)
    if game is None:
        return None
    figure = Figure(figsize=(12, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    config = game.config
    mode = config["settings"]["game"]["mode"]
    figure.suptitle(f"What Alice asked for, and what Bob can do: {config['env']}, {mode} mode, seed {config['seed']}")
    top, bottom = np.asarray(figure.subfigures(2, 1, height_ratios=(3, 2))).ravel()
    for axis, draw in zip(top.subplots(1, 4), CHARTS.values(), strict=True):
        draw(axis, game)
    for quarter, axis in enumerate(bottom.subplots(1, QUARTERS)):
        draw_map(axis, game, quarter)
    target = path / "curriculum.png"
    figure.savefig(target, dpi=110)
    return target


def _difficulty(axis, game: Played) -> None:
    steps, edges, ruler = game.steps, game.edges, game.ruler
    distances = [line.get("shortest" if ruler.exact else "straight") for line in game.proposals]
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
    _finish(axis)


def _became(axis, game: Played) -> None:
    _lines(axis, game.metrics, {"solved": "curriculum/solved", "trivial": "curriculum/trivial",
                                "no STOP": "alice/not_stopped", "invalid": "alice/invalid"})  # fmt: skip
    axis.set(title="share of goals (of turns)", ylim=(-0.02, 1.02))
    _finish(axis)


def _changes(axis, game: Played) -> None:
    if game.ruler.in_steps:
        _kinds(axis, game.steps, game.edges, game.proposals)
    else:
        _lines(axis, game.metrics, {"Alice": "alice/t_A", "Bob where he succeeds": "bob/t_B"})
        axis.set(title="length of the turns (steps)", ylim=(0, None))
    _finish(axis, full=game.ruler.in_steps)


def _skill(axis, game: Played) -> None:
    _lines(axis, game.metrics, {"uniformly drawn goals": "eval/zero_shot", "target task": "eval/target_success"})
    axis.set(title="Bob's success on fresh levels", ylim=(-0.02, 1.02))
    _target_axis(axis, game.metrics)
    _finish(axis)


CHARTS: dict[str, Callable[[Any, Played], None]] = {
    "how hard Alice's goals were": _difficulty,
    "what became of her goals": _became,
    "what her goals changed in the world, or how long the turns took": _changes,
    "Bob's success on goals that nobody proposed": _skill,
}
"""What a chart over environment steps shows, and what draws it into an axis."""


def draw_map(axis, game: Played, quarter: int) -> None:
    """Where her goals lay in a quarter (0 … 3) of the run; in MuJoCo's worlds also whether Bob got there."""
    steps = np.array([line["step"] for line in game.proposals])
    last = max(line["step"] for line in game.metrics)
    begin, end = last * quarter / QUARTERS, last * (quarter + 1) / QUARTERS
    inside = (steps > begin) & (steps <= end)
    axis.set(title=f"goals, {human(begin)}–{human(end)} steps", xticks=[], yticks=[])
    _map(axis, game, inside) if game.ruler.in_steps else _places(axis, game, inside)


def _finish(axis, full: bool = False) -> None:
    """full: whether there is no room for the legend inside."""
    axis.set_xlabel("million steps")
    axis.spines[["top", "right"]].set_visible(False)
    if axis.get_legend_handles_labels()[0]:
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.22), "ncols": 2} if full else {}
        axis.legend(frameon=False, fontsize=8, **below)


def _binned(steps: np.ndarray, edges: np.ndarray, values: np.ndarray, statistic) -> np.ndarray:
    place = np.clip(np.searchsorted(edges, steps, side="right") - 1, 0, len(edges) - 2)
    groups = [values[place == b] for b in range(len(edges) - 1)]
    return np.array([statistic(group) if len(group) else np.nan for group in groups])


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


def _map(axis, game: Played, inside: np.ndarray) -> None:
    """A heat-map of the positions of the goals that are `inside` [goals]."""
    positions = np.array([line["goal"]["position"] for line in game.proposals])
    counts = np.zeros(positions.max(0) + 2)
    np.add.at(counts, tuple(positions[inside].T), 1)
    axis.imshow(counts.T, cmap="viridis", interpolation="nearest")


def _places(axis, game: Played, inside: np.ndarray) -> None:
    """The goals that are `inside` [goals]: red where Bob failed, else the darker the sooner he was there."""
    from selfplay.game.pictures import outcome_colours

    config, proposals = game.config, game.proposals
    world = GOAL_WORLDS[config["env"].partition("/")[2]]()
    parts = config["settings"]["game"]["goal"] or world.task
    where = [line["goal"]["objects"][0] if "objects" in parts else line["goal"]["position"] for line in proposals]
    solved, taken = (np.array([line[key] for line in proposals], float) for key in ("solved", "t_B"))
    longest = np.max(taken, initial=1, where=solved > 0)
    colours = outcome_colours(np.where(solved > 0, taken / longest, np.nan)) / 255
    axis.scatter(*np.array(where)[inside].T, c=colours[inside], s=3, lw=0)
    for x0, y0, x1, y1 in world.walls:
        axis.fill_between((x0, x1), y0, y1, color="0.75", lw=0)
    axis.set(aspect="equal")
