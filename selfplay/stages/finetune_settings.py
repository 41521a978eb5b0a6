"""The settings of the stage that goes on from another run's policy."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from selfplay.stages.ppo_settings import GridStageConfig, MujocoStageConfig, OutsideStageConfig

Part = Literal["encoder", "policy", "critic", "normaliser"]
Frozen = Literal["encoder", "policy", "critic"]
KEPT: tuple[Part, ...] = ("encoder", "policy", "normaliser")
_FIRST_BETA = 0.1
_FREEZE = "parts that learn nothing; who freezes what is not taken over keeps it random"
_KEEP = "parts taken over: encoder (first layer), policy (the other layers and its head), critic, normaliser"


def _nothing(parts: tuple[Frozen, ...]) -> bool:
    """So that `config.json` is as it was before anything could be frozen, and such runs can be taken up."""
    return not parts


class LeashConfig(BaseModel):
    """How far from the policy it began as a learner may go (`selfplay.rewards.leash`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    beta: float | None = Field(
        None,
        ge=0,
        description="what a nat of KL costs, in units of the task's reward (rescaled: its deviation); none: no leash",
    )
    target: float | None = Field(
        None, gt=0, description=f"nats an episode that beta is moved towards, from {_FIRST_BETA} on; none: it stays"
    )
    horizon: int = Field(10_000, ge=1, description="episodes after which beta has moved by a fifth at most")

    @model_validator(mode="after")
    def _movable(self) -> LeashConfig:
        if self.target is not None and self.beta == 0:
            raise ValueError("beta: 0 cannot be moved towards a target, expected a number above 0")
        return self

    @property
    def first_beta(self) -> float | None:
        """Where β starts; None without a leash."""
        return _FIRST_BETA if self.beta is None and self.target is not None else self.beta


class GridFinetuneConfig(GridStageConfig):
    """Everything `finetune` can be told of grid worlds."""

    keep: tuple[Part, ...] = Field(KEPT, description=_KEEP)
    freeze: tuple[Frozen, ...] = Field((), description=_FREEZE, exclude_if=_nothing)
    leash: LeashConfig = LeashConfig()


class MujocoFinetuneConfig(MujocoStageConfig):
    """Everything `finetune` can be told of MuJoCo's worlds."""

    keep: tuple[Part, ...] = Field(KEPT, description=_KEEP)
    freeze: tuple[Frozen, ...] = Field((), description=_FREEZE, exclude_if=_nothing)
    leash: LeashConfig = LeashConfig()


class OutsideFinetuneConfig(OutsideStageConfig):
    """Everything `finetune` can be told of Gymnasium environments of somebody else's."""

    keep: tuple[Part, ...] = Field(KEPT, description=_KEEP)
    freeze: tuple[Frozen, ...] = Field((), description=_FREEZE, exclude_if=_nothing)
    leash: LeashConfig = LeashConfig()


FinetuneConfig = GridFinetuneConfig | MujocoFinetuneConfig | OutsideFinetuneConfig
