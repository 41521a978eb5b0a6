"""The picture of tags over other tags: every seed, and what is usual."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from selfplay.studies.figure import COLOURS
from selfplay.studies.results import Results
from selfplay.studies.runs import paired
from selfplay.studies.statistics import iqm
from selfplay.studies.study import Study

_WIDTH, _HEIGHT = 2.3, 1.7  # inches of a panel
_DPI = 100


def draw_against(path: Path, study: Study, results: Results) -> None:
    """A row for each y of `study.against`, a column for each arm; each row has axes of its own, its panels share them.

    A thin line is a seed, in the order it was logged. The thick line goes through (interquartile mean of x, that of y)
    at each point, over the seeds that came as far as the shortest.
    """
    rows = [(one, tag) for one in study.against for tag in one.y]
    shape = _WIDTH * len(study.arms) + 0.6, _HEIGHT * len(rows) + 0.4
    figure = Figure(figsize=shape, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(rows), len(study.arms), sharex="row", sharey="row", squeeze=False)
    for axis, arm in zip(panels[0], study.arms, strict=True):
        axis.set_title(arm.name, fontsize=9)
    for line, (one, tag) in zip(panels, rows, strict=True):
        for k, (axis, arm) in enumerate(zip(line, study.arms, strict=True)):
            x, y = results.curves[one.x][arm.name], results.curves[tag][arm.name]
            seeds = [paired(x[seed], y[seed]) for seed in sorted(x.keys() & y.keys())]
            for across, up in seeds:
                axis.plot(across, up, color=COLOURS[k % len(COLOURS)], lw=0.5, alpha=0.5)
            if seeds:
                count = min(len(across) for across, _ in seeds)
                middle = [iqm(np.array([seed[side][:count] for seed in seeds]).T) for side in (0, 1)]
                axis.plot(*middle, color=COLOURS[k % len(COLOURS)], lw=1.8)
            axis.spines[["top", "right"]].set_visible(False)
            axis.tick_params(labelsize=7)
            axis.xaxis.set_major_locator(MaxNLocator(4))
            axis.yaxis.set_major_locator(MaxNLocator(4))
            axis.set_xlabel(one.x_label or one.x, fontsize=7)
        line[0].set_ylabel("\n".join(tag.split("/", 1)), fontsize=7)
    figure.savefig(path, dpi=_DPI)
