"""The settings of the stages that learn from a file and play for their scores only."""

from __future__ import annotations

from typing import Any, Literal, TypeGuard

from pydantic import BaseModel, ConfigDict, Field

from selfplay.config import keys
from selfplay.stages.ppo_settings import GridStageConfig, MujocoStageConfig, OutsideStageConfig


class FitConfig(BaseModel):
    """How long and in which strides it is learnt."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: int = Field(100, ge=1, le=100_000, description="at most so many passes over what is learnt from")
    patience: int = Field(
        10, ge=1, description="passes without a better loss on what is held out, then the best one's policy is kept"
    )
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's step size")


class CloneConfig(FitConfig):
    """Behaviour cloning."""

    minibatch_size: int = Field(512, ge=1, description="steps in one gradient, about; with a memory whole episodes")
    held_out: float = Field(0.1, ge=0, lt=1, description="share of the episodes that are never learnt from")
    successes: bool = Field(False, description="only episodes that succeeded are looked at")


class PreferenceFitConfig(FitConfig):
    """Preferences turned into a policy without a reward in between (`selfplay.imitation.preference_loss`)."""

    learning_rate: float = Field(3e-4, gt=0, le=1, description="Adam's step size")
    minibatch_size: int = Field(64, ge=1, description="comparisons in one gradient, about")
    loss: Literal["dpo", "cpl"] = Field(
        "dpo", description="dpo: direct preference optimisation, keeps to RUN's policy; cpl: contrastive preferences"
    )
    beta: float = Field(0.1, gt=0, description="dpo: β, the reward that a nat away from RUN's policy costs")
    alpha: float = Field(0.1, gt=0, description="cpl: α, the advantage that a nat of log π stands for")
    gamma: float = Field(1.0, gt=0, le=1, description="cpl: discount per step within a clip")
    bias: float = Field(0.5, gt=0, le=1, description="cpl: λ, what the worse clip counts; below 1 keeps to the better")


class GridCloneConfig(GridStageConfig):
    """Everything `clone` can be told of grid worlds."""

    num_envs: int = 1
    rollout_steps: int = 1
    fit: CloneConfig = CloneConfig()


class MujocoCloneConfig(MujocoStageConfig):
    """Everything `clone` can be told of MuJoCo's worlds."""

    num_envs: int = 1
    rollout_steps: int = 1
    fit: CloneConfig = CloneConfig()


class OutsideCloneConfig(OutsideStageConfig):
    """Everything `clone` can be told of Gymnasium environments of somebody else's."""

    num_envs: int = 1
    rollout_steps: int = 1
    fit: CloneConfig = CloneConfig()


class GridDPOConfig(GridStageConfig):
    """Everything `dpo` can be told of grid worlds."""

    num_envs: int = 1
    rollout_steps: int = 1
    fit: PreferenceFitConfig = PreferenceFitConfig()


class MujocoDPOConfig(MujocoStageConfig):
    """Everything `dpo` can be told of MuJoCo's worlds."""

    num_envs: int = 1
    rollout_steps: int = 1
    fit: PreferenceFitConfig = PreferenceFitConfig()


class OutsideDPOConfig(OutsideStageConfig):
    """Everything `dpo` can be told of Gymnasium environments of somebody else's."""

    num_envs: int = 1
    rollout_steps: int = 1
    fit: PreferenceFitConfig = PreferenceFitConfig()


AnyCloneConfig = GridCloneConfig | MujocoCloneConfig | OutsideCloneConfig
AnyDPOConfig = GridDPOConfig | MujocoDPOConfig | OutsideDPOConfig
FittedConfig = AnyCloneConfig | AnyDPOConfig

_WORLD = ("levels", "segments", "view_size", "tv", "tv_hidden", "eval_episodes", "success", "vectorisation")
_SHAPE = ("hidden", "activation", "critic", "normalise_obs", "log_std", "memory")


def is_fitted(config: type[BaseModel]) -> TypeGuard[type[FittedConfig]]:
    """Whether these settings are of a stage that learns from a file."""
    return issubclass(config, FittedConfig)


def used(config: type[FittedConfig]) -> dict[str, Any]:
    """Dotted key to field of the settings that mean something where nothing is played to learn from it."""
    shape = () if issubclass(config, AnyDPOConfig) else _SHAPE  # there it is RUN's
    wanted = {*_WORLD, "ppo.max_grad_norm", *(f"ppo.{key}" for key in shape)}
    return {key: field for key, field in keys(config).items() if key in wanted or key.startswith("fit.")}
