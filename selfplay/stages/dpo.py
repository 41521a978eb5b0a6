"""Fitting a policy to preferences: direct preference optimisation, or contrastive preference learning."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from selfplay.core.policy import policy_for
from selfplay.imitation.preference_loss import cpl_scores, dpo_scores, preference_loss
from selfplay.label.pairs import Pairs
from selfplay.rewards.leash import acting, set_acting
from selfplay.stages.base import prefixed, under
from selfplay.stages.fitted import FittedStage
from selfplay.stages.fitted_settings import AnyDPOConfig


def trained_steps(pairs: Pairs) -> int:
    """The steps of the clips in all comparisons to train on; ValueError where there is none."""
    if bool(pairs.held_out.all()):
        raise ValueError(f"dpo: nothing to train on, all of {len(pairs)} comparisons are held out")
    compared = torch.stack([pairs.left, pairs.right])[:, ~pairs.held_out]
    return int(pairs.steps.mask.sum(0)[compared].sum())


class DPOStage(FittedStage):
    """The loss of `selfplay.imitation.preference_loss` over comparisons, those of the ledger's held-out side held out.

    The reference is the policy that it begins with, frozen with its normaliser. It has no memory: how a segment began
    would have to be remembered.
    """

    config: AnyDPOConfig

    def __init__(self, make_world, config: AnyDPOConfig, seed: int, device: str = "cpu") -> None:
        super().__init__(make_world, config, seed, device)
        if self.learner.memory:
            raise ValueError("dpo: what a policy with a memory remembers where a clip begins is not known")
        spaces = self.world.observation_space, self.world.action_space
        with torch.random.fork_rng(devices=[]):  # these weights are all overwritten
            self.reference = policy_for(*spaces, config.ppo, streams=1).to(self.learner.device).requires_grad_(False)
        self._refer(self.learner.policy.state_dict())

    def begin(self, learnt: Mapping[str, Tensor]) -> None:
        """Start from `learnt`, a policy's state for these spaces, which is the reference from now on."""
        super().begin(learnt)
        self._refer(self.learner.policy.state_dict())

    def _refer(self, state: Mapping[str, Tensor]) -> None:
        set_acting(self.reference, {name: state[name].cpu() for name in acting(self.reference)})

    def give(self, pairs: Pairs) -> None:
        """Learn from `pairs`, whose observations and actions fit, once the reference is in place."""
        per_pass = trained_steps(pairs)
        self._pairs = pairs = pairs.to(self.learner.device)
        steps = pairs.steps
        distribution = self.learner.policy.distribution
        self._action = distribution.unplayed(steps.action)
        with torch.no_grad():
            parameters, _ = self.reference(steps.obs[steps.mask])
        self._reference = torch.zeros(steps.mask.shape, device=steps.mask.device)
        self._reference[steps.mask] = distribution.log_prob(parameters, self._action[steps.mask])
        self._give((~pairs.held_out).nonzero()[:, 0], pairs.held_out.nonzero()[:, 0], per_pass)

    def objective(self, units: Tensor) -> tuple[Tensor, dict[str, tuple[Tensor, float]]]:
        """Nats a comparison; of those that are not equal the accuracy, and by how many nats its two clips are likelier.

        These are sums of log π / π_ref over the steps of the better clip (chosen) and of the other one (rejected).
        """
        pairs, fit = self._pairs, self.config.fit
        columns, place = torch.unique(torch.cat([pairs.left[units], pairs.right[units]]), return_inverse=True)
        mask, reference = pairs.steps.mask[:, columns], self._reference[:, columns]
        parameters, _ = self.learner.policy(pairs.steps.obs[:, columns][mask])
        log_prob = torch.zeros(mask.shape, device=mask.device).masked_scatter(
            mask, self.learner.policy.distribution.log_prob(parameters, self._action[:, columns][mask])
        )
        if fit.loss == "dpo":
            scores, bias = dpo_scores(log_prob, reference, mask, fit.beta), 1.0
        else:
            scores, bias = cpl_scores(log_prob, mask, fit.alpha, fit.gamma), fit.bias
        left, right = scores[place].chunk(2)
        target = pairs.target[units]
        loss = preference_loss(left, right, target, bias).mean()
        decided = target != 0.5
        agreed = (((left - right).sign() * (target - 0.5).sign() + 1) / 2)[decided]
        moved = torch.where(mask, log_prob - reference, 0.0).sum(0)[place].view(2, -1)
        better = (target < 0.5).long()[None]
        chosen, rejected = (moved.gather(0, row)[0, decided] for row in (better, 1 - better))
        told = {"accuracy": agreed, "chosen": chosen, "rejected": rejected}
        sums = {name: (values.sum() / max(len(values), 1), float(len(values))) for name, values in told.items()}
        return loss, {"loss": (loss, float(len(units))), **sums}

    @property
    def told(self) -> dict[str, str]:
        return {
            "accuracy": "share of the comparisons that the policy would answer alike",
            "chosen": "by how much the better clip is likelier than under RUN's policy (nats)",
            "rejected": "by how much the other one is (nats)",
        }

    def state_dict(self) -> dict[str, torch.Tensor | np.ndarray]:
        """As `FittedStage`, with the reference."""
        return super().state_dict() | prefixed("reference", acting(self.reference))

    def load_state_dict(self, state: dict[str, torch.Tensor | np.ndarray]) -> None:
        """Go on from `state_dict`."""
        super().load_state_dict(state)
        self._refer(under("reference", state))
