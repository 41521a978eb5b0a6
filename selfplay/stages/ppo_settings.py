"""The settings of the stage of one learner, for worlds of either family."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from curiosity.catalogue import SOURCES
from envs.noisy_tv import TVSpec
from selfplay.core.config import PPOConfig
from selfplay.label.settings import LabelConfig, OneTeacher, QueryConfig
from selfplay.rewards.streams import BonusSettings, TaughtSettings, parse_rewards, privileged_channels


class PPOStageConfig(BaseModel):
    """What `train ppo`, `train icm` and the like can be told of any world."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    num_envs: int = Field(1024, ge=1, le=2**31 - 1, description="worlds stepped at once")
    rollout_steps: int = Field(64, ge=1, description="steps of every world between two updates")
    rewards: tuple[str, ...] = Field(("task=1",), description="NAME=WEIGHT, what is wanted; also --reward NAME=WEIGHT")
    rescale_task: bool = Field(
        False, description="divide the task's reward by the running deviation of its discounted sum"
    )
    tv: str = Field("off", description="a noisy TV: trigger,content,extent,place such as remote,k30,view,everywhere")
    tv_hidden: bool = Field(False, description="the policy sees the world without the TV, the bonuses with it")
    eval_episodes: int = Field(512, ge=0, le=2**31 - 1, description="episodes of an evaluation; 0: there is none")
    ppo: PPOConfig = PPOConfig(minibatch_size=8192)
    bonus: BonusSettings = BonusSettings()
    taught: TaughtSettings = TaughtSettings()
    labels: LabelConfig = LabelConfig()
    teacher: OneTeacher = OneTeacher()
    queries: QueryConfig = QueryConfig()

    @field_validator("rewards")
    @classmethod
    def _rewards(cls, rewards: tuple[str, ...]) -> tuple[str, ...]:
        parse_rewards(rewards)
        return rewards

    @field_validator("tv")
    @classmethod
    def _tv(cls, tv: str) -> str:
        return str(TVSpec.parse(tv))

    @model_validator(mode="after")
    def _something_to_hide(self) -> PPOStageConfig:
        if self.tv_hidden and self.tv == "off":
            raise ValueError("tv_hidden: there is no TV to hide, expected tv=... as well")
        return self

    @model_validator(mode="after")
    def _can_be_asked(self) -> PPOStageConfig:
        if self.asks and self.labels.horizon > self.rollout_steps:
            raise ValueError(
                f"labels.horizon: no segment of {self.labels.horizon} steps fits into a rollout, "
                f"expected at most rollout_steps = {self.rollout_steps}"
            )
        if self.asks and self.teacher.kind == "human" and self.queries.clips != 2:
            raise ValueError(f"queries.clips: people are shown two clips, expected 2, got {self.queries.clips}")
        return self

    @property
    def asks(self) -> bool:
        """Whether a reward is learnt from answers."""
        return "preferences" in parse_rewards(self.rewards)

    @property
    def curious(self) -> bool:
        """Whether there is a bonus."""
        return not SOURCES.keys().isdisjoint(parse_rewards(self.rewards))

    @property
    def weighed(self) -> set[str]:
        """The features that have a weight in a reward."""
        return self.taught.features.channels() if "features" in parse_rewards(self.rewards) else set()

    @property
    def read_channels(self) -> set[str]:
        """What the rewards look at beside the policy's observation."""
        return privileged_channels(self.rewards, self.bonus, self.taught)


class GridStageConfig(PPOStageConfig):
    """And what it can be told of grid worlds."""

    levels: int = Field(0, ge=0, le=2**20, description="how many levels there are; 0: a fresh one for every episode")
    coverage: bool = Field(False, description="measure which cells every episode visits; with a bonus always")
    segments: tuple[str, ...] = Field(("view", "direction", "mission"), description="what the policy sees of the world")
    view_size: int = Field(7, ge=3, le=61, description="cells along the edge of the view, odd")

    @property
    def explores(self) -> bool:
        """Whether it is measured where the player goes."""
        return self.coverage or self.curious

    @property
    def channels(self) -> tuple[str, ...]:
        """What the worlds have to show beside the policy's observation."""
        return tuple(sorted(self.read_channels | ({"position"} if self.explores else set())))


_VECTORS = PPOConfig(
    minibatch_size=256, epochs=10, learning_rate=3e-4, entropy=0.0, activation="tanh", critic="own"
)  # fmt: skip


class MujocoStageConfig(PPOStageConfig):
    """And what it is told by default of MuJoCo's worlds."""

    num_envs: int = Field(32, ge=1, le=2**31 - 1, description="worlds stepped at once")
    rescale_task: bool = Field(
        True, description="divide the task's reward by the running deviation of its discounted sum"
    )
    eval_episodes: int = Field(8, ge=0, le=2**31 - 1, description="episodes of an evaluation; 0: there is none")
    coverage: bool = Field(
        False,
        description="measure the share of a maze's free cells that the agent's centre is in at some time of an "
        "episode; with a bonus always, where there is a maze",
    )
    ppo: PPOConfig = _VECTORS


class OutsideStageConfig(PPOStageConfig):
    """And what it can be told of Gymnasium environments of somebody else's."""

    num_envs: int = Field(16, ge=1, le=2**31 - 1, description="worlds stepped at once")
    rollout_steps: int = Field(128, ge=1, description="steps of every world between two updates")
    rescale_task: bool = Field(
        True, description="divide the task's reward by the running deviation of its discounted sum"
    )
    eval_episodes: int = Field(16, ge=0, le=2**31 - 1, description="episodes of an evaluation; 0: there is none")
    success: bool = Field(False, description="an episode that terminates with a positive reward is a success")
    vectorisation: Literal["auto", "own", "sync", "async"] = Field(
        "auto", description="own: its vector entry point; sync: one after the other; async: a process each"
    )
    ppo: PPOConfig = _VECTORS.model_copy(update={"entropy": 0.01})
