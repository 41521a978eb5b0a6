"""Settings of everything between play and labels: who answers, what is asked, how much and when. Loads no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class QueryConfig(BaseModel):
    """How queries are chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Literal["uniform", "disagreement", "entropy"] = Field("uniform", description="what is asked first")
    clips: int = Field(2, ge=2, description="k, clips in a query: 2 for pairs, more for rankings")
    pool: int = Field(10, ge=1, description="sets drawn for each query; the best of them are asked")
    again: float = Field(0.0, ge=0, le=1, description="share of queries that ask an old one once more")


class TeacherConfig(BaseModel):
    """A teacher of B-Pref (Lee et al. 2021, arXiv 2111.03026, section 3). The defaults never err."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    beta: float | None = Field(None, ge=0, description="β, inverse temperature; None: ∞, always the better one")
    gamma: float = Field(1.0, gt=0, le=1, description="γ, how much a step counts beside the one after it")
    mistake: float = Field(0.0, ge=0, le=1, description="ε, probability that a preference is turned round")
    skip: float | None = Field(None, description="δ_skip: skips where no segment's return reaches this; None: never")
    equal: float = Field(0.0, ge=0, description="δ_equal: equal where two returns differ by less than this")


class OneTeacher(TeacherConfig):
    """Who answers the questions of a run.

    A script goes by the task's reward, which the learner need not see, or by what a biased judge takes for it. Where
    two segments are worth the same it says so: in worlds with a sparse reward most pairs are like that.
    """

    kind: Literal["script", "human"] = Field(
        "script", description="script: by the task's reward, at once; human: whoever answers on `selfplay label RUN`"
    )
    equal: float = Field(1e-6, ge=0, description="δ_equal: equal where two returns differ by less than this")
    bias: float = Field(0.0, description="what a biased judge adds to each step's reward per unit of the feature")
    feature: Literal["steps", "still"] = Field(
        "steps", description="what bias is for: steps (1 each), still (1 where nothing that is seen changed)"
    )


class LabelConfig(BaseModel):
    """How many questions are asked about what is played, when, and about which parts of it.

    A question counts when it is asked: also one that is skipped, answered "equal" or asked once more. Before the first
    update a share of them is asked about the play of the policy as it begins; the others are spread evenly over the
    following part of the run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    budget: int = Field(500, ge=1, le=1_000_000, description="questions in all; also --labels N")
    first: float = Field(0.25, ge=0, le=1, description="share of them that is asked before the first update")
    warmup: int = Field(4, ge=1, description="rollouts before the first update that these are about")
    until: float = Field(0.9, gt=0, le=1, description="share of the run after which all are asked")
    session: int = Field(
        50,
        ge=1,
        description="questions asked at a time, and new labels that it takes to fit again; of people a tenth more",
    )
    horizon: int = Field(25, ge=1, description="steps of a segment, at most a rollout's")
    short: Literal["pad", "drop"] = Field("pad", description="segments of episodes that end sooner: padded or left out")
    endings: float = Field(
        0.5, ge=0, le=1, description="share of the candidates that show how an episode terminated, if there are such"
    )
    past: float = Field(
        0.5, ge=0, le=1, description="share of the candidates that were asked about before, in other pairs, if possible"
    )
    open: int = Field(20, ge=1, description="of people: no more questions are asked while so many are unanswered")

    @model_validator(mode="after")
    def _something_first(self) -> LabelConfig:
        if self.first_count < 1:
            raise ValueError(f"first: {self.first:g} of {self.budget} is no question, expected at least one")
        return self

    @property
    def first_count(self) -> int:
        """Questions before the first update."""
        return round(self.first * self.budget)

    def due(self, rollouts: int, progress: float) -> int:
        """How many may be asked up to the end of rollout number `rollouts` (1, 2, …).

        progress: share of the run that was over when it began, in [0, 1].
        """
        first = self.first_count
        if rollouts <= self.warmup:
            return first * rollouts // self.warmup
        return first + int((self.budget - first) * min(1.0, progress / self.until))
