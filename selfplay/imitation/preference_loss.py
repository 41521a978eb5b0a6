"""Policies straight from preferences: what is likely to be preferred is a function of log-probabilities alone.

Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290, eq. 7; here over segments): the policy that
maximises E Σ r - β KL(π ‖ π_ref) over the ways to go on from a state s is π(τ) = π_ref(τ) exp(Σ r / β) / Z(s), so that
β Σ log π(a|s) / π_ref(a|s) is the return of τ up to a constant of s. Under Bradley and Terry's model the constant
cancels if both segments begin in s, and Σ over steps is log π(τ) / π_ref(τ) if the world draws nothing. Then the loss
has that policy for its minimum; else it has not.

Contrastive preference learning (Hejna et al. 2023, arXiv 2310.13639, eq. 5 and section 3.3) takes people to compare
regret: with maximum entropy α log π*(a|s) is the optimal advantage, a segment's score is Σ γ^t α log π(a_t|s_t). It
needs no reference, no shared start and no world without chance. What the worse segment counts, λ < 1, keeps the policy
at what was seen.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def dpo_scores(log_prob: Tensor, reference: Tensor, mask: Tensor, beta: float) -> Tensor:
    """[M] of log π and log π_ref [H, M] (nats): β Σ_t log π / π_ref over the steps in mask, bool [H, M]."""
    return beta * torch.where(mask, log_prob - reference, 0.0).sum(0)


def cpl_scores(log_prob: Tensor, mask: Tensor, alpha: float, gamma: float) -> Tensor:
    """[M] of log π [H, M] (nats): α Σ_t γ^t log π over the steps in mask, bool [H, M]."""
    discount = gamma ** torch.arange(len(mask), dtype=log_prob.dtype, device=log_prob.device)
    return alpha * (torch.where(mask, log_prob, 0.0) * discount[:, None]).sum(0)


def preference_loss(left: Tensor, right: Tensor, target: Tensor, bias: float = 1.0) -> Tensor:
    """-t log σ(l - λ r) - (1 - t) log σ(r - λ l), nats, elementwise.

    left, right: scores l and r [P]. target: t [P], the probability that the left one is better. bias: λ.
    """
    return -target * F.logsigmoid(left - bias * right) - (1 - target) * F.logsigmoid(right - bias * left)
