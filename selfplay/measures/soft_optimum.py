"""The exact best of reward less β · KL in a small world: what a leashed learner can be held against.

The objective of KL-regularised fine-tuning (Ziegler et al. 2019, arXiv 1909.08593, with a discount):

    J(π) = E Σ_t γ^t [r_t - β KL(π(·|s_t) ‖ π_ref(·|s_t))]

Its optimum in a world without chance has V(s) = β log Σ_a π_ref(a|s) exp((r(s, a) + γ V(s')) / β), with V = 0 after a
termination, and π(a|s) = π_ref(a|s) exp((r(s, a) + γ V(s') - V(s)) / β) (Todorov 2006; Levine 2018, arXiv 1805.00909).
β = 0 is plain value iteration over the actions that π_ref ever takes (equal actions are shared out evenly), β = inf is
π_ref itself.

Of a table with a time limit the state includes the time: policies and values are [H, S, …] by the steps taken before,
and nothing comes after the limit. A learner that bootstraps through truncations and sees no time maximises something
else; hold it against the table without a limit, in worlds whose limit is as far away (`envs.grid.tabular.FAR`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, identity
from scipy.sparse.linalg import splu

from envs.grid.tabular import TransitionTable

_TOLERANCE = 1e-12
_MOST_SWEEPS = 50_000


@dataclass(frozen=True)
class SoftOptimum:
    """value float64 [S] or, with a time limit, [H, S]; policy [S, A] or [H, S, A]; objective: mean V at the starts."""

    value: np.ndarray
    policy: np.ndarray
    objective: float


@dataclass(frozen=True)
class PolicyScores:
    """What a policy earns in a table, mean over its starts.

    objective: J. discounted_return: Σ γ^t r. Without a discount: episode_return Σ r, kl_per_episode Σ KL (nats), length
    (steps). Where an episode may never end the length is infinite and the other two are NaN.
    """

    objective: float
    discounted_return: float
    episode_return: float
    kl_per_episode: float
    length: float


def soft_optimum(table: TransitionTable, reference: np.ndarray, beta: float, gamma: float) -> SoftOptimum:
    """The best that can be had on a leash of β (reward per nat, 0 to inf) to reference float [S, A].

    Without a time limit γ must be below 1, unless the sweeps settle all the same; `ValueError` if they do not.
    """
    _check(table, reference, beta, gamma)
    with np.errstate(divide="ignore"):
        log_reference = np.log(reference)
    if table.horizon is not None:
        value, policies = np.zeros((table.horizon + 1, len(reference))), np.empty(table.reward.shape)
        for t in reversed(range(table.horizon)):
            scores = _scores(table, table.reward[t], value[t + 1], gamma)
            value[t], policies[t] = _backup(scores, reference, log_reference, beta)
        return SoftOptimum(value[:-1], policies, float(value[0, table.start].mean()))
    now = np.zeros(len(reference))
    for _ in range(_MOST_SWEEPS):
        before = now
        now, policy = _backup(_scores(table, table.reward, before, gamma), reference, log_reference, beta)
        if np.abs(now - before).max() <= _TOLERANCE:
            return SoftOptimum(now, policy, float(now[table.start].mean()))
    raise ValueError(f"soft optimum: {_MOST_SWEEPS} sweeps do not settle with gamma {gamma}, expected one below 1")


def policy_scores(
    table: TransitionTable, policy: np.ndarray, reference: np.ndarray, beta: float, gamma: float
) -> PolicyScores:
    """What `policy` (float [S, A] or, with a time limit, also [H, S, A]) earns, exactly."""
    _check(table, reference, beta, gamma)
    if policy.shape not in (reference.shape, table.reward.shape):
        raise ValueError(f"policy scores: policy must be {list(reference.shape)}, got {list(policy.shape)}")
    paid, kl = (policy * table.reward).sum(-1), kl_divergence(policy, reference)
    gains = np.stack(np.broadcast_arrays(paid, kl, np.ones_like(paid)), -1)  # [(H,) S, 3]
    if table.horizon is not None:
        policy = np.broadcast_to(policy, table.reward.shape)
        near = far = np.zeros((len(reference), 3))
        for t in reversed(range(table.horizon)):
            follows = _follows(table, policy[t])
            near, far = gains[t] + gamma * (follows @ near), gains[t] + follows @ far
    else:
        follows = _follows(table, policy)
        near = _solved(follows, gains, gamma, table)
        far = _solved(follows, gains, 1.0, table)
    near, far = near[table.start].mean(0), far[table.start].mean(0)
    penalty = 0.0 if near[1] == 0 else beta * near[1]
    return PolicyScores(float(near[0] - penalty), *map(float, (near[0], *far)))


def kl_divergence(policy: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """KL(π ‖ π_ref) in nats over the last axis; infinite where π does what π_ref never does."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(policy > 0, policy * (np.log(policy) - np.log(reference)), 0.0).sum(-1)


def _check(table: TransitionTable, reference: np.ndarray, beta: float, gamma: float) -> None:
    if reference.shape != table.next.shape:
        raise ValueError(f"reference must be [S, A] = {list(table.next.shape)}, got {list(reference.shape)}")
    if (reference < 0).any() or np.abs(reference.sum(-1) - 1).max() > 1e-5:
        raise ValueError("reference must hold probabilities that add up to 1 in every state")
    if math.isnan(beta) or beta < 0:
        raise ValueError(f"beta must be in [0, inf], got {beta}")
    if not 0 <= gamma <= 1:
        raise ValueError(f"gamma must be in [0, 1], got {gamma}")


def _scores(table: TransitionTable, reward: np.ndarray, value: np.ndarray, gamma: float) -> np.ndarray:
    """[S, A]: r + γ V(s')."""
    return reward + gamma * np.where(table.terminated, 0.0, value[table.next])


def _backup(
    scores: np.ndarray, reference: np.ndarray, log_reference: np.ndarray, beta: float
) -> tuple[np.ndarray, np.ndarray]:
    """V [S] and π [S, A] from r + γ V(s')."""
    if math.isinf(beta):
        return (reference * scores).sum(-1), reference.copy()
    allowed = np.where(reference > 0, scores, -np.inf)
    best = allowed.max(-1)
    if beta == 0:
        likeliest = allowed >= best[:, None] - 1e-9
        return best, likeliest / likeliest.sum(-1, keepdims=True)
    weights = np.exp(log_reference + (allowed - best[:, None]) / beta)
    total = weights.sum(-1)
    return best + beta * np.log(total), weights / total[:, None]


def _follows(table: TransitionTable, policy: np.ndarray) -> csr_matrix:
    """[S, S]: the chance that an episode goes on from one state in another."""
    count, actions = table.next.shape
    chance = np.where(table.terminated, 0.0, policy).ravel()
    rows = np.repeat(np.arange(count), actions)
    return csr_matrix((chance, (rows, table.next.ravel())), (count, count))


def _solved(follows: csr_matrix, gains: np.ndarray, gamma: float, table: TransitionTable) -> np.ndarray:
    """x = gains + γ · follows @ x where the episode comes to; no numbers but the length where it may never end."""
    reached = _closure(follows.T.tocsr(), np.isin(np.arange(follows.shape[0]), table.start))
    ends = _closure(follows, np.asarray(follows.sum(1)).ravel() < 1 - 1e-12)
    out = np.zeros(gains.shape)
    if gamma == 1 and not ends[reached].all():
        return np.broadcast_to([np.nan, np.nan, np.inf], gains.shape)
    here = np.flatnonzero(reached)
    system = identity(len(here), format="csc") - gamma * follows[here][:, here].tocsc()
    out[here] = splu(system.tocsc()).solve(gains[here])
    return out


def _closure(leads: csr_matrix, marked: np.ndarray) -> np.ndarray:
    """bool [S]: the states that are marked, or from which `leads` (entries above 0) comes to one that is."""
    while True:
        more = marked | (leads @ marked.astype(float) > 0)
        if (more == marked).all():
            return marked
        marked = more
