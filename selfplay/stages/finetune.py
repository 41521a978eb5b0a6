"""The stage that goes on from a policy that was learnt elsewhere, on a leash to it or free."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from curiosity.group import ALONE, Group
from curiosity.source import Surroundings
from selfplay.board import Layout
from selfplay.core.policy import policy_for
from selfplay.core.streams import Stream
from selfplay.rewards.leash import Beta, Leash, acting, set_acting
from selfplay.rewards.streams import LEASH
from selfplay.stages.base import Report
from selfplay.stages.finetune_settings import FinetuneConfig
from selfplay.stages.ppo import PPOStage

PARTS: dict[str, tuple[str, ...]] = {
    "encoder": ("encoder.",),
    "policy": ("layers.", "gru.", "policy_head.", "log_std"),
    "critic": ("critic.", "value_head."),
    "normaliser": ("normaliser.",),
}
"""What can be taken over, and how the names of its tensors begin."""


class FinetuneStage(PPOStage):
    """`PPOStage` whose policy is begun with parts of another one, and is paid for keeping to that as it was.

    The leash looks as far ahead as the task does. Without `begin` or a state loaded, policy and reference are random.
    """

    config: FinetuneConfig

    def __init__(
        self, make_world, config: FinetuneConfig, seed: int, device: str = "cpu", group: Group = ALONE
    ) -> None:
        self.leash: Leash | None = None
        super().__init__(make_world, config, seed, device, group)
        self.learner.freeze(tuple(prefix for part in config.freeze for prefix in PARTS[part]))

    def streams(self, told: Surroundings) -> list[Stream]:
        """The rewards, and the leash behind them."""
        streams, beta = super().streams(told), self.config.leash.first_beta
        if beta is None:
            return streams
        with torch.random.fork_rng(devices=[]):  # these weights are all overwritten
            reference = policy_for(told.channels["obs"], told.action_space, self.config.ppo, streams=1)
        limits = self.config.leash.target, self.config.leash.horizon
        self.leash = Leash(reference.to(told.device), Beta(beta, *limits), told.group)
        return [*streams, Stream(self.leash, beta, self.config.ppo.gamma)]

    def begin(self, learnt: Mapping[str, Tensor]) -> None:
        """Take over the parts to keep from `learnt`, a policy's state for these spaces; the leash gets all of it.

        Of the critic what is there: value heads that `learnt` has no rows for (NaN) stay as they are.
        """
        policy = self.learner.policy
        state = policy.state_dict()
        prefixes = tuple(prefix for part in self.config.keep for prefix in PARTS[part])
        for name, tensor in learnt.items():
            if name.startswith(prefixes) and name in state:
                if state[name].shape != tensor.shape:
                    raise ValueError(f"{name!r} is {list(tensor.shape)}, expected {list(state[name].shape)}")
                state[name] = torch.where(tensor.isnan(), state[name].cpu(), tensor)
        policy.load_state_dict(state)
        if self.leash is not None:
            names = acting(self.leash.reference)
            set_acting(self.leash.reference, {name: learnt[name] for name in names if name in learnt})

    def iterate(self, progress: float) -> Report:
        """Collect one rollout and learn from it; β then moves."""
        report = super().iterate(progress)
        self._take_up_beta()
        return report

    @property
    def charts(self) -> Layout:
        """TensorBoard's page of charts."""
        charts = dict(super().charts)
        if self.leash is not None:
            charts["leash"] = {
                "KL to the policy it began as (nats an episode)": ["train/leash/kl_per_episode"],
                "β (reward per nat)": ["train/leash/beta"],
            }
        return charts

    def load_state_dict(self, state: dict[str, torch.Tensor | np.ndarray]) -> None:
        """Go on from `state_dict`."""
        super().load_state_dict(state)
        self._take_up_beta()

    def _take_up_beta(self) -> None:
        if self.leash is not None:
            self.learner.set_weight(LEASH, self.leash.beta.value)
