"""Settings of the rewards that are taught by examples and by weights. Imports no torch."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, field_validator, model_validator

from curiosity.config import BonusConfig, SourceConfig


class ClassifierConfig(BonusConfig):
    """A goal classifier."""

    episodic: bool = Field(True, description="whether the return of this reward ends with the episode")
    pays: Literal["probability", "logit"] = Field("probability", description="σ(f), or f itself, as VICE does")
    absorbing: bool = Field(
        True, description="an episode that terminates is paid as if it stayed where it ended: 1 / (1 - gamma) times"
    )
    adversarial: bool = Field(True, description="visited states become failures; else fitted once, to the examples")
    balanced: bool = Field(True, description="as many successes as failures in a gradient step; else as there are")
    members: int = Field(1, ge=1, description="K, classifiers; the least of their logits counts")
    every: int = Field(1, ge=1, description="iterations from one refit to the next")
    first_steps: int = Field(500, ge=1, description="gradient steps on the examples, before anything is played")
    refit_steps: int = Field(16, ge=1, description="gradient steps of a refit")
    minibatch_size: int = Field(256, ge=4, description="states in one gradient step of a member")
    learning_rate: float = Field(1e-3, gt=0, description="Adam's step size")
    width: int = Field(64, ge=1, description="units in each of two hidden layers")
    memory: int = Field(16_384, ge=1, description="visited states that are remembered, drawn from all that ever were")
    positives: str = Field(
        "world",
        min_length=1,
        description="where successes come from: world, a demonstration (FILE.safetensors), or a folder of snapshots",
    )
    successes: int = Field(64, ge=4, description="successes that are asked of the world; a quarter is held out")
    failures: int = Field(2048, ge=1, description="states of random play that are failures from the start")

    @model_validator(mode="after")
    def _ends(self) -> ClassifierConfig:
        if self.absorbing and self.gamma == 1:
            raise ValueError("absorbing: what is paid for ever has no sum at gamma 1, expected gamma < 1")
        return self


class FeatureConfig(SourceConfig):
    """Weights over what the world measures of a step."""

    episodic: bool = Field(True, description="whether the return of this reward ends with the episode")
    weights: tuple[str, ...] = Field((), description="NAME=NUMBER of each feature that counts (`selfplay envs` lists)")

    @field_validator("weights")
    @classmethod
    def _numbers(cls, weights: tuple[str, ...]) -> tuple[str, ...]:
        parse_weights(weights)
        return weights

    def channels(self) -> set[str]:
        """A feature is a channel of its name."""
        return set(parse_weights(self.weights))


def parse_weights(weights: tuple[str, ...]) -> dict[str, float]:
    """`("forward=2", "upright=1")` as a mapping, in the order given; `ValueError` for what cannot be meant."""
    found: dict[str, float] = {}
    for text in weights:
        name, _, number = (part.strip() for part in text.partition("="))
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not name or not math.isfinite(value):
            raise ValueError(f"{text!r} is no weight, expected NAME=NUMBER such as {name or 'forward'}=2")
        if name in found:
            raise ValueError(f"{name!r} is given twice, as {found[name]:g} and as {value:g}")
        found[name] = value
    return found
