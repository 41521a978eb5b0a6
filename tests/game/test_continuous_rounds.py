"""Rounds in a world of continuous actions with scripted players, followed by hand. γ is .01, t_max 10."""

import numpy as np
import pytest
import torch
from line import Act
from slide import SlideField

from selfplay.game.config import GameConfig
from selfplay.game.rounds import Game

STOP = (0.0, 1.0)


class Says:
    """Plays `moves[k]` in every world: (number, 1 for STOP), or (number,)."""

    streams, memory = (None,), 0

    def __init__(self, moves):
        self.left = list(moves)

    def act(self, obs, state=None, deterministic=False):
        move = np.tile(np.float32(self.left.pop(0)), (len(obs), 1))
        return Act(torch.from_numpy(move), torch.zeros(len(obs)), torch.zeros(len(obs), 1))


def play(alice, bob, **config):
    field = SlideField(1)
    config = {"t_max": 10, "payoff_scale": 0.01, "clone": 0.0} | config
    played = Game(field, Says(alice), Says([(number,) for number in bob]), GameConfig(**config)).play()
    return played, field


def on(*numbers):
    """Alice goes on with these."""
    return [(number, 0.0) for number in numbers]


class TestTimePayoff:
    """Alice goes 2 m, 2 m, 2 m and says STOP: t_A = 3, the goal is at 6 m, Bob has 7 steps."""

    alice = (*on(1.0, 1.0, 1.0), STOP)

    def test_as_fast(self):
        played, field = play(self.alice, [1.0] * 3)
        assert (played.outcome.t_alice[0], played.outcome.t_bob[0], played.steps) == (3, 3, 6)
        np.testing.assert_allclose([played.alice_payoff[0], played.bob_payoff[0]], [0, -0.03], atol=1e-7)
        assert np.concatenate(field.given)[:, 0].tolist() == [2.0] * 6  # STOP moved nothing

    def test_half_as_fast(self):
        # 1 m a step, there after 6: R_A = .01 (6 - 3), R_B = -.01 · 6.
        played, _ = play(self.alice, [0.5] * 6)
        np.testing.assert_allclose([played.alice_payoff[0], played.bob_payoff[0]], [0.03, -0.06], atol=1e-7)

    def test_within_the_tolerance(self):
        # 1.92 m a step: at 5.76 m after 3, .24 m away.
        played, _ = play(self.alice, [0.96] * 3)
        assert played.outcome.solved[0]
        assert played.outcome.t_bob[0] == 3

    def test_never(self):
        # t_B counts as 10 - 3: R_A = .01 (7 - 3), R_B = -.07, spread over his seven steps.
        played, _ = play(self.alice, [0.0] * 7)
        np.testing.assert_allclose([played.alice_payoff[0], played.bob_payoff[0]], [0.04, -0.07], atol=1e-7)
        np.testing.assert_allclose(played.bob.task_reward.numpy()[:, 0], [-0.01] * 7, atol=1e-7)

    def test_outcome_payoff(self):
        played, _ = play(self.alice, [0.0] * 7, payoff="outcome", payoff_scale=1.0)
        assert (played.alice_payoff[0], played.bob_payoff[0]) == (1, -1)


def test_reverse_brings_bob_back():
    played, _ = play([*on(1.0, 1.0), STOP], [-1.0, -1.0], mode="reverse")
    assert played.outcome.solved[0]
    assert played.outcome.t_bob[0] == 2
    assert played.before_bob[0] == 4.0
    assert played.desired[0, 0] == 0.0


def test_a_goal_within_the_tolerance_of_the_start_is_trivial():
    played, _ = play([*on(0.1), STOP], [])
    assert played.outcome.trivial[0]


def test_stop_at_once_is_no_step():
    played, field = play([STOP], [])
    assert played.steps == 0
    assert field.given == []
    assert played.outcome.trivial[0]


def test_without_stop_nobody_is_paid():
    played, _ = play(on(*[0.5] * 10), [])
    assert not played.outcome.proposed[0]
    assert played.alice_payoff[0] == played.bob_payoff[0] == 0


def test_a_turn_of_fixed_length_has_no_stop_to_say():
    played, _ = play([(1.0,)] * 5, [1.0] * 5, stop=False)
    assert played.outcome.t_alice[0] == 5
    assert played.outcome.solved[0]
    assert played.alice.action.shape == (5, 1, 1)


def test_what_is_said_beyond_the_bounds_is_given_and_shown_as_the_bound():
    played, field = play([*on(7.0, -0.25, 7.0), STOP], [0.0] * 7, clone=0.5)
    assert np.concatenate(field.given)[:3, 0].tolist() == [2.0, -0.5, 2.0]
    np.testing.assert_allclose(played.alice.action.numpy()[:3, 0, 0], [7.0, -0.25, 7.0])  # what she is judged by
    np.testing.assert_allclose(played.demonstration.action, [[1.0], [-0.25], [1.0]])  # in the units of Bob's policy
    np.testing.assert_allclose(played.demonstration.obs, [[0.0, 3.5], [2.0, 3.5], [1.5, 3.5]])
    assert played.demonstration.weight == 0.5


@pytest.mark.parametrize("stop", [True, False])
def test_masks_and_ends(stop):
    alice = [*on(1.0, 1.0), STOP] if stop else [(1.0,)] * 2
    played, _ = play(alice, [1.0] * 2, stop=stop, alice_steps=2 if not stop else None)
    assert played.alice.mask[:, 0].tolist() == [True] * len(alice)
    assert played.alice.terminated[:, 0].tolist() == [False] * (len(alice) - 1) + [True]
    assert played.bob.mask.sum() == 2
