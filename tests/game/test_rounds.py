"""Rounds of the game with scripted players on a line, followed by hand."""

import numpy as np
import pytest
from line import LEFT, RIGHT, STOP, LineField, Rememberer, Script, towards_goal

from selfplay.game.config import GameConfig
from selfplay.game.rounds import Game, play_target, spread
from selfplay.game.turn import TurnPlayer


def play(alice, bob, n=1, start=4, **config):
    field = LineField(n, start)
    config.setdefault("t_max", 10)
    alice, bob = Script(alice), Script(bob)
    return Game(field, alice, bob, GameConfig(**config)).play(), alice, bob


def test_repeat_bob_starts_where_alice_did_and_sees_her_end():
    # Alice 4 → 5 → 6 → 5 → STOP: t_A = 3, goal 5. Bob needs one step from 4: t_B = 1, R_A = 0, R_B = −.1.
    played, _, bob = play([RIGHT, RIGHT, LEFT, STOP], towards_goal)
    np.testing.assert_array_equal(bob.seen[0], [[1 + 4, 1 + 5]])
    assert played.outcome.t_alice[0] == 3
    assert played.outcome.t_bob[0] == 1
    assert played.outcome.solved[0]
    np.testing.assert_allclose([played.alice_payoff[0], played.bob_payoff[0]], [0, -0.1], atol=1e-7)
    assert played.steps == 4


def test_reverse_bob_starts_at_her_end_and_must_return():
    played, _, bob = play([RIGHT, RIGHT, STOP], towards_goal, mode="reverse")
    np.testing.assert_array_equal(bob.seen[0], [[1 + 6, 1 + 4]])
    assert played.outcome.t_bob[0] == 2
    assert played.outcome.solved[0]


def test_alice_sees_her_start():
    _, alice, _ = play([RIGHT, RIGHT, STOP], towards_goal)
    np.testing.assert_array_equal(np.concatenate(alice.seen)[:, 1], [1 + 4] * 3)


def test_trivial_goal_is_noticed_before_bobs_first_action():
    played, _, bob = play([RIGHT, LEFT, STOP], towards_goal)
    assert played.outcome.trivial[0]
    assert bob.seen == []
    assert played.alice_payoff[0] == played.bob_payoff[0] == 0
    assert not played.bob.mask.any()


def test_bob_has_what_alice_left_of_t_max():
    # t_A = 3 of t_max = 10; a Bob who paces between 3 and 4 fails after 7 steps: R_A = .1·(7 − 3), R_B = −.7.
    played, _, _ = play([RIGHT, RIGHT, RIGHT, STOP], [LEFT, RIGHT] * 5)
    assert played.outcome.t_bob[0] == 7
    assert not played.outcome.solved[0]
    np.testing.assert_allclose([played.alice_payoff[0], played.bob_payoff[0]], [0.4, -0.7], atol=1e-6)


def test_no_stop_pays_nobody_and_bob_does_not_play():
    played, _, bob = play([RIGHT, LEFT] * 5, towards_goal)
    assert not played.outcome.proposed[0]
    assert played.outcome.t_alice[0] == 10
    assert bob.seen == []
    assert played.alice_payoff[0] == played.bob_payoff[0] == 0


def test_dead_alice_proposes_nothing():
    played, _, bob = play([LEFT] * 4, towards_goal)
    assert played.alice_turn.died[0]
    assert not played.outcome.proposed[0]
    assert bob.seen == []


def test_dead_bob_fails_and_is_charged_the_limit():
    played, _, _ = play([RIGHT, STOP], [LEFT] * 9)
    assert played.bob_turn.died[0]
    assert played.outcome.t_bob[0] == 4
    np.testing.assert_allclose(played.bob_payoff[0], -0.9, atol=1e-6)
    np.testing.assert_allclose(played.bob.task_reward.numpy()[:, 0].sum(), -0.9, atol=1e-6)


def test_the_tasks_success_does_not_end_a_turn_of_the_game():
    # From 8: over the task's goal at 9 and back to 8 is t_A = 2, and 8 is where Bob starts: trivial.
    played, _, _ = play([RIGHT, LEFT, STOP], towards_goal, start=8)
    assert played.outcome.t_alice[0] == 2
    assert played.outcome.trivial[0]


def test_fixed_length_alice_needs_no_stop():
    played, _, _ = play([RIGHT] * 3, towards_goal, stop=False, alice_steps=3)
    assert played.outcome.proposed[0]
    assert played.outcome.t_alice[0] == 3
    assert played.outcome.solved[0]


def test_worlds_end_at_their_own_time_and_masks_say_so():
    # World 0 stops at once, world 1 after one step, world 2 after two.
    def alice(obs, k):
        return np.where(obs[:, 0] - obs[:, 1] >= alice.far[: len(obs)], STOP, RIGHT)

    alice.far = np.array([0, 1, 2])

    def choose(obs, k):
        far = alice.far[-len(obs) :]
        return np.where(obs[:, 0].astype(int) - obs[:, 1] >= far, STOP, RIGHT)

    played, _, _ = play(choose, towards_goal, n=3)
    np.testing.assert_array_equal(played.outcome.t_alice, [0, 1, 2])
    np.testing.assert_array_equal(played.alice.mask.numpy(), [[1, 1, 1], [0, 1, 1], [0, 0, 1]])
    np.testing.assert_array_equal(played.alice.terminated.numpy(), np.eye(3))
    np.testing.assert_array_equal(played.bob.mask.numpy(), [[0, 1, 1], [0, 0, 1]])
    np.testing.assert_array_equal(played.outcome.trivial, [True, False, False])


def test_spread_keeps_the_sum():
    played, _, _ = play([RIGHT, RIGHT, RIGHT, STOP], [LEFT, RIGHT] * 5)
    reward = spread(played.bob_turn, np.array([-0.7]), running=-0.1)
    np.testing.assert_allclose(reward[:, 0], [-0.1] * 7, atol=1e-6)
    reward = spread(played.bob_turn, np.array([1.0]))
    np.testing.assert_allclose(reward[:, 0], [0] * 6 + [1], atol=1e-6)


def test_target_episode_has_an_empty_goal_and_the_tasks_reward():
    field, bob = LineField(2), Script([RIGHT] * 5)
    turn, batch = play_target(TurnPlayer(bob, field, field.max_steps), field)
    np.testing.assert_array_equal(bob.seen[0][:, 1], [0, 0])
    assert turn.finished.all()
    np.testing.assert_allclose(batch.task_reward.sum(0).numpy(), [1 - 0.9 * 5 / 20] * 2, atol=1e-6)
    assert batch.terminated[-1].all()


def test_a_target_episode_that_ends_at_the_wrong_place_is_over_and_no_success():
    class TwoEnds(LineField):
        """Cell 0 is no lava but the wrong end, as in MiniGrid's Memory: the episode is over and pays nothing."""

        def step(self, action, ids):
            *outcome, dead, lost = super().step(action, ids)
            return *outcome, dead & False, lost

    # World 0 goes left from 4 to 0, world 1 right from 4 to 9.
    field, bob = TwoEnds(2), Script(lambda obs, k: np.array([LEFT, RIGHT])[-len(obs) :])
    turn, batch = play_target(TurnPlayer(bob, field, field.max_steps), field)
    np.testing.assert_array_equal(turn.finished, [False, True])
    np.testing.assert_array_equal(turn.steps, [4, 5])
    assert not turn.died.any()
    assert batch.terminated[[3, 4], [0, 1]].all()


def test_a_player_remembers_from_step_to_step_and_begins_each_turn_with_nothing():
    # World 0 goes left from 4 to the lava at 0, world 1 right to the goal at 9; cells are seen counted from 1.
    field, bob = LineField(2), Rememberer(lambda obs, k: np.array([LEFT, RIGHT])[-len(obs) :])
    player = TurnPlayer(bob, field, field.max_steps)
    for _ in range(2):
        bob.k = 0
        turn, batch = play_target(player, field)
        np.testing.assert_array_equal(turn.state[:4, 0, 0], [0, 5, 5 + 4, 5 + 4 + 3])
        np.testing.assert_array_equal(turn.state[:5, 1, 0], [0, 5, 5 + 6, 5 + 6 + 7, 5 + 6 + 7 + 8])
        np.testing.assert_array_equal(batch.state.numpy()[:4], turn.state[:4])
        field.generate(np.arange(2))


def test_target_episode_cut_by_the_time_limit_is_truncated_not_terminated():
    field, bob = LineField(1), Script([RIGHT, LEFT] * 10)
    turn, batch = play_target(TurnPlayer(bob, field, field.max_steps), field)
    assert turn.truncated[0]
    assert batch.truncated[-1, 0]
    assert not batch.terminated.any()


def test_the_tasks_time_limit_does_not_end_a_turn_of_the_game():
    # The task is over after 20 steps; Alice may pace for 30 and still hand over.
    played, _, _ = play([RIGHT, LEFT] * 15 + [STOP], towards_goal, t_max=60)
    assert played.outcome.t_alice[0] == 30
    assert played.outcome.proposed[0]


def test_alices_way_to_a_missed_goal_is_shown_as_bob_would_have_seen_it():
    # Alice 4 → 5 → 6 → 7 → STOP; Bob paces and fails. Shown: cells 4, 5, 6 with goal 7, and RIGHT in each.
    played, _, _ = play([RIGHT, RIGHT, RIGHT, STOP], [LEFT, RIGHT] * 5, clone=0.5)
    np.testing.assert_array_equal(played.demonstration.obs, [[5, 8], [6, 8], [7, 8]])
    np.testing.assert_array_equal(played.demonstration.action, [RIGHT] * 3)
    assert played.demonstration.weight == 0.5


def test_a_goal_bob_reached_is_not_shown():
    played, _, _ = play([RIGHT, RIGHT, RIGHT, STOP], towards_goal, clone=0.5)
    assert played.demonstration is None


def test_cloning_is_for_repeat_mode():
    with pytest.raises(ValueError, match=r"game\.clone"):
        play([STOP], towards_goal, clone=0.5, mode="reverse")


def test_reaching_the_tasks_goal_after_its_time_limit_is_no_death():
    # 24 steps of pacing, then 5 to the goal: the task would pay 1 - .9 · 29 / 20 < 0, and Alice is alive.
    played, _, _ = play([RIGHT, LEFT] * 12 + [RIGHT] * 5 + [STOP], towards_goal, t_max=60)
    assert not played.alice_turn.died[0]
    assert played.outcome.proposed[0]
    assert played.outcome.solved[0]
