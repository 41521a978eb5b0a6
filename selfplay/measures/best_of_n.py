"""Best-of-n: n answers are drawn from a policy, and the one that a proxy likes best is given.

For a continuous proxy the policy that this makes of π_ref lies log n - (n - 1) / n nats from it (Stiennon et al. 2020,
arXiv 2009.01325, appendix G.3); where answers tie, that is an upper bound (Beirami et al. 2024, arXiv 2401.01879).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaln


def kl_best_of(n: int) -> float:
    """KL (nats) of the best of n to one: log n - (n - 1) / n."""
    if n < 1:
        raise ValueError(f"best of n: n must be at least 1, got {n}")
    return math.log(n) - (n - 1) / n


def chances_of_best(count: int, n: int) -> np.ndarray:
    """float64 [M]: the chance that each of M = `count` samples, worst first, is the best of n of them.

    They are drawn without replacement: C(k - 1, n - 1) / C(M, n) for the k-th, the unbiased estimator of Nakano et al.
    2021 (arXiv 2112.09332, appendix I).
    """
    if not 1 <= n <= count:
        raise ValueError(f"best of n: n must be from 1 to the {count} samples there are, got {n}")
    rank = np.arange(n, count + 1)  # those below n are never the best
    log_chance = gammaln(rank) - gammaln(rank - n + 1) - gammaln(n)
    log_chance -= gammaln(count + 1) - gammaln(count - n + 1) - gammaln(n + 1)
    return np.concatenate([np.zeros(n - 1), np.exp(log_chance)])


def best_of(proxy: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """What the best of n by `proxy` is worth: means [...] of `values` [..., M], unbiased, from M independent samples.

    proxy: [M]. Which of two that it likes alike is taken is decided by their order, which must be random.
    """
    order = np.argsort(proxy, kind="stable")
    return np.asarray(values, float)[..., order] @ chances_of_best(len(proxy), n)
