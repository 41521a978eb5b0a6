"""Epochs of shuffled minibatches, alone or together with other ranks."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from curiosity.group import Group
from selfplay.core.adam import Adam
from selfplay.core.config import PPOConfig
from selfplay.core.gradients import Gradients
from selfplay.core.policy import ActorCritic
from selfplay.core.ppo import Minibatch
from selfplay.core.sequences import Sequences
from selfplay.core.united import normalised_parts, unite_gradient


class Optimiser:
    """Steps of `adam` down the mean of all ranks' gradients of `policy`'s loss under `config`."""

    def __init__(self, policy: ActorCritic, adam: Adam, config: PPOConfig, group: Group) -> None:
        self.adam, self.config, self.group = adam, config, group
        each = config.normalise_advantage and config.normalise_over == "minibatch"
        self._together = each and group.size > 1  # advantages come normalised to where gradients are made
        given = config.model_copy(update={"normalise_advantage": False}) if self._together else config
        self.gradients = Gradients(policy, adam, given)
        self.frozen: tuple[slice, ...] = ()
        """Parts of `adam.parameter` that stay as they are."""

    def run(
        self,
        steps: Minibatch,
        rows: Tensor,
        cut: Sequences | None,
        learning_rate: float,
        generator: torch.Generator,
        update: int,
    ) -> dict[str, float]:
        """Learn from those of `steps` that `rows` (int64 [S]) names, or from whole sequences of them.

        Returns the means of the minibatches' metrics, gradient_norm, learning_rate and epochs. generator: of the
        shuffles. update: for errors. `FloatingPointError`: a loss or a gradient is not finite.
        """
        config, group, adam = self.config, self.group, self.adam
        units = rows if cut is None else torch.arange(len(cut), device=rows.device)
        parts = max(1, min(len(units), round(len(rows) * group.size / config.minibatch_size)))
        gradient = self.gradients.of(steps, cut)
        raw = steps.advantage.clone() if self._together else steps.advantage
        history: list[dict[str, float]] = []
        epoch = 0
        for epoch in range(1, config.epochs + 1):
            order = units[torch.randperm(len(units), generator=generator, device=units.device)]
            minibatches = order.tensor_split(parts)
            if self._together:
                taken = [index if cut is None else _rows(cut, index) for index in minibatches]
                for index, advantage in zip(taken, normalised_parts(group, [raw[i] for i in taken]), strict=True):
                    steps.advantage[index] = advantage
            for index in minibatches:
                metrics = unite_gradient(group, adam, gradient(index))
                for part in self.frozen:  # Adam's moments of it stay 0, and so do its steps
                    adam.gradient[part] = 0
                norm = metrics["gradient_norm"] = adam.gradient_norm()
                if not math.isfinite(metrics["loss"]) or not math.isfinite(norm):
                    raise FloatingPointError(
                        f"learner: loss {metrics['loss']} and gradient norm {norm} in update {update}, "
                        f"epoch {epoch}, expected finite numbers"
                    )
                adam.step(learning_rate, config.max_grad_norm, norm)
                history.append(metrics)
            if config.target_kl and sum(one["approx_kl"] for one in history[-parts:]) / parts > config.target_kl:
                break
        means = {key: float(sum(one[key] for one in history)) / len(history) for key in history[0]}
        return means | {"learning_rate": learning_rate, "epochs": float(epoch)}


def _rows(cut: Sequences, index: Tensor) -> Tensor:
    """The rows of the steps of sequences `index`."""
    rows, meant = cut.rows(index)
    return rows[meant]
