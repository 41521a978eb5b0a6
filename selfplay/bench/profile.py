"""Where the time of training goes: a clock around the calls that do the work, put there for the measurement only."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PARTS: tuple[tuple[str, str, str], ...] = (
    ("acting", "learner", "act"),
    ("environment", "world", "step"),
    ("advantages", "advantages", "estimate"),
    ("loss and gradient", "gradient", "loss_gradient"),
    ("Adam", "adam", "gradient_norm"),
    ("Adam", "adam", "step"),
)
"""Part, the object it happens in and the name of the call. A call inside another belongs to the outer one's part."""


class Clock:
    """Seconds of each part. Calls are wrapped in place until `restore`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside = False
        self._wrapped: list[tuple[Any, str, Any]] = []

    def watch(self, part: str, owner: Any, name: str) -> None:
        """Let calls of `owner.name` count for `part`."""
        call: Callable[..., Any] = getattr(owner, name)
        self.seconds.setdefault(part, 0.0)

        def timed(*arguments: Any, **options: Any) -> Any:
            if self._inside:
                return call(*arguments, **options)
            self._inside, began = True, time.perf_counter()
            try:
                return call(*arguments, **options)
            finally:
                self.seconds[part] += time.perf_counter() - began
                self._inside = False

        self._wrapped.append((owner, name, vars(owner).get(name)))
        setattr(owner, name, timed)

    def restore(self) -> None:
        """Put back what was there."""
        for owner, name, own in reversed(self._wrapped):
            if own is None:
                delattr(owner, name)
            else:
                setattr(owner, name, own)
        self._wrapped.clear()


def shares(stage: Any, iterations: int) -> dict[str, float]:
    """Train `stage` (PPO) for `iterations` iterations: seconds of each part, "rest" and "total"."""
    from selfplay.core import learner as learner_module

    learner = stage.learner
    gradient = ("gradients", "_autograd") if learner._fused is None else ("gradient", "loss_gradient")
    owners = {
        "learner": learner,
        "world": stage.world,
        "advantages": learner_module,
        "gradient": learner._fused,
        "gradients": learner.gradients,
        "adam": learner.adam,
    }
    clock = Clock()
    try:
        for part, owner, name in PARTS:
            if owner == "gradient":
                owner, name = gradient
            clock.watch(part, owners[owner], name)
        began = time.perf_counter()
        for _ in range(iterations):
            stage.iterate(0.0)
        total = time.perf_counter() - began
    finally:
        clock.restore()
    return clock.seconds | {"rest": total - sum(clock.seconds.values()), "total": total}
