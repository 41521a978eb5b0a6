"""Behaviour cloning: the policy under which what was recorded is likeliest."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from selfplay.imitation.episodes import Episodes
from selfplay.stages.fitted import FittedStage
from selfplay.stages.fitted_settings import AnyCloneConfig


class CloneStage(FittedStage):
    """Maximum likelihood of recorded actions: least mean -log π(a|s) over steps (nats).

    Units are steps, with a memory whole episodes, which are met from their beginning. What is held out are whole
    episodes. Continuous actions are taken as they were played, within the bounds; vectors are normalised by what is
    trained on. The critic learns nothing.
    """

    config: AnyCloneConfig

    def give(self, episodes: Episodes, held_out: np.ndarray) -> None:
        """Learn from `episodes`, whose observations and actions fit, but for those of bool [E] `held_out`."""
        chosen = torch.from_numpy(held_out)
        of = torch.from_numpy(episodes.episode)
        self._obs = torch.from_numpy(episodes.obs).to(self.learner.device)
        given = torch.from_numpy(episodes.action).to(self.learner.device)
        self._action = self.learner.policy.distribution.unplayed(given)
        self._begins = torch.from_numpy(np.cumsum(episodes.length) - episodes.length).to(self.learner.device)
        self._length = torch.from_numpy(episodes.length).to(self.learner.device)
        normaliser = self.learner.policy.normaliser
        if normaliser is not None and normaliser.count == 0:
            normaliser.update(self._obs[~chosen[of].to(self._obs.device)])
        units = chosen if self.learner.memory else chosen[of]
        self._give((~units).nonzero()[:, 0], units.nonzero()[:, 0], int((~chosen[of]).sum()))

    def objective(self, units: Tensor) -> tuple[Tensor, dict[str, tuple[Tensor, float]]]:
        """Nats a step; accuracy of the likeliest action, or how far it is away (`rmse`, ±1 being the bounds)."""
        parameters, action = self._unrolled(units) if self.learner.memory else self._met(units)
        distribution, weight = self.learner.policy.distribution, float(len(action))
        loss = -distribution.log_prob(parameters, action).mean()
        best = distribution.mode(parameters)
        if distribution.spreads:
            return loss, {"loss": (loss, weight), "rmse": ((best - action).square().mean().sqrt(), weight)}
        return loss, {"loss": (loss, weight), "accuracy": ((best == action).float().mean(), weight)}

    def _met(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        return self.learner.policy(self._obs[steps])[0], self._action[steps]

    def _unrolled(self, episodes: Tensor) -> tuple[Tensor, Tensor]:
        """The steps of whole episodes, each met with what is remembered of those before."""
        length = self._length[episodes]
        time = torch.arange(int(length.max()), device=length.device)[:, None]
        there = time < length
        rows = self._begins[episodes] + torch.minimum(time, length - 1)
        state = torch.zeros(*rows.shape, self.learner.memory, device=rows.device)
        parameters, _ = self.learner.policy.unroll(self._obs[rows], state, torch.zeros_like(there))
        return parameters[there], self._action[rows[there]]

    def _minibatch(self) -> float:
        size = self.config.fit.minibatch_size
        return size * len(self.training) / self.per_pass if self.learner.memory else size

    @property
    def told(self) -> dict[str, str]:
        if self.learner.policy.distribution.spreads:
            return {"rmse": "error of the mean action (±1 are the bounds)"}
        return {"accuracy": "share of the actions that are the likeliest"}
