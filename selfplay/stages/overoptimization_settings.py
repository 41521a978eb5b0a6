"""The settings of the stage that measures how a reward is over-optimised."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from selfplay.rewards.streams import parse_rewards
from selfplay.stages.finetune_settings import GridFinetuneConfig, LeashConfig


class PressureConfig(BaseModel):
    """How hard is optimised for each of the points k = 0, 1, …, K that a run's evaluations make; at 0 not at all."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    points: int = Field(20, ge=2, description="K, the point of the hardest optimisation; later ones repeat it")
    best_of: int = Field(1024, ge=2, description="n of best-of-n at point K; n^(k/K) before it")
    episodes: int = Field(131_072, ge=2, description="episodes that these are taken from, at least n")
    first_beta: float = Field(
        300.0, gt=0, description="β of the exact optimum on a leash at point 1, deviations per nat"
    )
    last_beta: float = Field(0.3, gt=0, description="β at point K; falls by a constant factor in between")
    last_leash: float = Field(0.001, gt=0, description="β of the learner's own leash at the end, from leash.beta on")
    checks: int = Field(50, ge=1, description="questions a point to the teacher: an episode of now, or of the start?")

    @model_validator(mode="after")
    def _enough(self) -> PressureConfig:
        if self.best_of > self.episodes:
            raise ValueError(f"episodes: {self.episodes} are fewer than best_of = {self.best_of}, expected as many")
        return self

    def beta(self, k: int) -> float:
        """β at point k ≥ 1."""
        share = (min(k, self.points) - 1) / (self.points - 1)
        return self.first_beta * (self.last_beta / self.first_beta) ** share

    def leash(self, first: float, progress: float) -> float:
        """β of the learner's leash after a share `progress` of the run that began with `first`."""
        return first * (self.last_leash / first) ** progress

    def n(self, k: int) -> int:
        """n at point k."""
        return round(self.best_of ** (min(k, self.points) / self.points))


class GridOveroptimizationConfig(GridFinetuneConfig):
    """Everything `overoptimization` can be told: `finetune` in few levels, with one reward, and the pressure."""

    levels: int = Field(1, ge=1, le=16, description="how many levels there are")
    leash: LeashConfig = LeashConfig(beta=1.0)
    pressure: PressureConfig = PressureConfig()

    @model_validator(mode="after")
    def _measurable(self) -> GridOveroptimizationConfig:
        names = list(parse_rewards(self.rewards))
        if names not in (["task"], ["preferences"]):
            raise ValueError(
                f"rewards: {', '.join(names)} cannot be held against the task (expected one of task, preferences)"
            )
        taught = self.taught.preferences
        if taught.next_obs or taught.reads != "obs":
            raise ValueError("taught.preferences: only rewards of what is seen and done can be written out as a table "
                             "(expected next_obs=false, reads=obs)")  # fmt: skip
        if self.tv != "off" or self.ppo.memory != "none":
            raise ValueError("a TV and a memory cannot be written out as a table (expected tv=off, ppo.memory=none)")
        if not self.leash.beta or self.leash.target is not None:
            raise ValueError("leash: it is loosened from leash.beta on (expected a number above 0, and no target)")
        return self
