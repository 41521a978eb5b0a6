"""The pictures of a study: per-seed values with their interval, and learning curves, laid out by factors.

Rows (values) or panels (curves) are the values of the first factor; the other factors are the x axis, or the lines.
With fewer than two factors there is one row or panel of all arms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator, SymmetricalLogLocator

from selfplay.studies.results import Results
from selfplay.studies.statistics import iqm
from selfplay.studies.study import Arm, Measure, Study
from selfplay.studies.verdicts import Intervals

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Distinguishable to colour-blind eyes (Okabe and Ito 2008)."""
_DASHES = ("-", "--", ":", "-.")
_POINTS = 60  # of a learning curve
_PANELS = 4  # of learning curves side by side
_FEW = 5  # lines in a panel: with more, the seeds' own lines would hide them
_WIDE = 8  # measures side by side: more of a single row are drawn below each other
_DPI = 100
_OUTLIER = 20.0  # times the upper quartile of |values|: farther out, an axis is logarithmic but for its middle


def _row(arm: Arm) -> str:
    return next(iter(arm.factors.values())) if len(arm.factors) > 1 else ""


def _column(arm: Arm) -> str:
    factors = list(arm.factors.values())
    return ", ".join(factors[1:] or factors) or arm.name


def _named(study: Study) -> str:
    """What the columns are: the names of the factors but for the first, or of the only one."""
    names = list(study.arms[0].factors)
    return ", ".join(names[1:] or names) or "arm"


def _grid(study: Study, chosen: Sequence[Arm] | None = None) -> tuple[list[str], list[str], dict[tuple[str, str], Arm]]:
    """Rows, columns, and the arm of each cell that has one, of all arms or those `chosen`. Arms that share all factors
    have a column each.
    """
    chosen = study.arms if chosen is None else chosen
    rows = list(dict.fromkeys(map(_row, chosen)))
    cells: dict[tuple[str, str], Arm] = {}
    columns: dict[str, None] = {}
    for arm in chosen:
        column = _column(arm)
        if (_row(arm), column) in cells:
            column = arm.name
        columns[column] = None
        cells[_row(arm), column] = arm
    return rows, list(columns), cells


def draw_measures(path: Path, study: Study, results: Results, intervals: Intervals) -> None:
    """A column of panels for each measure, a row for each value of the first factor: a dot for each seed (hollow:
    censored, at the budget), the average over seeds as a bar and its 95 % interval as a line.
    """
    rows, columns, _ = _grid(study)
    if len(rows) == 1 and len(study.measures) > _WIDE:
        _draw_lines(path, study, results, intervals)
        return
    width, height = max(2.2, 0.7 + 0.26 * len(columns)), 1.15 if len(rows) > 1 else 2.2
    left, top = 0.5 + 0.075 * max(map(len, rows)), 0.55  # inches around the panels; text at 8 points
    bottom = 0.45 + 0.075 * max(map(len, columns))
    total = left + width * len(study.measures), top + height * len(rows) + bottom
    figure = Figure(figsize=total)
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(rows), len(study.measures), sharex=True, sharey="col", squeeze=False)
    figure.subplots_adjust(
        left=left / total[0], right=1 - 0.1 / total[0], bottom=bottom / total[1], top=1 - top / total[1],
        wspace=0.5 / width, hspace=0.15,
    )  # fmt: skip
    for k, measure in enumerate(study.measures):
        _draw_measure(panels[:, k], study, measure, results, intervals)
    for axis, row in zip(panels[:, 0], rows, strict=True):
        axis.annotate(row, (0, 0.5), xytext=(-34, 0), xycoords="axes fraction", textcoords="offset points", ha="right",
                      va="center", fontsize=8, weight="bold")  # fmt: skip
    figure.supxlabel(_named(study), fontsize=8, y=0.06 / total[1], va="bottom")
    figure.savefig(path, dpi=_DPI)


def _draw_lines(path: Path, study: Study, results: Results, intervals: Intervals) -> None:
    """Of many measures and one row several lines of panels, each with its own axes."""
    down = math.ceil(len(study.measures) / _WIDE)
    figure = Figure(figsize=(2.2 * _WIDE, 2.6 * down), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(down, _WIDE).ravel()
    for k, measure in enumerate(study.measures):
        _draw_measure(panels[k : k + 1], study, measure, results, intervals)
    for axis in panels[len(study.measures) :]:
        axis.remove()
    figure.supxlabel(_named(study), fontsize=8)
    figure.savefig(path, dpi=_DPI)


def _draw_measure(panels: np.ndarray, study: Study, measure: Measure, results: Results, intervals: Intervals) -> None:
    rows, columns, cells = _grid(study)
    arrow = {"up": " ↑", "down": " ↓", "neither": ""}[measure.better]
    panels[0].set_title(f"{measure.name}{arrow}\n{measure.unit}".strip(), fontsize=9)
    lowest = panels[-1]
    for axis, row in zip(panels, rows, strict=True):
        if not any(_row(arm) == row and measure.fits(arm) for arm in study.arms):
            axis.set_axis_off()  # this measure is of other rows
            continue
        lowest = axis
        _plain(axis)
        axis.grid(axis="y", alpha=0.25)
        axis.set_xlim(-0.6, len(columns) - 0.4)
        filled = [(x, arm.name) for x, name in enumerate(columns) if (arm := cells.get((row, name))) is not None]
        _draw_cells(axis, measure.name, [cell for cell in filled if (measure.name, cell[1]) in intervals], results,
                    intervals)  # fmt: skip
    middle = _middle([results.bounds(measure.name, name).low for kind, name in intervals if kind == measure.name])
    if middle:
        panels[0].set_yscale("symlog", linthresh=middle)  # the panels share it
        panels[0].yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=middle))
    lowest.set_xticks(range(len(columns)), columns, rotation=90, fontsize=8)
    for axis in panels:
        axis.xaxis.set_visible(axis is lowest)
    lowest.tick_params(labelbottom=True)


def _middle(values: Sequence[np.ndarray]) -> float:
    """The upper quartile of |values|, if some lie so far out that a linear axis would show nothing else; or 0."""
    sizes = np.abs(np.concatenate(values)) if values else np.zeros(1)
    quartile = float(np.quantile(sizes, 0.75))
    return quartile if sizes.max() > _OUTLIER * quartile else 0.0


def _draw_cells(
    axis: Any, measure: str, cells: Sequence[tuple[int, str]], results: Results, intervals: Intervals
) -> None:
    """A cell for each (x, arm). All dots and all lines of a panel are one artist each: hundreds of them are slow."""
    if not cells:
        return
    across, up, edges, faces, bars = [], [], [], [], []
    for x, arm in cells:
        values, interval = results.bounds(measure, arm), intervals[measure, arm]
        colour = COLOURS[x % len(COLOURS)]
        across += list(x + (np.linspace(-0.25, 0.25, len(values)) if len(values) > 1 else np.zeros(1)))
        up += list(values.low)
        edges += [colour] * len(values)
        faces += ["white" if censored else colour for censored in values.low != values.high]
        bars.append((x, interval.found_low, interval.low, min(interval.high, values.low.max())))  # ∞: to the budget
    axis.scatter(across, up, s=9, facecolors=faces, edgecolors=edges, lw=0.6, alpha=0.7, zorder=3)
    at, found, low, high = np.array(bars).T
    axis.vlines(at, low, high, color="black", lw=1)
    axis.hlines(found, at - 0.32, at + 0.32, color="black", lw=1.6)


def draw_curves(path: Path, study: Study, results: Results) -> None:
    """A panel for each tag of `study.curves` and each value of the first factor: the interquartile mean over seeds by
    env steps and, with few lines, each seed as a thin line. Of the arms that are `study.curves_of`.
    """
    rows, columns, cells = _grid(study, [arm for arm in study.arms if study.curves_of(arm.factors)])
    many = len(rows) > 1
    across = min(_PANELS, len(rows)) if many else len(study.curves)
    down = math.ceil(len(rows) / across) if many else 1  # rows of panels of each tag
    blocks = len(study.curves) if many else 1
    width, height = (3.2, 2.0) if many else (5.0, 3.4)
    beside = max(1, int(width * across / (0.6 + 0.07 * max(map(len, columns)))))  # names that fit into a line, 8 points
    named_height = 0.25 + 0.16 * math.ceil(len(columns) / beside)
    figure = Figure(figsize=(width * across, height * down * blocks + named_height), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(down * blocks, across, squeeze=False)
    styles = {name: (COLOURS[k % 7], _DASHES[k // 7 % 4]) for k, name in enumerate(columns)}
    handles: dict[str, Any] = {}
    for k, tag in enumerate(study.curves):
        part = panels[k * down : (k + 1) * down].ravel() if many else panels[0, k : k + 1]
        for axis, row in zip(part, rows, strict=False):
            found = {name: list(results.curves[tag][arm.name].values())
                     for name in columns if (arm := cells.get((row, name))) is not None}  # fmt: skip
            found = {name: curves for name, curves in found.items() if curves}
            for name, curves in found.items():
                handles[name] = _draw_curve(axis, curves, *styles[name], seeds=len(found) <= _FEW)
            axis.set_title(f"{row}: {tag}" if row else tag, fontsize=9)
            _plain(axis)
            axis.xaxis.set_major_locator(MaxNLocator(5))
            axis.xaxis.set_major_formatter(FuncFormatter(_tick))
            axis.sharey(part[0])
        for axis in part[len(rows) :]:
            axis.remove()
    named = [name for name in columns if name in handles]
    if named:
        figure.legend([handles[name] for name in named], named, loc="outside lower center", title=_named(study),
                      title_fontsize=8, ncols=min(len(named), beside), frameon=False, fontsize=8)  # fmt: skip
    figure.savefig(path, dpi=_DPI)


def _draw_curve(
    axis: Any, curves: Sequence[tuple[np.ndarray, np.ndarray]], colour: str, dashes: str, seeds: bool
) -> Any:
    steps = np.linspace(max(c[0][0] for c in curves), min(c[0][-1] for c in curves), _POINTS)
    points = np.array([np.interp(steps, *c) for c in curves])
    if seeds:  # no band: what is bimodal has nothing in the middle
        axis.plot(steps, points.T, color=colour, lw=0.5, alpha=0.4)
    return axis.plot(steps, iqm(points.T), color=colour, ls=dashes, lw=1.6)[0]


def _plain(axis: Any) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=7)
    axis.yaxis.set_major_locator(MaxNLocator(4))
    axis.yaxis.set_major_formatter(FuncFormatter(_tick))


def _tick(value: float, _: int) -> str:
    return EngFormatter(sep="")(value) if abs(value) >= 1000 else f"{value:.6g}"
