"""The losses on preferences: by hand, and against policies that are known in closed form."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from envs.grid.engine import GridEngine
from envs.grid.levels import level_spec
from envs.grid.tabular import TransitionTable, tabulate
from selfplay.imitation.preference_loss import cpl_scores, dpo_scores, preference_loss
from selfplay.measures.soft_optimum import policy_scores, soft_optimum

HORIZON = 5


def test_dpo_by_hand():
    """β .5; left: log π (-1, -2), log π_ref (-2, -2.5), so .5 · 1.5 = .75; right: (-3, outside), (-1, ·): .5 · -2 = -1.

    -log σ(.75 + 1) = log(1 + e^-1.75) = .160224; turned round 1.910224; half and half 1.035224.
    """
    log_prob, reference = torch.tensor([[-1.0, -3.0], [-2.0, -9.0]]), torch.tensor([[-2.0, -1.0], [-2.5, -7.0]])
    mask = torch.tensor([[True, True], [True, False]])
    scores = dpo_scores(log_prob, reference, mask, 0.5)
    torch.testing.assert_close(scores, torch.tensor([0.75, -1.0]))
    losses = preference_loss(scores[:1].expand(3), scores[1:].expand(3), torch.tensor([1.0, 0.0, 0.5]))
    torch.testing.assert_close(losses, torch.tensor([0.160224, 1.910224, 1.035224]), atol=1e-6, rtol=0)


def test_cpl_by_hand():
    """α .1, γ .5: .1 · (-1 - ½ · 2) = -.2 and .1 · -4 = -.4. λ .5: left is better at -log σ(-.2 + .2) = log 2, the
    right one at -log σ(-.4 + .1) = log(1 + e^.3) = .854355. At λ 1: log(1 + e^-.2) = .598139, and .2 more.
    """
    log_prob, mask = torch.tensor([[-1.0, -4.0], [-2.0, -50.0]]), torch.tensor([[True, True], [True, False]])
    left, right = cpl_scores(log_prob, mask, 0.1, 0.5)[:, None]
    torch.testing.assert_close(torch.cat([left, right]), torch.tensor([-0.2, -0.4]))
    for bias, target, loss in (
        (0.5, 1.0, math.log(2)),
        (0.5, 0.0, 0.854355),
        (1.0, 1.0, 0.598139),
        (1.0, 0.0, 0.798139),
    ):
        found = preference_loss(left, right, torch.tensor([target]), bias)
        torch.testing.assert_close(found, torch.tensor([loss]), atol=1e-6, rtol=0)


def small_grid(seed=0):
    """A level of Empty-5x5 with the three actions that move, H steps of it, and a reward of each step's own."""
    engine = GridEngine(level_spec("Empty-5x5-v0"), 1)
    engine.seed(seed)
    engine.generate()
    table, _ = tabulate(engine.spec, engine.state.take(slice(None)), limited=False)
    moves = slice(0, 3)
    reward = table.reward[:, moves] + np.random.default_rng(1).normal(0, 0.5, (len(table.next), 3))
    return TransitionTable(
        table.next[:, moves], np.broadcast_to(reward, (HORIZON, *reward.shape)), table.terminated[:, moves], table.start
    )


def every_way(table, start):
    """All ways to go on from a state for H steps or to an end: states, actions, mask [H, M] and returns [M]."""
    rows = []
    for actions in itertools.product(range(table.next.shape[1]), repeat=HORIZON):
        state, seen, total = start, [], 0.0
        for t, action in enumerate(actions):
            seen.append((state, action))
            total += table.reward[t, state, action]
            if table.terminated[state, action]:
                break
            state = table.next[state, action]
        rows.append((tuple(seen), total))
    rows = list(dict(rows).items())
    states, actions, mask = (np.zeros((HORIZON, len(rows)), int) for _ in range(3))
    for m, (seen, _) in enumerate(rows):
        states[: len(seen), m], actions[: len(seen), m] = np.array(seen).T
        mask[: len(seen), m] = 1
    return (
        torch.from_numpy(states),
        torch.from_numpy(actions),
        torch.from_numpy(mask > 0),
        torch.tensor([total for _, total in rows], dtype=torch.float64),
    )


def minimised(loss, *shape):
    """The logits of that shape that a loss is least at, from zeros."""
    logits = torch.zeros(*shape, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS(
        [logits],
        max_iter=3000,
        tolerance_grad=1e-11,
        tolerance_change=0,
        history_size=30,
        line_search_fn="strong_wolfe",
    )

    def step():
        search.zero_grad()
        value = loss(logits)
        value.backward()
        return value

    search.step(step)
    return logits.detach()


def expected(scores, returns):
    """The mean loss over all pairs, each answered with Bradley and Terry's own chances."""
    one, other = torch.triu_indices(len(returns), len(returns), 1)
    return preference_loss(scores[one], scores[other], torch.sigmoid(returns[one] - returns[other])).mean()


def lopsided(*shape):
    weights = np.random.default_rng(2).random(shape) + 0.2
    return weights / weights.sum(-1, keepdims=True)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_the_optimum_of_dpo_is_the_soft_optimal_policy(beta):
    """Over all ways to go on from one state, π(τ) = π_ref(τ) exp(R(τ) / β) / Z: twice, by summing and by tables."""
    table = small_grid()
    reference = lopsided(*table.next.shape)
    states, actions, mask, returns = every_way(table, table.start[0])
    time = torch.arange(HORIZON)[:, None].expand_as(states)
    log_reference = torch.from_numpy(np.log(reference))[states, actions]

    def scores(logits):
        return dpo_scores(torch.log_softmax(logits, -1)[time, states, actions], log_reference, mask, beta)

    logits = minimised(lambda logits: expected(scores(logits), returns), *table.reward.shape)
    probability = (scores(logits) / beta + torch.where(mask, log_reference, 0.0).sum(0)).exp()
    boltzmann = torch.softmax(torch.where(mask, log_reference, 0.0).sum(0) + returns / beta, 0)
    torch.testing.assert_close(probability, boltzmann, atol=1e-5, rtol=1e-3)

    best = soft_optimum(table, reference, beta, 1.0)
    learnt = torch.softmax(logits, -1).numpy()
    met = np.zeros(table.reward.shape[:2], bool)
    met[time[mask], states[mask]] = True
    assert np.abs(learnt - best.policy)[met].max() < 1e-3
    found = policy_scores(table, np.where(met[..., None], learnt, best.policy), reference, beta, 1.0)
    assert found.objective == pytest.approx(best.objective, abs=1e-6)
    assert best.objective - policy_scores(table, reference, reference, beta, 1.0).objective > 0.05


def test_dpo_over_different_starts_is_something_else_and_cpl_is_not():
    """Segments of one step from everywhere, of a world without a limit. CPL finds π* = exp(A* / α), DPO not π*.

    The soft optimum to an even reference is that of maximum entropy: α log π* is A* up to α log 3, the same everywhere.
    """
    table, alpha, gamma = small_grid(), 0.7, 0.9
    table = TransitionTable(table.next, table.reward[0], table.terminated, table.start)
    even = np.full(table.next.shape, 1 / 3)
    best = soft_optimum(table, even, alpha, gamma)
    count = len(table.next)
    states, actions = (torch.from_numpy(grid.reshape(1, -1)) for grid in np.indices((count, 3)))
    mask = torch.ones_like(states, dtype=torch.bool)
    advantage = alpha * torch.from_numpy(np.log(best.policy))[states[0], actions[0]]

    def log_prob(logits):
        return torch.log_softmax(logits, -1)[states, actions]

    def distance(logits):
        return np.abs(torch.softmax(logits, -1).numpy() - best.policy).max()

    cpl = minimised(lambda x: expected(cpl_scores(log_prob(x), mask, alpha, gamma), advantage), count, 3)
    assert distance(cpl) < 1e-3
    lookahead = torch.from_numpy(table.reward + gamma * np.where(table.terminated, 0, best.value[table.next])).flatten()
    reference = torch.full(states.shape, math.log(1 / 3), dtype=torch.float64)
    dpo = minimised(lambda x: expected(dpo_scores(log_prob(x), reference, mask, alpha), lookahead), count, 3)
    assert distance(dpo) > 0.02


def test_ties_pull_both_ways():
    """At equal scores a tie has no gradient; F.binary_cross_entropy says the same of every target at λ = 1."""
    left, right, target = torch.tensor([0.3, -1.0]), torch.tensor([0.3, 2.0]), torch.tensor([0.5, 0.2])
    found = preference_loss(left, right, target)
    torch.testing.assert_close(found, F.binary_cross_entropy(torch.sigmoid(left - right), target, reduction="none"))
