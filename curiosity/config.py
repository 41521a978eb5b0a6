"""Settings of the reward sources: frozen, in range, no unknown keys. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Width = Annotated[float, Field(gt=0)]


class SourceConfig(BaseModel):
    """What every source has. Its weight in the mix belongs to the stream, not here."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    gamma: float = Field(0.99, ge=0, le=1, description="discount of this reward, per step")
    episodic: bool = Field(False, description="whether the return of this reward ends with the episode")
    rescale: bool = Field(True, description="divide the reward by the running deviation of its discounted sum")

    def channels(self) -> set[str]:
        """All channels that a source with these settings looks at."""
        return set()


class BonusConfig(SourceConfig):
    """What every source has that looks at one channel."""

    reads: str = Field("obs", min_length=1, description="channel that is looked at: obs, or what the world offers")

    def channels(self) -> set[str]:
        """All channels that a source with these settings looks at."""
        return {str(getattr(self, name)) for name in ("reads", "keys") if name in type(self).model_fields}


class BinnedConfig(BonusConfig):
    """What every source has that tells visits apart."""

    bin_width: Width | tuple[Width, ...] = Field(
        0.1, description="width of a bin of a vector channel, in that channel's units; one for all numbers, or one each"
    )

    @field_validator("bin_width")
    @classmethod
    def _one_for_all(cls, widths: float | tuple[float, ...]) -> float | tuple[float, ...]:
        if widths == ():
            raise ValueError("no width (expected one for all numbers, or one each)")
        return widths[0] if isinstance(widths, tuple) and len(widths) == 1 else widths


class LearnedConfig(BonusConfig):
    """What every source has that trains a network."""

    learning_rate: float = Field(3e-4, gt=0, description="Adam's step size")
    minibatch_size: int = Field(2048, ge=1, description="steps in one gradient step, about")
    epochs: int = Field(1, ge=1, description="passes over a batch")
    proportion: float = Field(0.25, gt=0, le=1, description="share of the batch's steps, drawn anew, in each pass")
    width: int = Field(64, ge=1, description="units of a hidden layer")
    feature_width: int = Field(32, ge=1, description="numbers in a state's features, pixels excepted")


class ForwardConfig(LearnedConfig):
    """Prediction error."""

    features: Literal["pixels", "random"] = Field("pixels", description="what is predicted")


class ICMConfig(LearnedConfig):
    """Intrinsic curiosity module."""

    eta: float = Field(1.0, gt=0, description="η, scale of the reward")
    beta: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="β, weight of the forward loss; the inverse loss has 1 - β. Changes the loss that is shown and "
        "next to nothing else: no weight learns from both losses, and Adam undoes the scale of each",
    )


class RNDConfig(LearnedConfig):
    """Random network distillation."""

    feature_width: int = Field(64, ge=1, description="numbers that the random network gives")


class DisagreementConfig(LearnedConfig):
    """Disagreement of an ensemble."""

    features: Literal["pixels", "random", "inverse"] = Field("random", description="what is predicted")
    heads: int = Field(5, ge=2, description="K, predictors in the ensemble")


class AMAConfig(LearnedConfig):
    """Aleatoric mapping agent."""

    features: Literal["pixels", "random", "inverse"] = Field("pixels", description="what is predicted")
    lam: float = Field(1.0, gt=0, description="λ, weight of the predicted variance, in loss and reward")


class NovelDConfig(RNDConfig, BinnedConfig):
    """Novelty difference."""

    episodic: bool = Field(True, description="whether the return of this reward ends with the episode")
    alpha: float = Field(0.5, ge=0, le=1, description="share of the old state's novelty that is subtracted")
    keys: str = Field("obs", min_length=1, description="channel that says whether a state was visited this episode")


class E3BConfig(LearnedConfig):
    """Exploration via elliptical episodic bonuses."""

    episodic: bool = Field(True, description="whether the return of this reward ends with the episode")
    ridge: float = Field(0.1, gt=0, description="multiple of the identity that the covariance begins with")


class RIDEConfig(LearnedConfig, BinnedConfig):
    """Impact-driven exploration."""

    episodic: bool = Field(True, description="whether the return of this reward ends with the episode")
    beta: float = Field(
        0.2, ge=0, lt=1, description="weight of the forward loss in what φ learns; the inverse loss has 1 - it"
    )
    keys: str = Field("obs", min_length=1, description="channel whose visits are counted in each episode")


class RE3Config(LearnedConfig):
    """State entropy by nearest neighbours."""

    episodic: bool = Field(True, description="whether the return of this reward ends with the episode")
    features: Literal["pixels", "random", "inverse"] = Field("random", description="where distances are taken")
    k: int = Field(3, ge=1, description="which neighbour's distance pays")
    among: int = Field(512, ge=1, description="at most so many states of the batch, drawn anew, are neighbours")


class CountsConfig(BinnedConfig):
    """Visit counts."""
