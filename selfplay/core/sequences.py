"""Sequences of steps for a policy with a memory, each begun with the state that was really there.

The stored states of Kapturowski et al. 2019 (R2D2): a rollout is cut into chunks, and the gradient runs back through
time to the start of its chunk. The states are those of the policy that acted; PPO's few epochs leave them fresh enough,
so nothing is burnt in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from selfplay.core.config import PPOConfig
from selfplay.core.policy import ActorCritic
from selfplay.core.ppo import Minibatch, loss_of
from selfplay.core.transitions import Transitions


@dataclass(frozen=True)
class Sequences:
    """S sequences of consecutive played steps among R rows of steps: sequence s is row first + l · stride, l < length.

    first, stride, length: int64 [S]. restart: bool [R], the steps that do not go on from the one before them, because
    an episode begins or nothing was played before. state: float32 [R, H], what was remembered at each step.
    """

    first: Tensor
    stride: Tensor
    length: Tensor
    restart: Tensor
    state: Tensor

    def __len__(self) -> int:
        return len(self.first)

    def rows(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Row numbers int64 [L, B] of sequences `index` (int64 [B]), and which of them are meant, bool [L, B].

        Those beyond a sequence's end repeat its last step.
        """
        length = self.length[index]
        step = torch.arange(int(length.max()), device=length.device)[:, None]
        return self.first[index] + torch.minimum(step, length - 1) * self.stride[index], step < length


def cut(batches: Sequence[Transitions], longest: int) -> Sequences:
    """All played steps of the batches, flattened one after the other, in sequences of at most `longest` steps.

    A sequence ends every `longest` steps of its batch and where a step was not played. An episode's end within it is
    a restart of the next step.
    """
    parts, restarts, base = [], [], 0
    for batch in batches:
        mask = batch.mask
        (steps, envs), device = mask.shape, mask.device
        follows = torch.zeros_like(mask)
        follows[1:] = mask[:-1]
        at_cut = torch.arange(steps, device=device)[:, None] % longest == 0
        begins = mask & (at_cut | ~follows)
        length = torch.zeros(steps, envs, dtype=torch.int64, device=device)
        for t in reversed(range(steps)):
            length[t] = mask[t] * (1 + (length[t + 1] * ~begins[t + 1] if t + 1 < steps else 0))
        first = begins.flatten().nonzero()[:, 0]
        parts.append((base + first, torch.full_like(first, envs), length.flatten()[first]))
        goes_on = torch.zeros_like(mask)
        goes_on[1:] = mask[:-1] & ~batch.done[:-1]
        restarts.append(~goes_on.flatten())
        base += steps * envs
    first, stride, length = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    states = [batch.state.flatten(0, 1) for batch in batches]
    return Sequences(first, stride, length, torch.cat(restarts), torch.cat(states) if len(states) > 1 else states[0])


def sequence_loss(
    policy: ActorCritic, steps: Minibatch, sequences: Sequences, index: Tensor, config: PPOConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """`loss_of` the steps of sequences `index` (int64 [B]), the policy unrolled over each of them."""
    rows, meant = sequences.rows(index)
    parameters, value = policy.unroll(steps.obs[rows], sequences.state[rows], sequences.restart[rows])
    return loss_of(policy, parameters[meant], value[meant], steps.take(rows[meant]), config)
