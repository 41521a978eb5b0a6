"""Settings of the game between Alice and Bob."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

GoalPart = Literal["position", "direction", "carried", "objects"]


class GameConfig(BaseModel):
    """Rules of asymmetric self-play.

    Defaults are the grid settings of arXiv 1703.05407 (γ .1, t_max 80) and the cloning of arXiv 2101.04882.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mode: Literal["repeat", "reverse"] = Field(
        "repeat", description="repeat: Bob starts where Alice did and must reach her end; reverse: the other way round"
    )
    payoff: Literal["time", "outcome", "opposed"] = Field(
        "time", description="what a round pays; see selfplay.game.payoffs"
    )
    payoff_scale: Annotated[float, Field(gt=0, le=1e6)] = Field(
        0.1, description="γ of the time payoff, or what the outcome payoff pays (±)"
    )
    t_max: Annotated[int, Field(ge=2, le=100_000)] = Field(
        80, description="environment steps both turns of a round share; the task's own time limit means nothing here"
    )
    stop: bool = Field(True, description="Alice ends her turn herself; False: she plays `alice_steps` steps (HSP)")
    alice_steps: Annotated[int, Field(ge=1)] | None = Field(
        None, description="longest turn of Alice; unset: t_max (with stop=False: t_max // 2)"
    )
    clone: Annotated[float, Field(ge=0)] | None = Field(
        None,
        description="weight of cloning Alice's way where Bob failed (ABC, arXiv 2101.04882), repeat mode only; "
        "0 is the game of 2017; unset: 0.5 in repeat mode",
    )
    target_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="share of Bob's episodes that are the target task, with an empty goal"
    )
    past_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="share of the worlds in which a past Alice plays, from whom Alice learns nothing (OpenAI 2021: .2)",
    )
    goal: tuple[GoalPart, ...] = Field(
        ("position", "carried", "objects"), min_length=1, description="what of Alice's end state Bob must match"
    )

    @property
    def clone_weight(self) -> float:
        """`clone`, or what it stands for where it is unset."""
        if self.clone is None:
            return 0.5 if self.mode == "repeat" else 0.0
        return self.clone

    @property
    def alice_limit(self) -> int:
        """The most steps Alice may take."""
        longest = self.t_max if self.stop else self.t_max // 2
        return min(self.alice_steps or longest, self.t_max)


class MujocoGameConfig(GameConfig):
    """And what it is told by default of MuJoCo's worlds: γ .01, the continuous settings of arXiv 1703.05407."""

    payoff_scale: Annotated[float, Field(gt=0, le=1e6)] = Field(
        0.01, description="γ of the time payoff, or what the outcome payoff pays (±)"
    )
    t_max: int = Field(
        0, ge=0, le=100_000, description="environment steps both turns of a round share; 0: the world's own time limit"
    )
    stop_chance: float = Field(
        0.02, gt=0, lt=1, description="Alice's chance of STOP in a step before she has learnt anything"
    )
    past_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.25,
        description="share of the worlds in which a past Alice plays, from whom Alice learns nothing (OpenAI 2021: .2)",
    )
    goal: tuple[Literal["position", "objects"], ...] = Field(
        (),
        description="what of Alice's end state Bob must match; empty: what the world's task asks for. The task itself, "
        "as in target_share, is what it is whatever is said here",
    )

    tolerance: float | None = Field(
        None, gt=0, description="how near a goal counts as reached, metres, also the task's; unset: the world's own"
    )

    @field_validator("t_max")
    @classmethod
    def _enough_steps(cls, t_max: int) -> int:
        if t_max == 1:
            raise ValueError("1 step cannot be shared by two turns (expected 0 or 2 <= t_max)")
        return t_max

    def in_world(self, max_steps: int, task: tuple[str, ...]) -> Self:
        """The same with `t_max` and `goal` as the world has them, where they are left to it."""
        return self.model_copy(update={"t_max": self.t_max or max_steps, "goal": self.goal or task})
