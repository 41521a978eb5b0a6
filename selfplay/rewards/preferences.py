"""A reward learnt from preferences."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from curiosity.bonus import Bonus
from curiosity.networks import drawn_from
from curiosity.source import Batch, Surroundings
from curiosity.steps import played, spread
from selfplay.label.pairs import Pairs
from selfplay.label.queries import chance_of_left
from selfplay.rewards.preference_config import PreferenceConfig
from selfplay.rewards.preference_model import StepModels, all_returns, bradley_terry, fit, rows_of

CHUNK = 2048  # steps that are paid for at once
UNEQUAL = 0.05
"""Share of comparisons of unequal lengths from which on they are taken to say what a constant is worth."""


def aggregate(rewards: Tensor, how: str, lam: float) -> Tensor:
    """Of the rewards [K, S] of K models: their "mean", "min", or "lower", mean - λσ (σ divided by K). [S]."""
    if how == "min":
        return rewards.min(0).values
    mean = rewards.mean(0)
    if how == "mean":
        return mean
    return mean - lam * (rewards - mean).square().mean(0).sqrt()


def unequal_lengths(pairs: Pairs) -> float:
    """The share of the comparisons whose segments have different numbers of steps; 0 of none."""
    lengths = pairs.steps.mask.sum(0)
    unequal = lengths[pairs.left] != lengths[pairs.right]
    return float(unequal.double().mean()) if len(pairs) else 0.0


class Standard(nn.Module):
    """Numbers [..., S] less their mean over S, over their deviation (divided by S; 1 where that is 0).

    shape: of what comes before S. Changes nothing before `observe`. shifts: bool []; False: no mean is subtracted.
    """

    mean: Tensor
    deviation: Tensor
    shifts: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(*shape, 1, dtype=torch.float64))
        self.register_buffer("deviation", torch.ones(*shape, 1, dtype=torch.float64))
        self.register_buffer("shifts", torch.ones((), dtype=torch.bool))

    def observe(self, numbers: Tensor) -> None:
        """Take the moments of `numbers` [..., S], S ≥ 1, for those to come."""
        values = numbers.double()
        mean = values.mean(-1, keepdim=True)
        deviation = (values - mean).square().mean(-1, keepdim=True).sqrt()
        self.mean.copy_(torch.where(self.shifts, mean, 0.0))
        self.deviation.copy_(torch.where(deviation > 1e-12, deviation, 1.0))

    def forward(self, numbers: Tensor) -> Tensor:
        """Float64."""
        return (numbers.double() - self.mean) / self.deviation


class PreferenceReward(Bonus):
    """An ensemble of rewards r_k(s, a, s′) under which P(A ≻ B) = σ(Σr_A - Σr_B) (Bradley and Terry 1952; Christiano
    et al. 2017, arXiv 1706.03741, eq. 1), fitted by `fit_pairs` and paid normalised and aggregated.

    From comparisons of one length a return is known up to a constant only, another one for every model. Therefore each
    model is brought to mean 0 and variance 1 on reference states before they are aggregated, and the aggregate again:
    by the compared segments after `fit_pairs`, and by `normalise`. Chances and accuracies are of the models as fitted.
    Before the first fit everything is worth 0.

    Where episodes can end early, a constant c for every step says what it is worth to go on. Two ways to deal with it:

    - The return goes on through the ends of episodes (`episodic` false, the default), as if they followed on each
      other: then c adds c / (1 - γ) to the value of every state and decides nothing. An end costs what is missed until
      the next episode has come as far.
    - The return ends with the episode (`episodic` true): then c decides, and a few labels tell little of it. A step
      that a shorter segment lacks counts 0 in a comparison, as a step after its end does in a return: c moves the
      difference of two returns by c (L_A - L_B), so that only comparisons of unequal lengths L speak of c, and bound
      it to about the size of a return over |L_A - L_B|, where 1 / (1 - γ) steps are at stake. With `shift` "auto" the
      mean is not subtracted where at least `UNEQUAL` of the comparisons trained on are such.

    Differs from the paper: what the models look at is whitened; there is no constant share of random answers in the
    likelihood; a fit begins from new weights, so that it depends on the comparisons, the settings and the seed alone.
    """

    name = "preferences"

    def __init__(self, config: PreferenceConfig, surroundings: Surroundings) -> None:
        super().__init__(config, surroundings)
        self.config = config
        self.surroundings = surroundings
        self.models = self._new_models()
        self.each = Standard(config.members).to(self.device)
        self.whole = Standard().to(self.device)
        self.parts |= {"models": self.models, "each": self.each, "whole": self.whole}

    def _new_models(self) -> StepModels:
        with drawn_from(self.seed):
            return StepModels(self.config, self.surroundings, self.name).to(self.device)

    @torch.no_grad()
    def reward(self, batch: Batch) -> Tensor:
        """Float32 [T, N]."""
        return spread(batch, self.whole(self._aggregated(self._raw(batch))))

    def fit(self, batch: Batch) -> Mapping[str, float]:
        """Nothing: this reward learns from labels, by `fit_pairs`, not from what is played."""
        return {}

    def fit_pairs(self, pairs: Pairs, ceiling: float | None = None) -> dict[str, float]:
        """Fit new models to the comparisons and normalise on the steps of their segments, as `normalise` does.

        ceiling: the best accuracy that the teacher's own noise allows (`ScriptedTeacher.ceiling`, `ceiling_bounds`).

        Metrics: what `preference_model.fit` and `evaluate` give, the latter as train_… and heldout_… (where there are
        any), unequal_lengths (a share of what was trained on), with a ceiling heldout_ceiling and heldout_of_ceiling,
        the accuracy over it. Raises `ValueError` where
        there is nothing to train on and `FloatingPointError` where the loss is not finite; nothing is changed then.
        """
        if ceiling is not None and not 0 < ceiling <= 1:
            raise ValueError(f"preferences: a ceiling is an accuracy above 0, at most 1, got {ceiling}")
        pairs = pairs.to(self.device)
        models = self._new_models()
        if models.whitening is not None:
            models.whitening.observe(played(pairs.steps, self.reads).states)
        generator = torch.Generator()
        generator.manual_seed(self.seed)
        metrics = fit(models, pairs, self.config, generator, self.device)
        self.models.load_state_dict(models.state_dict())
        metrics["unequal_lengths"] = unequal_lengths(pairs.where(~pairs.held_out))
        self._keep_constant(metrics["unequal_lengths"])
        self.normalise(pairs.steps)
        for name, chosen in (("train", ~pairs.held_out), ("heldout", pairs.held_out)):
            if bool(chosen.any()):
                found = self.evaluate(pairs.where(chosen))
                metrics |= {f"{name}_{key}": value for key, value in found.items()}
        if ceiling is not None:
            metrics["heldout_ceiling"] = ceiling
            if "heldout_accuracy" in metrics:
                metrics["heldout_of_ceiling"] = metrics["heldout_accuracy"] / ceiling
        return metrics

    @torch.no_grad()
    def normalise(self, batch: Batch) -> None:
        """From now on the reward has variance 1 on the played steps of `batch`, those of π_ref say, and mean 0 there
        unless the last fit's comparisons say what it is (see `shift`).

        `ValueError` where none was played.
        """
        if not bool(batch.mask.any()):
            raise ValueError("preferences: nothing was played in the batch to normalise by")
        raw = self._raw(batch)
        self.each.observe(raw)
        self.whole.observe(self._aggregated(raw))

    def returns(self, steps: Batch) -> Tensor:
        """Σ_t r_k of segments [H, M], float32 [K, M], as fitted: what `Chooser.choose` wants."""
        return all_returns(self.models, rows_of(steps, self.reads, self.device))

    def evaluate(self, pairs: Pairs) -> dict[str, float]:
        """How well the comparisons are foretold by the mean chance of the models.

        loss: nats, equal ones as ½/½. pairs: how many. accuracy: over those that are not equal, a tie counts ½; left
        out where all are.
        """
        left, right, target = (tensor.to(self.device) for tensor in (pairs.left, pairs.right, pairs.target))
        chance = chance_of_left(self.returns(pairs.steps).double(), torch.stack([left, right], -1)).mean(0)
        logit = torch.logit(chance, eps=1e-12)
        found = {
            "loss": float(bradley_terry(logit, torch.zeros_like(logit), target.double()).mean()),
            "pairs": float(len(pairs)),
        }
        decided = target != 0.5
        if bool(decided.any()):
            right_side = ((chance - 0.5).sign() * (target - 0.5).sign())[decided]
            found["accuracy"] = float(((right_side + 1) / 2).mean())
        return found

    def _keep_constant(self, unequal: float) -> None:
        """Whether means are subtracted from now on, where so large a share of comparisons was of unequal lengths."""
        shift = self.config.shift == "mean" or (self.config.shift == "auto" and unequal < UNEQUAL)
        for standard in (self.each, self.whole):
            standard.shifts.fill_(shift)

    def _raw(self, batch: Batch) -> Tensor:
        """What each model says of the played steps, float32 [K, S]."""
        steps = played(batch, self.reads)
        found = [steps.states.new_zeros(self.config.members, 0, dtype=torch.float32)]
        for index in torch.arange(len(steps.now), device=self.device).split(CHUNK):
            now, next = steps.states[steps.now[index]], steps.states[steps.next[index]]
            found.append(self.models(now, next, steps.action[index]))
        return torch.cat(found, -1)

    def _aggregated(self, raw: Tensor) -> Tensor:
        """[S] of [K, S]."""
        return aggregate(self.each(raw), self.config.aggregate, self.config.lam)
