"""How a policy that is optimised against a proxy fares by what was meant: in a table, so exactly.

A proxy (a learnt reward, say) is optimised harder and harder, and the gold reward, for which it stands, is looked at
beside it, by the distance d = √KL from the policy it began as (Gao et al. 2023, arXiv 2210.10760). In one level of a
small grid world all three are sums over a table of states: nothing is sampled but the episodes of best-of-n, and a fall
of gold is no accident of an evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from curiosity.source import RewardSource
from envs.grid.fixed_levels import FixedLevels
from envs.grid.levels.spec import LevelSpec
from envs.grid.state import GridState
from envs.grid.tabular import TransitionTable, tabulate
from selfplay.core.transitions import Transitions
from selfplay.label.teachers import ScriptedTeacher
from selfplay.measures.best_of_n import best_of, kl_best_of
from selfplay.measures.soft_optimum import kl_divergence, soft_optimum

_MOST_ROUNDS, _TOLERANCE = 100, 1e-10


class Point(NamedTuple):
    """kl: nats an episode. proxy: its mean per step. gold: return of an episode, as a share of the best there is."""

    kl: float
    proxy: float
    gold: float


class Pressure:
    """Three ways to optimise a proxy from the same reference policy, each as hard as it is told.

    What is optimised is the proxy per step, as if episodes followed on each other: the sum over an episode over its
    length, means of both. So a constant that is added to the proxy, of which comparisons of segments of one length say
    nothing, decides nothing.

    table: with a time limit of H steps; its rewards are gold. proxy: float [S, A] or [H, S, A]. reference: π_ref,
    float [S, A]. episodes: M, played by the reference, of which the best of n are taken. seed: of these.
    """

    def __init__(
        self, table: TransitionTable, proxy: np.ndarray, reference: np.ndarray, episodes: int, seed: int
    ) -> None:
        if table.horizon is None:
            raise ValueError("pressure: the table has no time limit, expected rewards [H, S, A]")
        self.gold = table
        self.proxy = replace(table, reward=np.broadcast_to(proxy, table.reward.shape))
        self.reference, self.episodes, self.seed = reference, episodes, seed

    @cached_property
    def most(self) -> float:
        """The largest gold return, mean over starts, of what the reference ever does."""
        return soft_optimum(self.gold, self.reference, 0.0, 1.0).objective

    @cached_property
    def scale(self) -> float:
        """The proxy's standard deviation over the steps of the reference; 1 where it is the same at all of them."""
        gains = self.proxy.reward, self.proxy.reward**2, np.ones(1)
        first, second, length = map(float, episode_sums(self.gold, self.reference, gains))
        variance = second / length - (first / length) ** 2
        return variance**0.5 if variance > 1e-12 else 1.0

    def of_policy(self, policy: np.ndarray) -> Point:
        """Any policy, float [S, A] or [H, S, A]: exactly."""
        kl, proxy, length, gold = self._sums(policy)
        return Point(kl, proxy / length, gold / self.most)

    def on_leash(self, beta: float) -> Point:
        """The best policy of all for (proxy - β · KL) per step; it may see the time. Exactly.

        beta: β in deviations of the proxy per nat (`scale`), so that it means the same for every proxy.

        A ratio N / D is largest where max N - ρD = 0; ρ ← N / D of the best policy for ρ comes there from below, ever
        faster (Dinkelbach 1967, Management Science 13, 492-498).
        """
        if np.isinf(beta):
            return self.of_policy(self.reference)
        beta *= self.scale
        rate, policy = -np.inf, self.reference
        for _ in range(_MOST_ROUNDS):
            kl, proxy, length, _ = self._sums(policy)
            before, rate = rate, (proxy - beta * kl) / length
            if rate - before <= _TOLERANCE * max(1.0, abs(rate)):
                return self.of_policy(policy)
            dearer = replace(self.proxy, reward=self.proxy.reward - rate)
            policy = soft_optimum(dearer, self.reference, beta, 1.0).policy
        raise ValueError(f"pressure: {_MOST_ROUNDS} rounds do not settle at beta {beta}")

    def best_of(self, n: int) -> Point:
        """The best of n episodes of the reference, by proxy per step: means over M episodes, KL in closed form."""
        rate, gold = best_of(self._episodes[0], self._episodes, n)
        return Point(kl_best_of(n), float(rate), float(gold) / self.most)

    def _sums(self, policy: np.ndarray) -> tuple[float, float, float, float]:
        """KL (nats), proxy, steps and gold of an episode, in the mean."""
        nats = kl_divergence(policy, self.reference)[..., None]
        gains = nats, self.proxy.reward, np.ones(1), self.gold.reward
        kl, proxy, length, gold = map(float, episode_sums(self.gold, policy, gains))
        return kl, proxy, length, gold

    @cached_property
    def _episodes(self) -> np.ndarray:
        """Proxy per step and gold of M episodes of the reference, float64 [2, M]."""
        rng = np.random.default_rng(self.seed)
        rewards = self.proxy.reward, np.ones(1), self.gold.reward
        proxy, length, gold = sampled_returns(self.gold, self.reference, rewards, self.episodes, rng)
        return np.stack([proxy / length, gold])


def episode_sums(table: TransitionTable, policy: np.ndarray, gains: Sequence[np.ndarray]) -> np.ndarray:
    """E Σ_t g of R gains over an episode with a time limit of H steps, float64 [R], exactly.

    policy: float [S, A] or [H, S, A]. gains: what can be broadcast to [H, S, A]. `policy_scores` goes backwards and
    gives values; this goes forwards with the chance of each state, which is enough here and far quicker.
    """
    shape = table.reward.shape
    policy, paid = np.broadcast_to(policy, shape), [np.broadcast_to(gain, shape) for gain in gains]
    here: np.ndarray = np.bincount(table.start, minlength=shape[1]) / len(table.start)
    sums = np.zeros(len(paid))
    for t in range(shape[0]):
        chance = here[:, None] * policy[t]
        sums += [(chance * gain[t]).sum() for gain in paid]
        goes_on = np.where(table.terminated, 0.0, chance)
        here = np.bincount(table.next.ravel(), goes_on.ravel(), shape[1])
    return sums


def sampled_returns(
    table: TransitionTable, policy: np.ndarray, rewards: Sequence[np.ndarray], episodes: int, rng: np.random.Generator
) -> np.ndarray:
    """Undiscounted sums of R rewards over episodes of `policy` [S, A]: float64 [R, episodes].

    rewards: what can be broadcast to [H, S, A].
    """
    assert table.horizon is not None
    rewards = [np.broadcast_to(reward, table.reward.shape) for reward in rewards]
    thresholds = policy.cumsum(-1)[:, :-1]
    sums = np.zeros((len(rewards), episodes))
    state, playing = rng.choice(table.start, episodes), np.arange(episodes)
    for t in range(table.horizon):
        action = (rng.random(len(playing))[:, None] >= thresholds[state]).sum(-1)
        for k, reward in enumerate(rewards):
            sums[k, playing] += reward[t, state, action]
        on = ~table.terminated[state, action]
        state, playing = table.next[state, action][on], playing[on]
    return sums


def level_table(spec: LevelSpec, levels: int, seed: int) -> tuple[TransitionTable, GridState]:
    """The table of the first `levels` levels of `seed`, each as likely, with the time limit; and its states."""
    cells, agent = FixedLevels(spec, levels, seed).levels()
    return tabulate(spec, GridState(cells, agent, np.zeros((levels, 2), np.uint64)))


def reward_table(source: RewardSource, rows: torch.Tensor, actions: int) -> np.ndarray:
    """What `source` pays for each of A actions in each of S states that are seen as `rows` [S, P]: float64 [S, A].

    The source may look at the state and the action only, not at what follows.
    """
    obs = rows.repeat_interleave(actions, 0)[None]
    shape = obs.shape[:2]
    none, zeros = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape)
    steps = Transitions(
        obs=obs, action=torch.arange(actions).repeat(len(rows))[None], log_prob=zeros, value=zeros[..., None][..., :0],
        next_obs=obs, terminated=none, truncated=none, task_reward=zeros, mask=~none,
    )  # fmt: skip
    return source.reward(steps)[0].view(len(rows), actions).double().numpy()


def win_rate(teacher: ScriptedTeacher, ours: np.ndarray, theirs: np.ndarray) -> float:
    """How often `teacher` prefers the first of two episodes with the returns `ours` and `theirs`, float [Q] each.

    Equal ones count half, skipped ones are left out; ½ where all are.
    """
    paid = torch.from_numpy(np.concatenate([ours, theirs])).float()[None]
    nothing = torch.zeros(paid.shape, dtype=torch.bool)
    steps = Transitions(
        obs=paid[..., None], action=nothing.long(), log_prob=paid, value=paid[..., None], next_obs=paid[..., None],
        terminated=nothing, truncated=nothing, task_reward=paid, mask=~nothing,
    )  # fmt: skip
    count = len(ours)
    said = teacher.answer(steps, torch.stack([torch.arange(count), torch.arange(count) + count], -1))
    worth = [{"left": 1.0, "equal": 0.5, "right": 0.0}[str(one)] for one in said if one != "skip"]
    return sum(worth) / len(worth) if worth else 0.5
