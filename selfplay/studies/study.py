"""What a study is: a question, the arms that are compared, what is measured, and what is expected beforehand."""

from __future__ import annotations

import fnmatch
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from selfplay.errors import unknown
from selfplay.studies.against import Against, Paired
from selfplay.studies.claim import Claim as Claim  # a study is declared with it
from selfplay.studies.reductions import Above, Fell, How
from selfplay.studies.transfer_families import Transfer

Factors = Mapping[str, str]
CONTINUES = ("finetune", "overoptimization")
"""The methods that go on from a run of another one."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]*")


@dataclass(frozen=True)
class Run:
    """What is trained, but for the seed: as `selfplay train METHOD --env ID --steps N --set KEY=VALUE`.

    begins: of the methods in `CONTINUES` the run that is trained first. Those that begin with the same share it.
    """

    method: str
    env: str
    steps: int
    overrides: Mapping[str, str] = field(default_factory=dict)
    begins: Run | None = None

    def __post_init__(self) -> None:
        if (self.method in CONTINUES) != (self.begins is not None):
            methods = " or ".join(CONTINUES)
            raise ValueError(f"run of {self.method}: begins = {self.begins} (expected a run with {methods}, else none)")


@dataclass(frozen=True)
class Arm:
    """One of the things compared. Its name is the name of its folder; `factors` group it in figures and tables."""

    name: str
    run: Run
    factors: Factors = field(default_factory=dict)


@dataclass(frozen=True)
class Measure:
    """One number for each run, made by `how` from the values of `tag` in its `metrics.jsonl`.

    better: which way is better, said in tables only.
    scale: environment to the two values that count as 0 and as 1 there, taken before `how`; empty: as they are.
    arms: the arms that it makes sense for, as patterns of their names (`*.few`) or a predicate on their factors.
    against: of what `selfplay.studies.against` reads, the tag in the place of env steps.
    """

    name: str
    tag: str
    how: How | Paired
    unit: str = ""
    better: Literal["up", "down", "neither"] = "up"
    arms: tuple[str, ...] | Callable[[Factors], bool] = ("*",)
    against: str = ""
    scale: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for env, (zero, one) in self.scale.items():
            if not (math.isfinite(zero) and math.isfinite(one) and zero != one):
                raise ValueError(f"measure '{self.name}': scale of {env} is {zero} to {one} (expected two numbers)")
        if isinstance(self.how, Paired) != bool(self.against):
            need = "a tag to be held against" if isinstance(self.how, Paired) else "none: it reads env steps"
            raise ValueError(f"measure '{self.name}': against = '{self.against}' (expected {need})")
        if isinstance(self.arms, str):
            raise ValueError(f"measure '{self.name}': arms = '{self.arms}' (expected a tuple of patterns)")

    def fits(self, arm: Arm) -> bool:
        """Whether it is for this arm."""
        if callable(self.arms):
            return bool(self.arms(arm.factors))
        return any(fnmatch.fnmatchcase(arm.name, pattern) for pattern in self.arms)

    def scaled(self, values: np.ndarray, env: str) -> np.ndarray:
        """`values` [P] by what counts as 0 and as 1 in `env`."""
        if not self.scale:
            return values
        zero, one = self.scale[env]
        return (values - zero) / (one - zero)

    @property
    def said(self) -> str:
        """How it is read, in words."""
        return f"{self.how}, x = {self.against}" if self.against else str(self.how)

    @property
    def average(self) -> Literal["iqm", "mean"]:
        """How seeds are averaged: by the interquartile mean, zeros and ones by the mean."""
        return "mean" if isinstance(self.how, Above | Fell) else "iqm"


def _all(factors: Mapping[str, str]) -> bool:
    return True


@dataclass(frozen=True)
class Study:
    """A declared experiment. Seeds are 0 … seeds − 1, the same for every arm.

    nested: of seeds k · i … k · i + k − 1, k being this, all that begins with a run begins with its seed i. They share
        its luck, and are drawn together wherever seeds are.
    groups: name to arms that claims can take as one, such as one method on several tasks: averaged over seeds and arms,
        and a seed is drawn with all of them.
    transfer: what pretraining is worth, reported beside the claims.
    quick_seeds, quick_steps: the small version, to see that everything works; it decides nothing.
    quick: whether this is the small version (`plan.quick`).
    curves: tags drawn as learning curves.  curves_of: factors -> whether an arm's are; all.
    against: tags drawn over other tags.

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
    curves_of: Callable[[Mapping[str, str]], bool] = _all
    against: tuple[Against, ...] = ()
    seeds: int = 10
    quick_seeds: int = 2
    quick_steps: int = 50_000
    quick: bool = False
    nested: int = 1
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    transfer: Transfer | None = None

    def __post_init__(self) -> None:
        arms, measures = [arm.name for arm in self.arms], [measure.name for measure in self.measures]
        for name in (self.name, *arms):
            if not _NAME.fullmatch(name):
                raise ValueError(f"study '{self.name}': '{name}' is no folder's name (expected letters, digits, ._=+-)")
        _each_once(f"study '{self.name}': arm", (name.lower() for name in arms))
        _each_once(f"study '{self.name}': measure", measures)
        if not arms or not measures:
            raise ValueError(f"study '{self.name}': {'measures' if arms else 'arms'} are missing (expected at least 1)")
        self._check_groups(arms)
        for claim in self.claims:
            self._check(claim, f"study '{self.name}', claim '{claim.text}'")
        for key in ("seeds", "quick_seeds", "quick_steps"):
            if getattr(self, key) < 1:
                raise ValueError(f"study '{self.name}': {key} = {getattr(self, key)} is not in range (expected >= 1)")
        if self.nested < 1 or self.seeds % self.nested:
            raise ValueError(f"study '{self.name}': nested = {self.nested} does not divide {self.seeds} seeds")
        for measure in self.measures:
            lacking = [
                arm for arm in self.arms if measure.fits(arm) and measure.scale and arm.run.env not in measure.scale
            ]
            if lacking:
                raise ValueError(f"study '{self.name}': measure '{measure.name}' has no scale for {lacking[0].run.env}")

    def _check_groups(self, arms: list[str]) -> None:
        for name, members in self.groups.items():
            if not members or name in arms:
                raise ValueError(f"study '{self.name}': group '{name}' is {'an arm' if members else 'empty'}")
            for member in members:
                if member not in arms:
                    raise ValueError(f"study '{self.name}', group '{name}': {unknown('arm', member, arms)}")
        if self.transfer is None:
            return
        named = [group for family in self.transfer.families.values() for group in family.groups]
        lacking = [group for group in named if group not in self.groups]
        if lacking:
            raise ValueError(f"study '{self.name}': transfer: {unknown('group', lacking[0], self.groups)}")
        if self.transfer.tag not in self.curves:
            raise ValueError(f"study '{self.name}': transfer: {unknown('curve', self.transfer.tag, self.curves)}")

    def _check(self, claim: Claim, where: str) -> None:
        names = [arm.name for arm in self.arms]
        measures = {measure.name: measure for measure in self.measures}
        if claim.measure not in measures:
            raise ValueError(f"{where}: {unknown('measure', claim.measure, measures)}")
        for side in claim.arms:
            if side not in names and side not in self.groups:
                raise ValueError(f"{where}: {unknown('arm', side, [*names, *self.groups])}")
            for arm in self.members(side):
                if not measures[claim.measure].fits(self.arm(arm)):
                    raise ValueError(f"{where}: measure '{claim.measure}' is not for arm '{arm}'")
        seen = [claim.text]
        while claim.precondition:
            texts = [other.text for other in self.claims]
            if claim.precondition not in texts:
                raise ValueError(f"{where}: precondition: {unknown('claim', claim.precondition, texts)}")
            _each_once(f"study '{self.name}': precondition", (text for text in texts if text == claim.precondition))
            if claim.precondition in seen:
                raise ValueError(f"{where}: its preconditions go in a circle ({' -> '.join([*seen, seen[0]])})")
            seen.append(claim.precondition)
            claim = self.claims[texts.index(claim.precondition)]

    def members(self, side: str) -> tuple[str, ...]:
        """The arms of the group of that name, or the one arm."""
        return self.groups.get(side, (side,))

    @property
    def drawn(self) -> tuple[str, ...]:
        """All tags that a figure shows, or has as its x axis."""
        return tuple(dict.fromkeys((*self.curves, *(tag for one in self.against for tag in one.tags))))

    def measure(self, name: str) -> Measure:
        """The measure of that name."""
        return next(measure for measure in self.measures if measure.name == name)

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)


def _each_once(what: str, names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{what} '{twice[0]}' is there twice (expected each name once)")
