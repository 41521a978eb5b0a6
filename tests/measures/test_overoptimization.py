"""Proxy and gold by distance: by hand in one step, and against what is played in a level."""

import math

import numpy as np
import pytest
import torch

from envs.grid.levels import level_spec
from envs.grid.tabular import TransitionTable
from selfplay.label.settings import TeacherConfig
from selfplay.label.teachers import ScriptedTeacher
from selfplay.measures.overoptimization import (
    Pressure,
    episode_sums,
    level_table,
    reward_table,
    sampled_returns,
    win_rate,
)
from selfplay.measures.soft_optimum import kl_divergence, policy_scores

ONE = TransitionTable(
    next=np.zeros((1, 2), int), reward=np.array([[[2.0, 0.5]]]), terminated=np.ones((1, 2), bool), start=np.array([0])
)
"""One step: the left action is worth 2, the right one .5; the proxy has it the other way round."""
PROXY = np.array([[0.0, 1.0]])


def pressure(episodes=40_000):
    return Pressure(ONE, PROXY, np.array([[0.5, 0.5]]), episodes, seed=0)


def test_nothing_is_optimised_at_first():
    """Gold ½ · 2 + ½ · .5 = 1.25 of 2."""
    made = pressure()
    assert made.of_policy(made.reference) == pytest.approx((0, 0.5, 0.625))
    assert made.on_leash(math.inf) == pytest.approx((0, 0.5, 0.625))
    assert made.best_of(1) == pytest.approx((0, 0.5, 0.625), abs=0.01)


def test_on_a_leash_by_hand():
    """The proxy's deviation is ½, so 1 is β = ½: π(right) = σ(1 / ½) = .880797; KL = ln 2 - .365335 = .327812.

    Ten times the proxy is the same policy.
    """
    kl, proxy, gold = pressure().on_leash(1.0)
    larger = Pressure(ONE, 10 * PROXY + 3, np.array([[0.5, 0.5]]), 10, seed=0).on_leash(1.0)
    assert larger == pytest.approx((kl, 10 * proxy + 3, gold))
    assert kl == pytest.approx(0.327812, abs=1e-5)
    assert proxy == pytest.approx(0.880797, abs=1e-6)
    assert gold == pytest.approx((0.119203 * 2 + 0.880797 * 0.5) / 2, abs=1e-6)


def test_the_best_of_three_by_hand():
    """Three times left has a chance of ⅛; else right is taken: proxy ⅞, gold (⅛ · 2 + ⅞ · ½) / 2 = .34375."""
    assert pressure().best_of(3) == pytest.approx((math.log(3) - 2 / 3, 0.875, 0.34375), abs=0.01)


SLOW = TransitionTable(
    next=np.array([[0, 1], [1, 1]]), reward=np.zeros((2, 2, 2)),
    terminated=np.array([[True, False], [True, True]]), start=np.array([0]),
)  # fmt: skip
"""Left ends at once, right one step later."""


def slow(later, constant=0.0):
    reward = np.array([[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [later, later]]]) + constant
    gold = TransitionTable(SLOW.next, np.abs(reward) + 1, SLOW.terminated, SLOW.start)
    return Pressure(gold, reward, np.full((2, 2), 0.5), 20_000, seed=0)


@pytest.mark.parametrize("constant", [0.0, -3.0, 10.0])
@pytest.mark.parametrize(("later", "rate"), [(1.8, 1.0), (2.4, 1.2)])
def test_it_is_the_proxy_per_step_that_counts(later, rate, constant):
    """Left pays 1 in one step, right `later` in two: 1.8 is less a step, 2.4 is more. A constant changes nothing.

    The reference takes each half of the time: 1.5 steps, (1 + later) / 2. KL of one sure choice: ln 2, and where the
    last state is come to, none: its actions are alike.
    """
    found = slow(later, constant).on_leash(0.001)
    assert found[:2] == pytest.approx((math.log(2), rate + constant), abs=1e-6)
    begun = slow(later, constant).on_leash(math.inf)
    assert begun[:2] == pytest.approx((0, (1 + later) / 2 / 1.5 + constant))
    assert slow(later, constant).best_of(8).proxy == pytest.approx(rate + constant, abs=0.01)


def test_episodes_are_those_of_the_table():
    """Their mean return is the exact one, within five standard errors."""
    table, _ = level_table(level_spec("Empty-5x5-v0"), 1, 3)
    weights = np.random.default_rng(1).random(table.next.shape) + 0.05
    policy = weights / weights.sum(-1, keepdims=True)
    extra = np.broadcast_to(np.random.default_rng(2).normal(size=table.next.shape), table.reward.shape)
    found = sampled_returns(table, policy, [table.reward, extra], 4000, np.random.default_rng(0))
    exact = [
        policy_scores(replaced(table, reward), policy, policy, 0, 1).episode_return for reward in (table.reward, extra)
    ]
    error = found.std(-1) / math.sqrt(4000)
    assert (abs(found.mean(-1) - exact) < 5 * error).all()
    assert (error > 0).all()


def replaced(table, reward):
    return TransitionTable(table.next, reward, table.terminated, table.start)


class Sum:
    """Pays 10 times the first token and the action."""

    def reward(self, batch):
        return 10.0 * batch.obs[..., 0] + batch.action


def test_sums_forwards_are_those_backwards():
    """Against `policy_scores`, for policies that see the time and that do not."""
    table, _ = level_table(level_spec("Empty-5x5-v0"), 1, 3)
    rng = np.random.default_rng(4)
    for shape in (table.next.shape, table.reward.shape):
        weights = rng.random(shape) + 0.1, rng.random(table.next.shape) + 0.1
        policy, reference = (each / each.sum(-1, keepdims=True) for each in weights)
        scores = policy_scores(table, policy, reference, 0.0, 1.0)
        kl = kl_divergence(policy, reference)[..., None]
        found = episode_sums(table, policy, [table.reward, kl, np.ones(1)])
        assert found == pytest.approx([scores.episode_return, scores.kl_per_episode, scores.length])


def test_a_reward_is_written_out_by_state_and_action():
    found = reward_table(Sum(), torch.tensor([[1, 9], [2, 9]], dtype=torch.uint8), 3)
    np.testing.assert_array_equal(found, [[10, 11, 12], [20, 21, 22]])


@pytest.mark.parametrize(("teacher", "found"), [
    (TeacherConfig(equal=1e-6), (1 + 0 + 0.5 + 1) / 4),
    (TeacherConfig(equal=1e-6, mistake=1), (0 + 1 + 0.5 + 0) / 4),
    (TeacherConfig(equal=1e-6, skip=0.65), 1.0),  # only the last pair is worth an answer
    (TeacherConfig(skip=2.0), 0.5),
])  # fmt: skip
def test_how_often_the_teacher_prefers_ours(teacher, found):
    ours, theirs = np.array([0.6, 0.0, 0.5, 0.7]), np.array([0.0, 0.6, 0.5, 0.1])
    assert win_rate(ScriptedTeacher("t", teacher, 0), ours, theirs) == found


def test_a_table_without_a_limit_is_refused():
    table = TransitionTable(ONE.next, ONE.reward[0], ONE.terminated, ONE.start)
    with pytest.raises(ValueError, match=r"no time limit, expected rewards \[H, S, A\]"):
        Pressure(table, PROXY, np.array([[0.5, 0.5]]), 10, 0)
