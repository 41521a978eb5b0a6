"""Generalised advantage estimation (Schulman et al. 2015, arXiv 1506.02438), one column per reward stream."""

from __future__ import annotations

from collections.abc import Callable

import numba as nb
import numpy as np
import torch
from torch import Tensor

from selfplay.core.jit import kernel
from selfplay.core.transitions import Transitions


def estimate(
    batch: Transitions,
    reward: Tensor,
    value: Tensor,
    value_after: Callable[[Tensor], Tensor],
    gamma: Tensor,
    episodic: Tensor,
    lam: float,
    value_begun: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Advantages [T, N, K] of a batch; those of steps that were not played mean nothing.

    To a stream that is not episodic all episodes of an environment are one endless one, as in section 2.3 of Burda et
    al. 2018 (arXiv 1810.12894): where the next row was played, it follows, whether or not an episode ended between.

    reward, value: float32 [T, N, K], finite everywhere. value_after: which steps, bool [T, N] with B of them true, to
    the values [B, K] of their true successors; asked only where the next row is not one. gamma: float32 [K].
    episodic: bool [K]. value_begun: which environments, bool [N] with B of them true, to the values [B, K] of the first
    observations of the episodes that began after the last row; without it what came before is all there is to go on.
    """
    gap = ~batch.mask  # what the next row shows is not what came next
    gap[:-1] |= ~batch.mask[1:]
    gap[-1] = True
    cut = gap[..., None] | (batch.done[..., None] & episodic)
    next_value = torch.zeros_like(value)
    next_value[:-1] = value[1:]
    terminated = batch.terminated[..., None] & episodic
    asking = cut & batch.mask[..., None] & ~terminated
    where = asking.any(-1)
    if bool(where.any()):
        next_value[where] = torch.where(asking[where], value_after(where), next_value[where])
    begun = batch.done[-1] & batch.mask[-1]
    if value_begun is not None and not bool(episodic.all()) and bool(begun.any()):
        next_value[-1, begun] = torch.where(episodic, next_value[-1, begun], value_begun(begun))
    return advantages(reward, value, next_value, terminated, cut, gamma, lam)


def advantages(
    reward: Tensor,
    value: Tensor,
    next_value: Tensor,
    terminated: Tensor,
    done: Tensor,
    gamma: Tensor,
    lam: float,
) -> Tensor:
    """Advantages, float32 [T, N, K], by δ_t = r_t + γ V(s_{t+1}) - V(s_t) and A_t = δ_t + γλ A_{t+1}.

    reward, value, next_value: float32 [T, N, K]. `next_value` is the value of the true successor, so a truncated step
        bootstraps like any other.
    terminated: bool [T, N, K], where V(s_{t+1}) counts as 0; False throughout for a stream that is not episodic.
    done: bool [T, N, K], where the next row is not the continuation (episode over, or next row not played): A_{t+1}
        is left out there.
    gamma: float32 [K]. lam: λ in [0, 1].
    """
    shapes = [list(tensor.shape) for tensor in (reward, value, next_value, terminated, done)]
    if shapes.count(shapes[0]) != len(shapes) or reward.dim() != 3:
        raise ValueError(
            f"advantages: reward, value, next_value, terminated and done must be [T, N, K] alike, got {shapes}"
        )
    if gamma.shape != reward.shape[2:]:
        raise ValueError(f"advantages: expected gamma {list(reward.shape[2:])}, got {list(gamma.shape)}")
    if reward.device.type != "cpu":
        return advantages_reference(reward, value, next_value, terminated, done, gamma, lam)
    out = torch.empty(reward.shape)
    tensors = (reward, value, next_value, terminated, done, gamma)
    _advantages(*(tensor.detach().contiguous().numpy() for tensor in tensors), np.float32(lam), out.numpy())
    return out


def advantages_reference(
    reward: Tensor,
    value: Tensor,
    next_value: Tensor,
    terminated: Tensor,
    done: Tensor,
    gamma: Tensor,
    lam: float,
) -> Tensor:
    """`advantages` in plain torch, for any device."""
    delta = reward + torch.where(terminated, 0.0, gamma * next_value) - value
    out = torch.empty_like(delta)
    trace = torch.zeros_like(delta[0])
    for t in reversed(range(len(delta))):
        trace = delta[t] + torch.where(done[t], 0.0, gamma * lam * trace)
        out[t] = trace
    return out


@kernel(parallel=True)
def _advantages(reward, value, next_value, terminated, done, gamma, lam, out):
    steps, environments, streams = reward.shape
    block = 64  # environments side by side in memory, so that threads do not share cache lines
    for part in nb.prange((environments + block - 1) // block):
        low, high = part * block, min(environments, part * block + block)
        for t in range(steps - 1, -1, -1):
            for n in range(low, high):
                for k in range(streams):
                    delta = reward[t, n, k] - value[t, n, k]
                    if not terminated[t, n, k]:
                        delta = reward[t, n, k] + gamma[k] * next_value[t, n, k] - value[t, n, k]
                    if t + 1 < steps and not done[t, n, k]:
                        delta += gamma[k] * lam * out[t + 1, n, k]
                    out[t, n, k] = delta
