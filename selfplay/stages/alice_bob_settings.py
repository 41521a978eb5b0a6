"""The settings of asymmetric self-play, for worlds of either family."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from selfplay.core.config import PPOConfig
from selfplay.game.config import GameConfig, MujocoGameConfig
from selfplay.rewards.streams import BonusSettings, parse_rewards, privileged_channels


class AliceBobConfig(BaseModel):
    """What `train alice-bob` can be told of any world."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    num_envs: int = Field(1024, ge=1, le=2**31 - 1, description="worlds played at once, target task included")
    proposals: int = Field(
        64,
        ge=0,
        description="goals of each round, the present Alice's, that are written to proposals.jsonl, drawn evenly",
    )
    eval_goals: int = Field(512, ge=1, le=2**31 - 1, description="fresh levels of an evaluation")
    rewards: tuple[str, ...] = Field(
        ("task=1",), description="what Alice wants, NAME=WEIGHT; task is her payoff; also --reward NAME=WEIGHT"
    )
    game: GameConfig = GameConfig()
    alice: PPOConfig = PPOConfig(normalise_over="batch")
    bob: PPOConfig = PPOConfig(normalise_over="batch")
    bonus: BonusSettings = BonusSettings()

    @field_validator("rewards")
    @classmethod
    def _rewards(cls, rewards: tuple[str, ...]) -> tuple[str, ...]:
        parse_rewards(rewards, taught=False)
        return rewards


class GridAliceBobConfig(AliceBobConfig):
    """And what it can be told of grid worlds."""

    segments: tuple[str, ...] = Field(
        ("view", "full", "position", "direction", "carried"), description="what both players see of the world"
    )
    view_size: int = Field(7, ge=3, le=61, description="cells along the edge of the view, odd")


_CONTINUOUS = PPOConfig(
    normalise_over="batch", minibatch_size=2048, epochs=4, entropy=0.0, activation="tanh", critic="own",
)  # fmt: skip


class MujocoAliceBobConfig(AliceBobConfig):
    """And what it is told by default of MuJoCo's worlds."""

    num_envs: int = Field(256, ge=1, le=2**31 - 1, description="worlds played at once, target task included")
    eval_goals: int = Field(256, ge=1, le=2**31 - 1, description="fresh worlds of an evaluation")
    game: MujocoGameConfig = MujocoGameConfig()
    # Who sees far ahead never finds it time to STOP; who is sure of herself asks for one direction only.
    alice: PPOConfig = _CONTINUOUS.model_copy(update={"gamma": 0.97, "learning_rate": 5e-4, "entropy": 0.01})
    bob: PPOConfig = _CONTINUOUS.model_copy(update={"gamma": 0.995, "log_std": -0.5})

    @model_validator(mode="after")
    def _no_channels(self) -> MujocoAliceBobConfig:
        if privileged := sorted(privileged_channels(self.rewards, self.bonus)):
            raise ValueError(
                f"bonus: self-play shows bonuses only obs, not {privileged[0]!r}, expected reads or keys = obs"
            )
        return self


def check_together(config: AliceBobConfig) -> None:
    """ValueError for settings that are fine one by one and cannot work together."""
    game, bob = config.game, config.bob
    if game.clone_weight > 0 and bob.memory != "none":
        raise ValueError(f'bob.memory: "{bob.memory}" cannot clone single steps; set game.clone=0, or bob.memory=none')
    if game.clone_weight > 0 and bob.normalise_advantage and bob.normalise_over == "minibatch":
        raise ValueError('bob.normalise_over: cloning needs "batch" (or game.clone=0), got "minibatch"')
    if not game.stop and game.alice_limit >= game.t_max:
        raise ValueError(
            f"game.alice_steps: {game.alice_limit} of t_max {game.t_max} leaves Bob no step (expected fewer)"
        )
