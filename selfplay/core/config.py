"""The settings of a learner."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Width = Annotated[int, Field(ge=1, le=4096)]


class PPOConfig(BaseModel):
    """Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347) with the details of Huang et al. 2022.

    learning_rate: Adam's step size at the start; lr_schedule "linear" brings it to 0 at the end of the run.
    epochs: passes over each batch. minibatch_size: steps a gradient is averaged over; a batch is cut into the number
        of equal parts that comes nearest to it.
    gamma: discount of the task stream per step; other streams bring their own. lam: λ of generalised advantages.
    clip: ε of the clipped surrogate. clip_value: how far a value may move from what it was when acting, None: freely.
    entropy: weight of the entropy bonus (nats). value_coef: weight of ½·(value - return)².
    max_grad_norm: longest allowed gradient over all parameters together.
    normalise_advantage: to mean 0 and variance 1, over each minibatch or, with normalise_over "batch", over the batch.
    target_kl: no further epoch once the mean KL(old‖new) of an epoch (nats, Schulman's r - 1 - log r) is above it.
    hidden: widths of the shared layers, ReLU between. fused: use the hand-written gradient where there is one (CPU,
        token observations, discrete actions, two hidden layers); False takes autograd everywhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    learning_rate: float = Field(1e-3, gt=0, le=1)
    lr_schedule: Literal["constant", "linear"] = "constant"
    epochs: int = Field(2, ge=1, le=1000)
    minibatch_size: int = Field(16384, ge=1)
    gamma: float = Field(0.99, ge=0, le=1)
    lam: float = Field(0.95, ge=0, le=1)
    clip: float = Field(0.2, gt=0, lt=1)
    clip_value: float | None = Field(None, gt=0)
    entropy: float = Field(0.01, ge=0)
    value_coef: float = Field(0.5, ge=0)
    max_grad_norm: float = Field(0.5, gt=0)
    normalise_advantage: bool = True
    normalise_over: Literal["minibatch", "batch"] = "minibatch"
    target_kl: float | None = Field(None, gt=0)
    hidden: tuple[Width, ...] = Field((64, 64), min_length=1)
    fused: bool = True
