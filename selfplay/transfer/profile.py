"""Performance profiles of several methods in one figure (Agarwal et al. 2021, arXiv 2108.13264, §4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from selfplay.errors import UserError
from selfplay.studies.figure import COLOURS
from selfplay.transfer.aggregates import performance_profile
from selfplay.transfer.bootstrap import profile_band

_POINTS = 101
_DASHES = ("-", "--", ":", "-.")


def check_figure(path: Path) -> None:
    """UserError for a name that says no format of these, or is in no folder."""
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise UserError(f"--figure: '{path}' (expected a name that ends in .png, .svg or .pdf)")
    if not path.parent.is_dir():
        raise UserError(f"--figure: '{path}': there is no folder '{path.parent}'")


def draw_profiles(path: Path, scores: Mapping[str, np.ndarray], xlabel: str) -> None:
    """Draw into `path` (.png, .svg or .pdf) what `profiles` draws; UserError for a path that cannot be written."""
    check_figure(path)
    figure = Figure(figsize=(6, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    profiles(figure.subplots(), scores, xlabel)
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise UserError(f"--figure: '{path}' cannot be written: {error.strerror}") from None


def profiles(axis: Any, scores: Mapping[str, np.ndarray], xlabel: str, alone: str = "one seed") -> None:
    """Draw which share of runs and tasks scores above τ, with 95 % bands; the names below, in a constrained layout.

    scores: as `bootstrap.estimate` takes them, by method. alone: what there is one of where a method has no band.
    """
    values = np.concatenate([np.ravel(each) for each in scores.values()])
    margin = 0.05 * (np.ptp(values) or 1.0)
    thresholds = np.linspace(values.min() - margin, values.max() + margin, _POINTS)
    for k, (method, each) in enumerate(scores.items()):
        colour, dashes = COLOURS[k % len(COLOURS)], _DASHES[k // len(COLOURS) % len(_DASHES)]
        band = profile_band(each, thresholds)
        label = method if band else f"{method} ({alone})"
        axis.step(thresholds, performance_profile(np.ravel(each), thresholds), color=colour, ls=dashes, label=label)
        if band:
            axis.fill_between(thresholds, band[1], band[2], color=colour, alpha=0.2, lw=0)
    axis.set(xlabel=xlabel, ylabel="share of runs and tasks above", ylim=(-0.02, 1.02))
    axis.spines[["top", "right"]].set_visible(False)
    axis.figure.legend(loc="outside lower center", ncols=3, frameon=False)  # inside it would hide bands
