"""What a study of transfer declares beside its arms and claims: methods, tasks, and what is held against what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Family:
    """Tasks on which methods are compared, all of them for as many steps but `total`.

    tasks: their names, in the order of the groups' arms.
    methods: name -> group of the study, an arm for each task.
    few_shot: share of the steps after which the few-shot score is taken.
    profiles: the methods whose performance profiles are drawn.
    retention: method -> groups with what was learnt in pretraining, before and after.
    """

    tasks: tuple[str, ...]
    methods: Mapping[str, str]
    few_shot: float
    profiles: tuple[str, ...]
    retention: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def groups(self) -> list[str]:
        """Every group that is named here."""
        return [*self.methods.values(), *(group for pair in self.retention.values() for group in pair)]


@dataclass(frozen=True)
class Transfer:
    """Reported before the claims (`selfplay.studies.transfer_tables`).

    tag, scale: of the scores, as a measure has them; the tag is one of the study's curves.
    baseline: the method that learns from scratch.  total: the one with as many steps in all, pretraining included.
    threshold: the score whose time is taken.  retained: the measures of what was learnt in pretraining.
    """

    tag: str
    scale: Mapping[str, tuple[float, float]]
    families: Mapping[str, Family]
    baseline: str
    total: str
    threshold: float
    retained: tuple[str, ...] = ()
