"""The charts of a report, each small enough for a phone: curves with intervals over seeds, and a row for each arm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from selfplay.report.svg import inline
from selfplay.studies.statistics import Interval, iqm
from selfplay.transfer.bootstrap import curve_band

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Distinguishable to colour-blind eyes (Okabe and Ito 2008), without black, which a dark page swallows."""
DASHES = ("-", "--", ":", "-.")
MOST_LINES = 6
_GREY = "#8a8f98"
_POINTS = 60
_WIDTH, _HEIGHT = 4.0, 2.4  # inches


@dataclass(frozen=True)
class Curves:
    """One line of a chart: steps [P], and the curves of its runs on these, values [seeds, P] or [parents, runs, P]."""

    steps: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, curves: Sequence[tuple[np.ndarray, np.ndarray]], nested: int = 1) -> Curves:
        """From curves with points of their own: 60 steps that all of them cover.

        nested: so many curves after another are runs of one pretrained policy.
        """
        begin, end = max(c[0][0] for c in curves), min(c[0][-1] for c in curves)
        steps = np.linspace(begin, max(begin, end), _POINTS if end > begin else 1)
        values = np.array([np.interp(steps, *curve) for curve in curves])
        return cls(steps, values.reshape(-1, nested, len(steps)) if nested > 1 else values)

    @property
    def middle(self) -> np.ndarray:
        """The interquartile mean over all runs, [P]."""
        return iqm(self.values.reshape(-1, len(self.steps)).T)


def style(k: int) -> tuple[str, str]:
    """Colour and dashes of line k."""
    return COLOURS[k % len(COLOURS)], DASHES[k // len(COLOURS) % len(DASHES)]


def curve_chart(lines: Mapping[str, Curves], title: str, styles: Mapping[str, tuple[str, str]]) -> Markup:
    """Interquartile means over seeds with their 95 % intervals as bands; a single seed has none."""

    def draw(axis: Any) -> None:
        for name, curves in lines.items():
            _line(axis, curves, *styles[name])

    ends = ", ".join(f"{name} ends at {curves.middle[-1]:.3g}" for name, curves in lines.items())
    return _chart(draw, title, f"{title} over env steps: {ends}.")


def highlight_chart(name: str, lines: Mapping[str, Curves], tag: str, limits: tuple[float, float]) -> Markup:
    """The line called `name` with its band, the others thin and grey behind it; `limits` of the y axis."""

    def draw(axis: Any) -> None:
        for other, curves in lines.items():
            if other != name:
                axis.plot(curves.steps[::2], curves.middle[::2], color=_GREY, lw=0.6, alpha=0.5)
        _line(axis, lines[name], COLOURS[0], "-")
        axis.set_ylim(*limits)

    curves = lines[name]
    return _chart(
        draw, name, f"{tag} of {name} over env steps, from {curves.middle[0]:.3g} to {curves.middle[-1]:.3g}."
    )


def dots_chart(rows: Mapping[str, tuple[Sequence[float], Sequence[bool], Interval]], title: str) -> Markup:
    """A row for each arm: a dot a seed (hollow where censored), the average as a bar, its interval as a line."""
    height = 0.45 + 0.24 * len(rows)

    def draw(axis: Any) -> None:
        at = -np.arange(len(rows))
        for y, (values, censored, interval) in zip(at, rows.values(), strict=True):
            worst = max(values)
            spread = np.linspace(-0.22, 0.22, len(values)) if len(values) > 1 else np.zeros(1)
            faces = ["none" if cut else COLOURS[0] for cut in censored]
            axis.scatter(
                values, y + spread, s=7, facecolors=faces, edgecolors=COLOURS[0], lw=0.5, alpha=0.6, clip_on=False
            )
            axis.hlines(y, interval.low, min(interval.high, worst), color="black", lw=1.1)
            axis.vlines(interval.found_low, y - 0.36, y + 0.36, color="black", lw=1.8)
        axis.set_yticks(at, list(rows), fontsize=8)
        axis.set_ylim(at[-1] - 0.6, 0.6)
        axis.grid(axis="x", alpha=0.25)
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.xaxis.set_major_formatter(FuncFormatter(_tick))

    found = "; ".join(f"{name} {interval.found_low:.3g}" for name, (_, _, interval) in rows.items())
    return _chart(draw, "", f"{title}, averages over seeds: {found}.", height, 0.2 + 0.072 * max(map(len, rows)))


def _line(axis: Any, curves: Curves, colour: str, dashes: str) -> None:
    band = curve_band(curves.values)
    if band is not None:
        axis.fill_between(curves.steps, *band, color=colour, alpha=0.18, lw=0)
    axis.plot(curves.steps, curves.middle, color=colour, ls=dashes, lw=1.5)


def _chart(draw: Callable[[Any], None], title: str, alt: str, height: float = 0.0, left: float = 0.48) -> Markup:
    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(_WIDTH, height or _HEIGHT))
        FigureCanvasAgg(figure)
        axis = figure.subplots()
        tall = height or _HEIGHT  # margins in inches: a layout engine would draw everything twice
        figure.subplots_adjust(
            left=left / _WIDTH, right=1 - 0.1 / _WIDTH, bottom=0.27 / tall, top=1 - (0.08 if height else 0.3) / tall
        )
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        if not height:
            axis.set_title(title, fontsize=9.5, loc="left")
            axis.xaxis.set_major_locator(MaxNLocator(4))
            axis.yaxis.set_major_locator(MaxNLocator(4))
            for part in (axis.xaxis, axis.yaxis):
                part.set_major_formatter(FuncFormatter(_tick))
        draw(axis)
        return inline(figure, alt)


def _tick(value: float, _: int) -> str:
    return EngFormatter(sep="")(value) if abs(value) >= 1000 else f"{value:.6g}"
