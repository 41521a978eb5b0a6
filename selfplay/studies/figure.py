"""The pictures of a study: per-seed values with their interval, and learning curves."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from selfplay.studies.results import Results
from selfplay.studies.statistics import Bounds, iqm_interval
from selfplay.studies.study import Arm, Study

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Distinguishable to colour-blind eyes (Okabe and Ito 2008)."""
_DASHES = ("-", "--", ":", "-.")
_POINTS = 60  # of a learning curve


def _styles(study: Study) -> dict[str, tuple[str, str]]:
    """Arm to colour and dashes: arms that share the value of the first factor share the colour."""
    groups = list(dict.fromkeys(_group(arm) for arm in study.arms))
    seen: dict[str, int] = {}
    found = {}
    for arm in study.arms:
        group = _group(arm)
        found[arm.name] = COLOURS[groups.index(group) % len(COLOURS)], _DASHES[seen.get(group, 0) % len(_DASHES)]
        seen[group] = seen.get(group, 0) + 1
    return found


def _group(arm: Arm) -> str:
    return next(iter(arm.factors.values()), arm.name)


def draw_measures(path: Path, study: Study, results: Results) -> None:
    """A panel for each measure: a row for each arm, grouped by factors; a dot for each seed (hollow: censored, at the
    budget), the IQM as a bar and its 95 % interval as a line.
    """
    arms = sorted(study.arms, key=lambda arm: list(dict.fromkeys(map(_group, study.arms))).index(_group(arm)))
    styles = _styles(study)
    columns = min(3, len(study.measures))
    rows = math.ceil(len(study.measures) / columns)
    figure = Figure(figsize=(1.5 + 4 * columns, rows * (1.1 + 0.35 * len(arms))), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axis, measure in zip(panels, study.measures, strict=False):
        axis.set_title({"up": "{} (more is better)", "down": "{} (less is better)"}.get(
            measure.better, "{}").format(measure.name), fontsize=10)  # fmt: skip
        axis.set_xlabel(measure.unit or measure.tag)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="x", alpha=0.25)
        axis.locator_params(axis="x", nbins=5)
        for row, arm in enumerate(arms):
            values = results.bounds(measure.name, arm.name)
            if len(values):
                _draw_arm(axis, row, values, styles[arm.name][0])
    for axis in panels[len(study.measures) :]:
        axis.remove()
    panels[0].set_yticks(range(len(arms)), [arm.name for arm in arms])
    panels[0].set_ylim(len(arms) - 0.5, -0.5)
    figure.savefig(path, dpi=110)


def _draw_arm(axis, row: int, values: Bounds, colour: str) -> None:
    spread = np.linspace(-0.22, 0.22, len(values)) if len(values) > 1 else np.zeros(1)
    censored = values.low != values.high
    for chosen, face in ((~censored, colour), (censored, "none")):
        axis.scatter(values.low[chosen], row + spread[chosen], s=18, facecolors=face, edgecolors=colour, alpha=0.7)
    interval = iqm_interval(values)
    right = min(interval.high, float(values.low.max()))  # an unknown end stops at the budget
    axis.plot([interval.low, right], [row, row], color=colour, lw=2)
    axis.plot([interval.found_low] * 2, [row - 0.3, row + 0.3], color=colour, lw=3)


def draw_curves(path: Path, study: Study, results: Results) -> None:
    """A panel for each tag of `study.curves`: IQM over seeds by env steps, with its pointwise 95 % interval."""
    styles = _styles(study)
    figure = Figure(figsize=(5.5 * len(study.curves), 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(study.curves), squeeze=False).ravel()
    for axis, tag in zip(panels, study.curves, strict=True):
        for arm in study.arms:
            curves = list(results.curves[tag][arm.name].values())
            if not curves:
                continue
            colour, dashes = styles[arm.name]
            steps = np.linspace(max(c[0][0] for c in curves), min(c[0][-1] for c in curves), _POINTS)
            points = np.array([np.interp(steps, *c) for c in curves])
            found = [iqm_interval(Bounds.exact(points[:, k])) for k in range(_POINTS)]
            axis.plot(
                steps, [f.found_low for f in found], color=colour, ls=dashes, label=f"{arm.name}, n={len(curves)}"
            )
            axis.fill_between(steps, [f.low for f in found], [f.high for f in found], color=colour, alpha=0.15, lw=0)
        axis.set_title(tag, fontsize=10)
        axis.set_xlabel("env steps")
        axis.spines[["top", "right"]].set_visible(False)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
