"""The payoffs of a round against the papers' formulas, worked by hand."""

import numpy as np
import pytest

from selfplay.game.payoffs import Outcome, opposed_payoff, outcome_payoff, time_payoff


def outcome(t_alice, proposed, solved, t_bob, bob_limit, lost=None):
    lost = [False] * len(t_alice) if lost is None else lost
    return Outcome(*map(np.array, (t_alice, proposed, solved, t_bob, bob_limit, lost)))


# t_max = 10. World by world:
#   0: t_A = 3, solved in 5            R_A = .1·(5 − 3) = .2      R_B = −.5
#   1: t_A = 4, solved in 2            R_A = .1·max(0, −2) = 0    R_B = −.2
#   2: t_A = 3, failed, t_B := 10 − 3  R_A = .1·(7 − 3) = .4      R_B = −.7
#   3: t_A = 6, failed, t_B := 10 − 6  R_A = .1·max(0, −2) = 0    R_B = −.4
#   4: never said STOP                 R_A = 0                    R_B = 0
#   5: t_A = 2, trivial (t_B = 0)      R_A = 0                    R_B = 0
ROUND = outcome(
    [3, 4, 3, 6, 10, 2],
    [True, True, True, True, False, True],
    [True, True, False, False, False, True],
    [5, 2, 7, 4, 0, 0],
    [7, 6, 7, 4, 0, 8],
)


def test_time_payoff_worked():
    alice, bob = time_payoff(ROUND, scale=0.1)
    np.testing.assert_allclose(alice, [0.2, 0, 0.4, 0, 0, 0], atol=1e-7)
    np.testing.assert_allclose(bob, [-0.5, -0.2, -0.7, -0.4, 0, 0], atol=1e-7)


def test_bob_who_dies_early_is_charged_the_whole_limit():
    alice, bob = time_payoff(outcome([3], [True], [False], [1], [7]), scale=0.1)
    np.testing.assert_allclose([alice[0], bob[0]], [0.4, -0.7], atol=1e-7)


def test_outcome_payoff_worked():
    alice, bob = outcome_payoff(ROUND, scale=1.0)
    np.testing.assert_array_equal(alice, [-1, -1, 1, 1, 0, -1])
    np.testing.assert_array_equal(bob, -alice)


def test_opposed_payoff_worked():
    """What Bob pays for his time, Alice gets; a failure is charged what was left."""
    alice, bob = opposed_payoff(ROUND, scale=0.1)
    np.testing.assert_allclose(bob, [-0.5, -0.2, -0.7, -0.4, 0, 0], atol=1e-7)
    np.testing.assert_array_equal(alice, -bob)


@pytest.mark.parametrize(("payoff", "bob"), [(time_payoff, -0.2), (opposed_payoff, -0.2), (outcome_payoff, 0.0)])
def test_a_bob_whose_world_broke_down_is_judged_by_neither_success_nor_failure(payoff, bob):
    """After 2 of his 7 steps; a Bob who failed there had been charged 7, and Alice paid for that."""
    void = outcome([3], [True], [False], [2], [7], [True])
    assert [void.judged[0], void.trivial[0]] == [False, False]
    np.testing.assert_allclose([part[0] for part in payoff(void, 0.1)], [0, bob], atol=1e-7)


def test_trivial_needs_a_proposal_and_no_step():
    np.testing.assert_array_equal(ROUND.trivial, [False, False, False, False, False, True])


@pytest.mark.parametrize("scale", [0.01, 0.033, 0.1])
def test_both_optimal_pays_alice_nothing(scale):
    """§2.2 of arXiv 1703.05407: a fastest Bob needs at most Alice's steps, whatever she did."""
    rng = np.random.default_rng(0)
    t_alice = rng.integers(0, 40, 1000)
    t_bob = rng.integers(0, t_alice + 1)
    fastest = outcome(t_alice, np.ones(1000, bool), np.ones(1000, bool), t_bob, 80 - t_alice)
    assert time_payoff(fastest, scale)[0].max() == 0
