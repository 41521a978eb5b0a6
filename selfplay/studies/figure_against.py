"""The picture of tags over other tags: every seed, and what is usual."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from selfplay.studies.figure import COLOURS
from selfplay.studies.results import Results
from selfplay.studies.runs import Curve, paired
from selfplay.studies.statistics import iqm
from selfplay.studies.study import Study

_WIDTH, _HEIGHT = 2.3, 1.7  # inches of a panel
_DPI = 100


def draw_against(path: Path, study: Study, results: Results) -> None:
    """Write the picture."""
    drawn_against(study, results).savefig(path, dpi=_DPI)


def drawn_against(study: Study, results: Results) -> Figure:
    """A row for each y of `study.against`, a column for each arm; each row has axes of its own, its panels share them.

    A thin line is a seed, in the order it was logged. The thick line goes through (interquartile mean of x, that of y)
    at each point, over the seeds that came as far as the shortest; a dashed one is that of the figure beside.
    """
    rows = [(one, number, tag) for one in study.against for number, tag in enumerate(one.y)]
    shape = _WIDTH * len(study.arms) + 0.6, _HEIGHT * len(rows) + 0.4
    figure = Figure(figsize=shape, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(rows), len(study.arms), sharex="row", sharey="row", squeeze=False)
    for axis, arm in zip(panels[0], study.arms, strict=True):
        axis.set_title(arm.name, fontsize=9)
    for line, (one, number, tag) in zip(panels, rows, strict=True):
        for k, (axis, arm) in enumerate(zip(line, study.arms, strict=True)):
            colour = COLOURS[k % len(COLOURS)]
            seeds = _seeds(results, arm.name, one.x, tag)
            for across, up in seeds:
                axis.plot(across, up, color=colour, lw=0.5, alpha=0.5)
            if seeds:
                axis.plot(*_middle(seeds), color=colour, lw=1.8)
            if one.beside is not None and (other := _seeds(results, arm.name, one.beside.x, one.beside.y[number])):
                axis.plot(*_middle(other), color="black", lw=1.2, ls="--", label=one.beside.x_label or one.beside.x)
                axis.legend(frameon=False, fontsize=6)
            axis.spines[["top", "right"]].set_visible(False)
            axis.tick_params(labelsize=7)
            axis.xaxis.set_major_locator(MaxNLocator(4))
            axis.yaxis.set_major_locator(MaxNLocator(4))
            axis.set_xlabel(one.x_label or one.x, fontsize=7)
        line[0].set_ylabel("\n".join(tag.split("/", 1)), fontsize=7)
    return figure


def _seeds(results: Results, arm: str, x: str, y: str) -> list[Curve]:
    """Of each seed the values of two tags, paired by logged line."""
    across, up = results.curves[x][arm], results.curves[y][arm]
    return [paired(across[seed], up[seed]) for seed in sorted(across.keys() & up.keys())]


def _middle(seeds: Sequence[Curve]) -> list[np.ndarray]:
    """The interquartile means of x and of y at each point, over the seeds that came as far as the shortest."""
    count = min(len(across) for across, _ in seeds)
    return [iqm(np.array([seed[side][:count] for seed in seeds]).T) for side in (0, 1)]
