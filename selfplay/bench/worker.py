"""The far side of a contender: a process that answers requests, one line of JSON each, until its input ends.

Standard library only. A request is `{"call": NAME, ...arguments}`; the answer is `{"result": ...}`, `{"missing":
MODULE}` where a package is not installed, or `{"error": one line}`. What a package prints goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any, Protocol


class Stepper(Protocol):
    """Environments that can be stepped with random actions. `steps`: environment steps of one `step()`."""

    steps: int

    def step(self) -> None: ...

    def close(self) -> None: ...


def serve(calls: dict[str, Callable[..., Any]]) -> None:
    """Answer requests on stdin with `calls`; returns at the end of the input."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        name = request.pop("call")
        answer: dict[str, Any]
        try:
            answer = {"result": calls[name](**request)}
        except ModuleNotFoundError as error:
            answer = {"missing": error.name}
        except Exception as error:  # the other side tells it in its table: one contender must not end the others
            answer = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
        print(json.dumps(answer), file=answers, flush=True)


def serve_stepping(make: Callable[..., Stepper], modes: Callable[..., Iterable[dict[str, Any]]]) -> None:
    """Answer `prepare` (the contender's own arguments) and `measure(seconds)`.

    make(mode, **arguments) -> Stepper; modes(**arguments) -> the modes worth a try. `prepare` tries each for `trial`
    seconds and keeps the fastest, so that everybody is measured in its best mode.
    """
    kept: list[Stepper] = []

    def prepare(trial: float, packages: list[str], **arguments: Any) -> dict[str, Any]:
        found = versions(packages)
        tried: list[tuple[float, dict[str, Any]]] = []
        began = time.perf_counter()
        choices = list(modes(**arguments))
        for mode in choices:
            if len(choices) == 1:
                tried.append((0.0, mode))
                continue
            stepper = make(mode, **arguments)
            stepper.step()
            tried.append((rate(stepper, trial)["rate"], mode))
            stepper.close()
        _, best = max(tried, key=lambda pair: pair[0])
        kept.append(make(best, **arguments))
        kept[0].step()
        return {
            "mode": best,
            "tried": tried if len(tried) > 1 else [],
            "seconds": time.perf_counter() - began,
            "versions": found,
        }

    serve({"prepare": prepare, "measure": lambda seconds: rate(kept[0], seconds)})
    for stepper in kept:
        stepper.close()


def rate(stepper: Stepper, seconds: float) -> dict[str, float]:
    """Step for at least `seconds`: steps, seconds, and `rate` in steps a second."""
    calls, began = 0, time.perf_counter()
    while True:
        stepper.step()
        calls += 1
        passed = time.perf_counter() - began
        if passed >= seconds:
            return {"steps": calls * stepper.steps, "seconds": passed, "rate": calls * stepper.steps / passed}


def versions(packages: list[str]) -> dict[str, str]:
    """The installed versions of `packages`."""
    return {name: metadata.version(name) for name in packages}
