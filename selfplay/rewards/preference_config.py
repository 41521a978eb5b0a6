"""Settings of a reward learnt from preferences. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from curiosity.config import BonusConfig


class PreferenceConfig(BonusConfig):
    """A reward learnt from preferences."""

    episodic: bool = Field(
        False,
        description="whether the return of this reward ends with the episode; if not, a constant for every step, which "
        "comparisons hardly tell, changes nothing",
    )
    rescale: bool = Field(True, description="divide the reward by the running deviation of its discounted sum")
    action: bool = Field(True, description="whether the reward of a step depends on its action")
    next_obs: bool = Field(False, description="whether the reward of a step depends on what it leads to")
    members: int = Field(5, ge=1, description="K, models in the ensemble")
    bootstrap: bool = Field(
        True, description="each model learns from its own draw of the groups, with replacement; else all from all"
    )
    width: int = Field(64, ge=1, description="units in each of a model's two hidden layers")
    aggregate: Literal["mean", "min", "lower"] = Field(
        "mean", description="what the ensemble pays: the mean, the least, or mean - λσ over its models"
    )
    lam: float = Field(1.0, ge=0, description="λ of mean - λσ")
    learning_rate: float = Field(1e-3, gt=0, description="Adam's step size")
    weight_decay: float = Field(1e-4, ge=0, description="factor of half the sum of all squared weights, in the loss")
    minibatch_size: int = Field(64, ge=1, description="comparisons in one gradient step, about")
    epochs: int = Field(100, ge=1, description="at most so many passes over the comparisons")
    patience: int = Field(10, ge=1, description="passes without a better loss on unseen comparisons, then it stops")
    shift: Literal["auto", "mean", "none"] = Field(
        "auto",
        description="what a reward of 0 is: mean: an average step; none: what comparisons say, as a step outside a "
        "segment; auto: none where segments of unequal length were compared, else mean",
    )
