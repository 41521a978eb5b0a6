"""Scripted teachers: what they answer is drawn from probabilities that are known exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from curiosity.source import Batch
from selfplay.label.events import CHOICES, Answer
from selfplay.label.settings import TeacherConfig


@dataclass(frozen=True)
class Ceiling:
    """How right a prediction of a teacher's preferences can be, means over the pairs it would decide.

    itself: the chance that two answers to the same pair agree. best: the accuracy of the best prediction there is.
    true: the accuracy of the truth: how often the teacher prefers what is really better (a tie counts ½).
    decided: share of the pairs that it would neither skip nor call equal. All NaN but this where that is 0.
    """

    itself: float
    best: float
    true: float
    decided: float


class ScriptedTeacher:
    """A teacher who goes by the task's reward, or by what a biased judge takes for it.

    name: in the ledger. seed: of its own random stream. bias: w, added times `feature` (of a batch, float [T, N]) to
    the reward of every step, in reward per unit of the feature: the judge's known fault.

    The thresholds are in units of a segment's undiscounted return and stay what `config` says: whoever wants B-Pref's,
    which grow with the policy's return, computes them once and makes another teacher. B-Pref's order is kept: skip,
    then equal, then a preference by the discounted returns, then the mistake, which turns preferences only.
    """

    def __init__(
        self,
        name: str,
        config: TeacherConfig,
        seed: int,
        bias: float = 0.0,
        feature: Callable[[Batch], Tensor] | None = None,
    ) -> None:
        if (bias == 0) != (feature is None) or not math.isfinite(bias):
            raise ValueError(f"teacher {name!r}: a bias (finite, not 0) and its feature go together, got {bias}")
        self.name = name
        self.config = config
        self.bias = bias
        self.feature = feature
        self.generator = torch.Generator()
        self.generator.manual_seed(seed)

    def judged(self, steps: Batch) -> Tensor:
        """Float64 [H, M]: what each step of the segments is worth to this teacher; 0 outside their mask."""
        worth = steps.task_reward.double()
        if self.feature is not None:
            worth = worth + self.bias * self.feature(steps).double()
        return torch.where(steps.mask, worth, 0.0).cpu()

    def returns(self, steps: Batch) -> tuple[Tensor, Tensor]:
        """Float64 [M] each: Σ_t r_t, and myopic Σ_t γ^(L-1-t) r_t, where L is the steps the segment has."""
        worth = self.judged(steps)
        left = steps.mask.cpu().double().flip(0).cumsum(0).flip(0) - 1  # steps that are still to come
        return worth.sum(0), (worth * self.config.gamma ** left.clamp_min(0)).sum(0)

    def probabilities(self, steps: Batch, sets: Tensor) -> Tensor:
        """Float64 [Q, 4]: of the answers left, right, equal and skip to pairs of columns, `sets` int64 [Q, 2].

        P(left) = σ(β(R_left - R_right)), eq. 1 of the paper for the myopic returns R, then the mistake.
        """
        plain, myopic = self.returns(steps)
        skip, equal = self._skips(plain[sets]), self._equals(plain[sets])
        left = self._first(myopic[sets])
        decided = torch.stack([left, 1 - left, torch.zeros_like(left), torch.zeros_like(left)], -1)
        sure = torch.eye(4, dtype=torch.float64)
        return torch.where(skip[:, None], sure[3], torch.where(equal[:, None], sure[2], decided))

    def answer(self, steps: Batch, sets: Tensor) -> list[Answer]:
        """Answers to Q queries about columns of `steps`, `sets` int64 [Q, k], in their order.

        Of k > 2 a ranking is drawn best first, each time with probability ∝ exp(βR) of the rest (Plackett 1975, Luce
        1959), so that every pair in it is ordered as if it had been asked alone; a mistake swaps two neighbours in it,
        drawn uniformly. It is never equal, so that pairs in it that are (`decides`) say nothing, and skipped where all
        returns are below the threshold.
        """
        if sets.dim() != 2 or sets.shape[1] < 2:
            raise ValueError(f"teacher {self.name!r}: sets must be [Q, k] with k ≥ 2, got {list(sets.shape)}")
        if sets.shape[1] == 2:
            chances = self.probabilities(steps, sets).cumsum(-1)
            draws = torch.rand(len(sets), 1, generator=self.generator, dtype=torch.float64)
            return [CHOICES[number] for number in (draws >= chances[:, :3]).sum(-1).tolist()]
        plain, myopic = self.returns(steps)
        orders, skips = self._rank(myopic[sets]), self._skips(plain[sets]).tolist()
        return ["skip" if skip else tuple(order) for order, skip in zip(orders.tolist(), skips, strict=True)]

    def ceiling(self, steps: Batch, pairs: Tensor, truth: Tensor | None = None) -> Ceiling:
        """Over pairs of columns, int64 [Q, 2], computed exactly. truth: [M], what the segments are really worth.

        Left out: the plain sum of the task's reward, without bias and myopia.
        """
        chances = self.probabilities(steps, pairs)
        decided = chances[:, :2].sum(-1) > 0
        left = chances[decided, 0]
        if truth is None:
            truth = torch.where(steps.mask, steps.task_reward, 0.0).double().sum(0)
        better = _ordered(truth.double().cpu()[pairs][decided])
        return Ceiling(
            float((left.square() + (1 - left).square()).mean()),
            float(torch.maximum(left, 1 - left).mean()),
            float((better * left + (1 - better) * (1 - left)).mean()),
            float(decided.double().mean()),
        )

    def decides(self, steps: Batch, pairs: Tensor) -> Tensor:
        """Bool [Q]: whether the returns of pairs of columns, int64 [Q, 2], differ by the threshold of equality."""
        return ~self._equals(self.returns(steps)[0][pairs])

    def in_rankings(self) -> ScriptedTeacher | None:
        """Who answers pairs as this teacher orders them in rankings, where it decides; None if that is not so simple.

        Plackett and Luce's order of two does not depend on the others, but how far a mistake reaches does. The
        thresholds have done their part: a ranking is skipped as a whole.
        """
        if self.config.mistake:
            return None
        config = self.config.model_copy(update={"skip": None, "equal": 0.0})
        return ScriptedTeacher(self.name, config, 0, self.bias, self.feature)

    def state_dict(self) -> dict[str, Tensor]:
        """Its random stream; the settings are not in it and are never changed."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave; `ValueError` if it does not fit."""
        if set(state) != {"generator"}:
            raise ValueError(f"teacher {self.name!r} state: expected generator, got {', '.join(sorted(state))}")
        try:
            self.generator.set_state(state["generator"].cpu())
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"teacher {self.name!r} state: generator holds no random stream: {error}") from None

    def _skips(self, returns: Tensor) -> Tensor:
        """Bool [Q], of returns [Q, k]."""
        if self.config.skip is None:
            return torch.zeros(len(returns), dtype=torch.bool)
        return returns.max(-1).values < self.config.skip

    def _equals(self, returns: Tensor) -> Tensor:
        """Bool [Q], of returns [Q, 2]."""
        return (returns[:, 0] - returns[:, 1]).abs() < self.config.equal

    def _first(self, returns: Tensor) -> Tensor:
        """The chance [Q] that the first of two is preferred, mistakes included, of returns [Q, 2]."""
        if self.config.beta is None:
            chance = _ordered(returns)
        else:
            chance = torch.sigmoid(self.config.beta * (returns[:, 0] - returns[:, 1]))
        return (1 - self.config.mistake) * chance + self.config.mistake * (1 - chance)

    def _rank(self, returns: Tensor) -> Tensor:
        """Places int64 [Q, k], best first: the order of βR + Gumbel noise is Plackett and Luce's."""
        noise = -torch.rand(returns.shape, generator=self.generator, dtype=torch.float64).log().neg().log()
        if self.config.beta is None:
            order = noise.argsort(-1)  # ties in a random order
            order = order.gather(-1, returns.gather(-1, order).argsort(dim=-1, descending=True, stable=True))
        else:
            order = (self.config.beta * returns + noise).argsort(-1, descending=True)
        wrong = torch.rand(len(order), generator=self.generator, dtype=torch.float64) < self.config.mistake
        place = torch.randint(order.shape[1] - 1, (len(order), 1), generator=self.generator)
        pair = torch.cat([place, place + 1], -1)
        swapped = order.scatter(-1, pair, order.gather(-1, pair.flip(-1)))
        return torch.where(wrong[:, None], swapped, order)


def _ordered(returns: Tensor) -> Tensor:
    """Float64 [Q]: 1 where the first of two returns [Q, 2] is higher, 0 where the second is, ½ for a tie."""
    return ((returns[:, 0] - returns[:, 1]).sign() + 1) / 2


def ceiling_bounds(agreement: float) -> tuple[float, float]:
    """Between what the best accuracy on a teacher's answers lies who agrees with itself in a share of re-asked pairs.

    agreement: over preferences only, `self_agreement(…, decided=True)`: who calls the same pairs equal each time agrees
    about them, which says nothing of the others.

    With p the chance of "left" in a pair and d = |2p - 1|: agreement a = E[(1 + d²)/2], best accuracy E[(1 + d)/2].
    d² ≤ d gives a at least, Jensen's inequality (1 + √(2a - 1))/2 at most. Below ½, which chance does, ½ is meant.
    """
    if not 0 <= agreement <= 1:
        raise ValueError(f"agreement is a share, expected 0 … 1, got {agreement}")
    share = max(agreement, 0.5)
    return share, (1 + math.sqrt(2 * share - 1)) / 2
