"""Curves over another tag instead of env steps: gold over √KL, say. How they are drawn, and what is read off them.

A measure that names a tag to be held `against` gives its reduction that tag's values in the place of steps, paired by
logged line, in the order they were logged; so do these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from selfplay.studies.reductions import Value


@dataclass(frozen=True)
class Against:
    """A figure of tags `y` over the tag `x`: a panel for each of them and each arm, a thin line for each seed.

    beside: another such figure, with as many y, whose averages are laid over it as dashed lines. It changes nothing
    that is measured.
    """

    x: str
    y: tuple[str, ...]
    x_label: str = ""
    beside: Against | None = None

    def __post_init__(self) -> None:
        if self.beside is not None and len(self.beside.y) != len(self.y):
            raise ValueError(f"against {self.x}: beside has {len(self.beside.y)} tags y (expected {len(self.y)})")

    @property
    def tags(self) -> tuple[str, ...]:
        """All that it shows."""
        return (self.x, *self.y, *(self.beside.tags if self.beside is not None else ()))


@dataclass(frozen=True)
class ScalingLaw:
    """A coefficient of the law of Gao et al. 2023 (arXiv 2210.10760, section 3.1), fitted by least squares.

    y - y_0 = d (α - β d) for "bon", best-of-n, and d (α - β log d) for "rl"; y_0 is y at the least d, where nothing is
    optimised yet. Linear in α and β; of several that fit alike (too few different d) the shortest pair.
    """

    form: Literal["bon", "rl"]
    coefficient: Literal["alpha", "beta"]

    def __call__(self, x: Sequence[float], values: Sequence[float], budget: float) -> Value:
        d, y = np.asarray(x, float), np.asarray(values, float)
        if (d < 0).any():
            raise ValueError(f"scaling law: a distance is {d.min():g}, expected d >= 0")
        bend = d * d if self.form == "bon" else d * np.log(np.where(d > 0, d, 1.0))
        fitted = np.linalg.lstsq(np.stack([d, -bend], -1), y - y[d.argmin()], rcond=None)[0]
        found = float(fitted[("alpha", "beta").index(self.coefficient)])
        return Value(found, found)

    def __str__(self) -> str:
        law = {"bon": "d (α − β d)", "rl": "d (α − β log d)"}[self.form]
        return f"{'α' if self.coefficient == 'alpha' else 'β'} of {law}"


@dataclass(frozen=True)
class Stopped:
    """The value at the first point with x of at least `threshold`, the last one where there is none.

    saved: less the last value.
    """

    threshold: float
    saved: bool = False

    def __call__(self, x: Sequence[float], values: Sequence[float], budget: float) -> Value:
        stop = next((k for k, reached in enumerate(x) if reached >= self.threshold), -1)
        return _at(values, stop, self.saved)

    def __str__(self) -> str:
        return f"at the first x of {self.threshold:g} or more" + (", less the last" if self.saved else "")


@dataclass(frozen=True)
class AtBest:
    """The value where x is largest, at the first such point. saved: less the last value."""

    saved: bool = False

    def __call__(self, x: Sequence[float], values: Sequence[float], budget: float) -> Value:
        return _at(values, int(np.argmax(x)), self.saved)

    def __str__(self) -> str:
        return "where x is largest" + (", less the last" if self.saved else "")


def _at(values: Sequence[float], place: int, saved: bool) -> Value:
    value = values[place] - (values[-1] if saved else 0.0)
    return Value(value, value)


Paired = ScalingLaw | Stopped | AtBest
"""The reductions that need a tag to be held against."""
