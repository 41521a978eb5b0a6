"""What the stages have in common that learn from a file, pass by pass, and play for their scores only."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from selfplay.board import Layout
from selfplay.stages.base import Report, prefixed, under
from selfplay.stages.fitted_settings import FittedConfig
from selfplay.stages.ppo import PPOStage

LEAST_LOG_STD = -5.0
"""Log deviations of continuous actions are held above it: without chance the likelihood has no end."""
_CHUNK = 4096


class FittedStage(PPOStage):
    """A policy as `PPOStage` has it, fitted by its units (steps, episodes, comparisons), some of them held out.

    Its `steps` are recorded ones, each counted in every pass. A pass is an iteration. The policy with the least loss on
    what is held out is kept; where nothing is, that of the last pass. Without what it learns from (`_given`) it plays
    all the same.
    """

    config: FittedConfig

    def __init__(self, make_world, config: FittedConfig, seed: int, device: str = "cpu") -> None:
        super().__init__(make_world, config, seed, device)
        self.training = self.held_out = torch.zeros(0, dtype=torch.int64)
        self.per_pass = 0  # steps in the training units
        self.finished = False
        self._pass = self._best_pass = 0
        self._best = math.inf
        self._kept: dict[str, Tensor] = {}

    @abstractmethod
    def objective(self, units: Tensor) -> tuple[Tensor, dict[str, tuple[Tensor, float]]]:
        """The loss of `units` int64 [B], and what else there is to tell: name to a mean and what that is a mean over.

        "loss" is among them.
        """

    def begin(self, learnt: Mapping[str, Tensor]) -> None:
        """Start from `learnt`, a policy's state for these spaces; value heads that it has not (NaN) stay."""
        policy = self.learner.policy
        state = {name: tensor.cpu() for name, tensor in policy.state_dict().items()}
        policy.load_state_dict({k: torch.where(learnt[k].isnan(), state[k], learnt[k]) for k in state})

    def _give(self, training: Tensor, held_out: Tensor, per_pass: int) -> None:
        """What is learnt from: numbers of units, int64; per_pass: the steps in those to train on."""
        device = self.learner.device
        self.training, self.held_out, self.per_pass = training.to(device), held_out.to(device), per_pass

    def iterate(self, progress: float) -> Report:
        """One pass over what is learnt from."""
        fit, learner = self.config.fit, self.learner
        if not len(self.training):
            raise ValueError("this stage was given nothing to learn from")
        if self._pass == 0 and len(self.held_out):
            self._look(self._mean(self.held_out)["loss"])
        order = self.training[torch.randperm(len(self.training), generator=learner.generator, device=learner.device)]
        tally = _Tally()
        for units in order.tensor_split(max(1, round(len(order) / self._minibatch()))):
            tally.add(self._descend(units, fit.learning_rate))
        self.steps += self.per_pass
        self.iterations += 1
        self._pass += 1
        scalars = prefixed("train", tally.means())
        if len(self.held_out):
            found = self._mean(self.held_out)
            self._look(found["loss"])
            scalars |= prefixed("heldout", found)
        self.finished = self._pass >= fit.epochs or (bool(self._kept) and self._pass - self._best_pass >= fit.patience)
        if self.finished and self._kept:
            learner.policy.load_state_dict(self._kept)
            scalars["train/best_pass"] = float(self._best_pass)
        self._last |= scalars
        return Report(scalars)

    def _minibatch(self) -> float:
        """Units in a gradient."""
        return self.config.fit.minibatch_size

    def _descend(self, units: Tensor, learning_rate: float) -> dict[str, tuple[Tensor, float]]:
        learner = self.learner
        learner.adam.gradient.zero_()
        learner.adam.mark_all()
        with torch.enable_grad():
            loss, found = self.objective(units)
            loss.backward()
        norm = learner.adam.gradient_norm()
        if not math.isfinite(float(loss.detach())) or not math.isfinite(norm):
            raise FloatingPointError(f"loss {float(loss)} and gradient norm {norm} in pass {self._pass + 1}")
        learner.adam.step(learning_rate, self.config.ppo.max_grad_norm, norm)
        if learner.policy.log_std is not None:
            with torch.no_grad():
                learner.policy.log_std.clamp_(min=LEAST_LOG_STD)
        return found

    @torch.no_grad()
    def _mean(self, units: Tensor) -> dict[str, float]:
        """What `objective` tells of all of `units`."""
        tally = _Tally()
        for some in units.split(_CHUNK):
            tally.add(self.objective(some)[1])
        return tally.means()

    def _look(self, loss: float) -> None:
        """Keep the policy if its loss on what is held out is the least so far."""
        if loss < self._best:
            self._best, self._best_pass = loss, self._pass
            self._kept = {k: tensor.detach().cpu().clone() for k, tensor in self.learner.policy.state_dict().items()}

    def evaluate(self) -> dict[str, float]:
        """The task on fresh levels; at both ends of the run also what is held out."""
        scores = super().evaluate()
        if len(self.held_out) and (self._pass == 0 or self.finished):
            scores |= prefixed("heldout", self._mean(self.held_out))
        return scores

    @property
    def charts(self) -> Layout:
        """TensorBoard's page of charts."""
        charts = {name: chart for name, chart in super().charts.items() if name != "learning"}
        names = {"loss": "loss (nats)"} | self.told
        charts["fit"] = {words: [f"train/{name}", f"heldout/{name}"] for name, words in names.items()}
        return charts

    @property
    @abstractmethod
    def told(self) -> dict[str, str]:
        """What `objective` tells beside the loss: name to words."""

    def headline(self) -> dict[str, str]:
        """The loss, and what is told of it."""
        side = "heldout" if len(self.held_out) else "train"
        found = {name: self._last.get(f"{side}/{name}") for name in ("loss", *self.told)}
        return {"pass": str(self._pass)} | {name: f"{value:.3g}" for name, value in found.items() if value is not None}

    def state_dict(self) -> dict[str, torch.Tensor | np.ndarray]:
        """As `PPOStage`, with the passes and the policy that is kept."""
        counts = np.array([self._pass, self._best_pass, self.finished], np.int64)
        fitted: dict[str, torch.Tensor | np.ndarray] = {"counts": counts, "best": np.array([self._best])}
        return super().state_dict() | prefixed("fit", fitted) | prefixed("kept", self._kept)

    def load_state_dict(self, state: dict[str, torch.Tensor | np.ndarray]) -> None:
        """Go on from `state_dict`."""
        super().load_state_dict(state)
        self._pass, self._best_pass, finished = (int(count) for count in state["fit/counts"])
        self.finished, self._best = bool(finished), float(state["fit/best"][0])
        self._kept = under("kept", state)


class _Tally:
    """Means of means, by what each is a mean over."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._weights: dict[str, float] = {}

    def add(self, found: Mapping[str, tuple[Tensor, float]]) -> None:
        for name, (mean, weight) in found.items():
            if weight:
                self._sums[name] = self._sums.get(name, 0.0) + float(mean.detach()) * weight
                self._weights[name] = self._weights.get(name, 0.0) + weight

    def means(self) -> dict[str, float]:
        return {name: total / self._weights[name] for name, total in self._sums.items()}
