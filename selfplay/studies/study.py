"""What a study is: a question, the arms that are compared, what is measured, and what is expected beforehand."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from selfplay.errors import unknown
from selfplay.studies.reductions import How

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]*")
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_ONE_SIDED = re.compile(rf"(>=|<=|>|<)\s*({_NUMBER})")
_BETWEEN = re.compile(rf"({_NUMBER})\s+to\s+({_NUMBER})")


@dataclass(frozen=True)
class Run:
    """What is trained, but for the seed: as `selfplay train METHOD --env ID --steps N --set KEY=VALUE`."""

    method: str
    env: str
    steps: int
    overrides: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Arm:
    """One of the things compared. Its name is the name of its folder; `factors` group it in figures and tables."""

    name: str
    run: Run
    factors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measure:
    """One number for each run, made by `how` from the values of `tag` in its `metrics.jsonl`.

    better: which way is better, said in tables only.
    """

    name: str
    tag: str
    how: How
    unit: str = ""
    better: Literal["up", "down", "neither"] = "up"


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
    """`kind` of `measure`, arm `left` to arm `right`, is expected in the range `expected` (see `Expected`).

    ratio: IQM(left) / IQM(right), for what cannot be negative.  difference: IQM(left) − IQM(right).
    The margin stands in `expected`: what is hardly more than chance should not count as a prediction that came true.
    """

    text: str
    measure: str
    left: str
    right: str
    kind: Literal["ratio", "difference"]
    expected: str

    def __post_init__(self) -> None:
        Expected.parse(self.expected)
        if self.kind not in ("ratio", "difference"):
            raise ValueError(f"claim '{self.text}': {unknown('kind', self.kind, ('ratio', 'difference'))}")

    @property
    def registered(self) -> str:
        """The claim as one line of figures."""
        sign = "/" if self.kind == "ratio" else "−"
        return f"{self.measure}: {self.left} {sign} {self.right} {self.expected}"


@dataclass(frozen=True)
class Study:
    """A declared experiment. Seeds are 0 … seeds − 1, the same for every arm.

    quick_seeds, quick_steps: the small version, to see that everything works; it decides nothing.
    curves: tags drawn as learning curves.

    Raises:
        ValueError: two things of one name, a claim about an arm or a measure that is not there, a name that is no
            folder's, no arms, or a number below 1.
    """

    name: str
    question: str
    arms: tuple[Arm, ...]
    measures: tuple[Measure, ...]
    claims: tuple[Claim, ...] = ()
    curves: tuple[str, ...] = ()
    seeds: int = 10
    quick_seeds: int = 2
    quick_steps: int = 50_000

    def __post_init__(self) -> None:
        arms, measures = [arm.name for arm in self.arms], [measure.name for measure in self.measures]
        for name in (self.name, *arms):
            if not _NAME.fullmatch(name):
                raise ValueError(f"study '{self.name}': '{name}' is no folder's name (expected letters, digits, ._=+-)")
        _each_once(f"study '{self.name}': arm", (name.lower() for name in arms))
        _each_once(f"study '{self.name}': measure", measures)
        if not arms or not measures:
            raise ValueError(f"study '{self.name}': {'measures' if arms else 'arms'} are missing (expected at least 1)")
        for claim in self.claims:
            where = f"study '{self.name}', claim '{claim.text}'"
            if claim.measure not in measures:
                raise ValueError(f"{where}: {unknown('measure', claim.measure, measures)}")
            for side in (claim.left, claim.right):
                if side not in arms:
                    raise ValueError(f"{where}: {unknown('arm', side, arms)}")
        for key in ("seeds", "quick_seeds", "quick_steps"):
            if getattr(self, key) < 1:
                raise ValueError(f"study '{self.name}': {key} = {getattr(self, key)} is not in range (expected >= 1)")

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)


def _each_once(what: str, names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{what} '{twice[0]}' is there twice (expected each name once)")
