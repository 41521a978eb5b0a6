"""A claim: which averages are held against each other, and the range in which that is expected, said beforehand."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

from selfplay.errors import unknown

Kind = Literal["ratio", "difference", "ratio of ratios", "difference of differences"]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_ONE_SIDED = re.compile(rf"(>=|<=|>|<)\s*({_NUMBER})")
_BETWEEN = re.compile(rf"({_NUMBER})\s+to\s+({_NUMBER})")


@dataclass(frozen=True)
class Expected:
    """A range of numbers, registered as text: `>= 5`, `> 0`, `<= 1.2`, `< 1` or `0.8 to 1.25` (ends belong to it)."""

    text: str
    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> Expected:
        """Raises ValueError for anything else than the five forms above."""
        if one := _ONE_SIDED.fullmatch(text.strip()):
            bound, above = float(one[2]), one[1].startswith(">")
            if "=" not in one[1]:  # the nearest number inside
                bound = math.nextafter(bound, math.inf if above else -math.inf)
            return cls(text, bound, math.inf) if above else cls(text, -math.inf, bound)
        if two := _BETWEEN.fullmatch(text.strip()):
            low, high = float(two[1]), float(two[2])
            if low <= high:
                return cls(text, low, high)
        raise ValueError(f"expected: '{text}' is not a range (expected >= 5, > 0, <= 1.2, < 1 or 0.8 to 1.25)")

    def holds(self, low: float, high: float) -> bool:
        """Whether all of [low, high] is inside."""
        return self.low <= low and high <= self.high

    def excludes(self, low: float, high: float) -> bool:
        """Whether all of [low, high] is outside, on one side."""
        return high < self.low or low > self.high


@dataclass(frozen=True)
class Claim:
    """`kind` of `measure`, arm or group `left` to `right`, is expected in the range `expected` (see `Expected`).

    ratio: left / right, for what cannot be negative.  difference: left − right.  Each arm stands for its average over
    seeds (`Measure.average`). With a control for either side, the interaction of two factors:
    ratio of ratios: (left / left_control) / (right / right_control).
    difference of differences: (left − left_control) − (right − right_control).
    precondition: the text of another claim; unless that one came out as predicted, this one stays undecided.
    The margin stands in `expected`: what is hardly more than chance should not count as a prediction that came true.
    """

    text: str
    measure: str
    left: str
    right: str
    kind: Kind
    expected: str
    left_control: str = ""
    right_control: str = ""
    precondition: str = ""

    def __post_init__(self) -> None:
        Expected.parse(self.expected)
        where = f"claim '{self.text}'"
        if self.kind not in get_args(Kind):
            raise ValueError(f"{where}: {unknown('kind', self.kind, get_args(Kind))}")
        controls = [bool(self.left_control), bool(self.right_control)]
        if self.kind in ("ratio", "difference") and any(controls):
            raise ValueError(f"{where}: a {self.kind} has no controls (expected kind = '{self.kind} of {self.kind}s')")
        if self.kind not in ("ratio", "difference") and not all(controls):
            raise ValueError(f"{where}: a {self.kind} needs left_control and right_control")

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms or groups compared: left, right, or left, left_control, right, right_control."""
        if self.left_control:
            return self.left, self.left_control, self.right, self.right_control
        return self.left, self.right

    @property
    def compared(self) -> str:
        """What is compared, as a formula."""
        sign = "/" if self.kind.startswith("ratio") else "−"
        if not self.left_control:
            return f"{self.measure}: {self.left} {sign} {self.right}"
        left, right = f"{self.left} {sign} {self.left_control}", f"{self.right} {sign} {self.right_control}"
        return f"{self.measure}: ({left}) {sign} ({right})"

    @property
    def registered(self) -> str:
        """The claim as one line of figures."""
        condition = f", if '{self.precondition}' holds" if self.precondition else ""
        return f"{self.compared} {self.expected}{condition}"
