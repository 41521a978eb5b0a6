"""The settings of a learner."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Width = Annotated[int, Field(ge=1, le=4096)]


class PPOConfig(BaseModel):
    """Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347) with the details of Huang et al. 2022."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    learning_rate: float = Field(
        1e-3, ge=0, le=1, description="Adam's step size at the start; 0: the policy stays as it is"
    )
    lr_schedule: Literal["constant", "linear"] = Field("constant", description="linear: to 0 at the end of the run")
    epochs: int = Field(2, ge=1, le=1000, description="passes over each batch")
    minibatch_size: int = Field(
        16384,
        ge=1,
        description="steps a gradient is averaged over; a batch is cut into the nearest number of equal parts",
    )
    gamma: float = Field(0.99, ge=0, le=1, description="discount per step of the task stream; others bring their own")
    lam: float = Field(0.95, ge=0, le=1, description="λ of generalised advantages")
    clip: float = Field(0.2, gt=0, lt=1, description="ε of the clipped surrogate")
    clip_value: float | None = Field(
        None, gt=0, description="how far a value may move from what it was when acting; none: freely"
    )
    entropy: float = Field(0.01, ge=0, description="weight of the entropy bonus (nats)")
    value_coef: float = Field(0.5, ge=0, description="weight of ½·(value - return)²")
    max_grad_norm: float = Field(0.5, gt=0, description="longest allowed gradient over all parameters together")
    normalise_advantage: bool = Field(True, description="advantages to mean 0 and variance 1")
    normalise_over: Literal["minibatch", "batch"] = Field("minibatch", description="over what they are normalised")
    target_kl: float | None = Field(
        None, gt=0, description="no further epoch once an epoch's mean KL (nats, Schulman's r - 1 - log r) is above it"
    )
    hidden: tuple[Width, ...] = Field((64, 64), min_length=1, description="widths of the layers")
    activation: Literal["relu", "tanh"] = Field("relu", description="between the layers")
    critic: Literal["shared", "own"] = Field(
        "shared", description="own: the values have layers of their own, not the policy's"
    )
    normalise_obs: bool = Field(
        True, description="vectors are seen with mean 0 and deviation 1 by what was met so far; tokens never are"
    )
    log_std: float = Field(
        0.0, ge=-10, le=2, description="where the log deviation of continuous actions starts; ±1 are an action's bounds"
    )
    memory: Literal["none", "gru"] = Field(
        "none", description="gru: the last shared layer is a gated recurrent unit that remembers the episode so far"
    )
    sequence: int = Field(
        16,
        ge=1,
        le=100_000,
        description="with a memory: steps that a gradient runs back through time, at most a rollout or a turn; "
        "minibatches are whole sequences",
    )
    fused: bool = Field(
        True,
        description="the hand-written gradient where there is one (on a CPU widths divisible by 4, with a memory by 8, "
        "and two of them for tokens and discrete actions, any number for vectors and continuous ones without a memory; "
        "these by plain torch on any device as well, without clip_value), else and with false: autograd",
    )

    @model_validator(mode="after")
    def _memory_has_a_layer(self) -> PPOConfig:
        if self.memory != "none" and len(self.hidden) < 2:
            raise ValueError(
                f'hidden: memory "{self.memory}" needs at least two widths, such as 64,64 (encoder, memory), '
                f"got {self.hidden[0]}"
            )
        if self.memory != "none" and (self.critic != "shared" or self.activation != "relu"):
            raise ValueError(f'memory: "{self.memory}" goes with critic "shared" and activation "relu" only')
        return self
