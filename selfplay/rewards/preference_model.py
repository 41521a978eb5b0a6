"""The models behind a reward from preferences, and how they are fitted: Bradley and Terry's likelihood."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from curiosity.features import whitening_of
from curiosity.networks import Actions, Ensemble
from curiosity.source import Batch, Surroundings
from curiosity.training import Adam
from selfplay.label.pairs import Pairs
from selfplay.rewards.preference_config import PreferenceConfig


def bradley_terry(left: Tensor, right: Tensor, target: Tensor) -> Tensor:
    """-t log σ(R_l - R_r) - (1 - t) log σ(R_r - R_l), in nats, elementwise (Bradley and Terry 1952).

    left, right: returns Σ_t r_t, any shape. target: t, the probability that the left one is better; ½ for equal.
    """
    return F.binary_cross_entropy_with_logits(left - right, target.expand_as(left), reduction="none")


class StepModels(nn.Module):
    """K models of the reward of a step, float32 [K, S]: the world's encoder, ReLU, and one more hidden layer.

    The state after the step has an encoder of its own where it counts, the action joins behind the first layer. Vectors
    are whitened. The last layer begins at 0: new models find nothing better than anything else.
    """

    def __init__(self, config: PreferenceConfig, surroundings: Surroundings, reader: str) -> None:
        super().__init__()
        space = surroundings.space(config.reads, reader)
        count, width = config.members, config.width
        self.actions = Actions(surroundings.action_space, reader) if config.action else None
        self.whitening = whitening_of(space)
        self.now = nn.ModuleList([surroundings.encoder(space, width) for _ in range(count)])
        self.next = nn.ModuleList([surroundings.encoder(space, width) for _ in range(count if config.next_obs else 0)])
        self.head = Ensemble(count, width + (self.actions.size if self.actions else 0), width, 1)
        for last in (self.head.weight_2, self.head.bias_2):
            nn.init.zeros_(last)

    def forward(self, now: Tensor, next: Tensor, action: Tensor) -> Tensor:
        """now, next: rows [S, P] of the channel before and after S steps. action: int64 [S] or float32 [S, A]."""
        if self.whitening is not None:
            now, next = self.whitening(now), (self.whitening(next) if len(self.next) else next)
        hidden = torch.stack([encoder(now) for encoder in self.now])
        if len(self.next):
            hidden = hidden + torch.stack([encoder(next) for encoder in self.next])
        inputs = F.relu(hidden)
        if self.actions is not None:
            code = self.actions.code(action)
            inputs = torch.cat([inputs, code.expand(len(inputs), -1, -1)], -1)
        return self.head(inputs)[..., 0]


class Rows(NamedTuple):
    """What the models see of segments [H, M]: rows and actions, 0 outside the mask."""

    now: Tensor
    next: Tensor
    action: Tensor
    mask: Tensor


def rows_of(steps: Batch, channel: str, device: torch.device) -> Rows:
    """The segments `steps` [H, M] as the models see them."""
    mask = steps.mask.to(device)

    def inside(tensor: Tensor) -> Tensor:
        here = mask.view(*mask.shape, *[1] * (tensor.dim() - 2))
        return torch.where(here, tensor.to(device), torch.zeros((), dtype=tensor.dtype, device=device))

    now, next = steps.channel(channel)
    return Rows(inside(now), inside(next), inside(steps.action), mask)


def returns(models: StepModels, rows: Rows, columns: Tensor) -> Tensor:
    """Σ_t r_t over the steps in the mask, float32 [K, B], of the segments `columns` int64 [B]."""
    now, next, action = (tensor[:, columns].flatten(0, 1) for tensor in rows[:3])
    mask = rows.mask[:, columns]
    return (models(now, next, action).view(-1, *mask.shape) * mask).sum(1)


def bootstrap(group: Tensor, members: int, generator: torch.Generator) -> Tensor:
    """How often each member draws each of P comparisons, float32 [K, P]: whole groups, with replacement.

    group: int64 [P], on the CPU.
    """
    names, place = torch.unique(group, return_inverse=True)
    drawn = torch.randint(max(len(names), 1), (members, len(names)), generator=generator)
    counts = torch.zeros(members, len(names)).scatter_add_(1, drawn, torch.ones(members, len(names)))
    return counts[:, place]


def _shares(pairs: Pairs, config: PreferenceConfig, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """What each comparison counts in each model's training, mean 1 over those to train on, and which it stops at.

    Both float32 [K, P], on the CPU.
    """
    training = ~pairs.held_out.cpu()
    weight, unseen = torch.zeros(2, config.members, len(pairs))
    if config.bootstrap:
        counts = bootstrap(pairs.group.cpu()[training], config.members, generator)
        weight[:, training], unseen[:, training] = counts, (counts == 0).float()
    else:
        weight[:, training], unseen[:, ~training] = 1.0, 1.0
    return weight * training.sum() / weight.sum(-1, keepdim=True), unseen


def fit(
    models: StepModels, pairs: Pairs, config: PreferenceConfig, generator: torch.Generator, device: torch.device
) -> dict[str, float]:
    """Minimise the weighted loss of every model side by side; the weights of the best pass are kept.

    A model stops at what it has not seen: with a bootstrap the groups that it did not draw, so that the held-out
    comparisons decide nothing and their accuracy is unbiased; else the held-out ones. The best pass is that with the
    least of these losses, mean over the models; without any unseen comparison it is the last.

    Metrics: epochs, the number of the best pass; its loss, on what is trained on, and its unseen_loss, mean over the
    models and without the weight decay. Raises `ValueError` where all comparisons are held out and `FloatingPointError`
    where the loss is not finite.
    """
    training = ~pairs.held_out
    count = int(training.sum())
    if not count:
        raise ValueError(f"preferences: nothing to train on, all of {len(pairs)} comparisons are held out")
    weight, unseen = (shares.to(device) for shares in _shares(pairs, config, generator))
    stoppable = unseen.sum(-1) > 0
    left, right, target = (tensor.to(device) for tensor in (pairs.left, pairs.right, pairs.target))
    rows, numbers = rows_of(pairs.steps, config.reads, device), training.to(device).nonzero()[:, 0]
    adam = Adam(models, config.learning_rate)
    kept, best = {}, {"epochs": 0.0, "loss": math.inf, "unseen_loss": math.inf}
    for epoch in range(1, config.epochs + 1):
        order = numbers[torch.randperm(count, generator=generator).to(device)]
        for index in order.tensor_split(max(1, round(count / config.minibatch_size))):
            columns, place = torch.unique(torch.cat([left[index], right[index]]), return_inverse=True)
            first, second = returns(models, rows, columns)[:, place].chunk(2, -1)
            data = (bradley_terry(first, second, target[index]) * weight[:, index]).mean(-1).sum()
            decay = torch.stack([parameter.square().sum() for parameter in models.parameters()]).sum()
            loss = data + config.weight_decay / 2 * decay
            value = float(loss.detach())
            if not math.isfinite(value):
                raise FloatingPointError(f"preferences: loss {value} in epoch {epoch}, expected a finite number")
            adam.step(adam.gradients(loss))
        with torch.no_grad():
            sums = all_returns(models, rows)
            losses = bradley_terry(sums[:, left], sums[:, right], target)
        seen_loss = float((losses * weight).sum(-1).mean() / count)
        watched = (losses * unseen).sum(-1)[stoppable] / unseen.sum(-1)[stoppable]
        unseen_loss = float(watched.mean()) if len(watched) else math.nan
        if not len(watched) or unseen_loss < best["unseen_loss"]:
            best = {"epochs": float(epoch), "loss": seen_loss, "unseen_loss": unseen_loss}
            kept = {name: tensor.clone() for name, tensor in models.state_dict().items()}
        elif epoch - best["epochs"] >= config.patience:
            break
    models.load_state_dict(kept)
    return {name: value for name, value in best.items() if math.isfinite(value)}


@torch.no_grad()
def all_returns(models: StepModels, rows: Rows) -> Tensor:
    """Σ_t r_t of all segments, float32 [K, M]."""
    lots = torch.arange(rows.mask.shape[1], device=rows.mask.device).split(256)
    return torch.cat([returns(models, rows, columns) for columns in lots], -1)
