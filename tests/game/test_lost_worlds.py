"""The physics of one world blows up in the middle of a round: what that costs whom, and that nobody else notices."""

import numpy as np
import pytest
import torch
from line import Act

from envs.errors import UnstablePhysicsWarning
from envs.mujoco.field import MujocoField
from envs.mujoco.worlds import world
from selfplay.environments import find_environment
from selfplay.game.config import GameConfig
from selfplay.game.rounds import Game, play_target
from selfplay.game.turn import TurnPlayer
from selfplay.methods import method_settings
from selfplay.train import build_stage

N, BROKEN, OTHERS = 6, 2, [0, 1, 3, 4, 5]


def no_number(now):
    now.qvel[BROKEN, 1] = np.nan


def out_of_the_world(now):
    """A finite state that the step itself takes beyond what is physics."""
    now.qpos[BROKEN], now.qvel[BROKEN] = [999_999.0, 0.0], [9e5, 0.0]


class Fragile(MujocoField):
    """Before the steps in `when` (counted from 1, Alice's and Bob's) `how` is done to the state of world BROKEN."""

    def __init__(self, how, *when):
        super().__init__(world("PointMaze-U-v0"), N, 0)
        self.how, self.when, self.count = how, when, 0

    def step(self, action, ids):
        self.count += 1
        if self.count in self.when:
            assert BROKEN in ids
            self.how(self.engine.moment())
        return super().step(action, ids)


class Player:
    """Pushes by what each world shows alone, number by number: who else plays changes no bit."""

    streams, memory = (None,), 0

    def __init__(self, force):
        self.force = np.float32(force)

    def act(self, obs, state=None, deterministic=False):
        moves = self.force * np.sin(obs[:, :2] + 1)
        return Act(torch.from_numpy(moves), torch.zeros(len(obs)), torch.zeros(len(obs), 1))


def play(how, *when, payoff="time"):
    field = Fragile(how, *when)
    config = GameConfig(t_max=40, payoff=payoff, payoff_scale=0.01, stop=False, alice_steps=20)
    return Game(field, Player(1), Player(-0.1), config).play()


def ends(batch):
    """Of world BROKEN: rows played, the last one's ends, and all rewards."""
    rows = int(batch.mask[:, BROKEN].sum())
    ended, cut = (bool(end[rows - 1, BROKEN]) for end in (batch.terminated, batch.truncated))
    return rows, ended, cut, batch.task_reward[:rows, BROKEN].tolist()


def check_the_others(found, expected):
    for name in ("start", "end", "desired", "alice_payoff", "bob_payoff"):
        np.testing.assert_array_equal(getattr(found, name)[OTHERS], getattr(expected, name)[OTHERS], name)
    for who in ("alice", "bob"):
        left, right = getattr(found, who), getattr(expected, who)
        length = min(len(left.mask), len(right.mask))
        assert not torch.cat([left.mask[length:], right.mask[length:]])[:, OTHERS].any()
        mask = right.mask[:length, OTHERS]
        assert torch.equal(left.mask[:length, OTHERS], mask)
        for name in ("obs", "action", "next_obs", "terminated", "truncated", "task_reward"):
            one, two = (getattr(batch, name)[:length, OTHERS][mask] for batch in (left, right))
            assert torch.equal(one, two), (who, name)
            assert torch.isfinite(getattr(left, name)[left.mask]).all()


@pytest.mark.parametrize("how", [no_number, out_of_the_world])
@pytest.mark.parametrize("payoff", ["time", "outcome", "opposed"])
def test_under_alice_there_is_no_goal_and_nobody_is_paid(how, payoff):
    with pytest.warns(UnstablePhysicsWarning, match="environment 2, step 4: q"):
        found = play(how, 4, payoff=payoff)
    expected = play(how, payoff=payoff)
    check_the_others(found, expected)
    assert found.lost == 1
    assert found.alice_turn.lost.tolist() == [n == BROKEN for n in range(N)]
    assert found.outcome.proposed.tolist() == [n != BROKEN for n in range(N)]
    assert not (found.alice_turn.stopped | found.alice_turn.died).any()
    assert ends(found.alice) == (4, False, True, [0.0] * 4)
    assert ends(expected.alice)[:3] == (20, True, False)
    assert not found.bob.mask[:, BROKEN].any()
    assert [found.alice_payoff[BROKEN], found.bob_payoff[BROKEN]] == [0, 0]


@pytest.mark.parametrize("how", [no_number, out_of_the_world])
@pytest.mark.parametrize(("payoff", "each"), [("time", -0.01), ("outcome", 0.0), ("opposed", -0.01)])
def test_under_bob_the_round_is_void(how, payoff, each):
    """Alice plays 20 steps, the fault is in Bob's second of 20: he pays for two, she gets nothing."""
    with pytest.warns(UnstablePhysicsWarning, match=r"environment 2, step 2"):
        found = play(how, 22, payoff=payoff)
    check_the_others(found, play(how, payoff=payoff))
    assert found.lost == 1
    assert found.bob_turn.lost.tolist() == [n == BROKEN for n in range(N)]
    assert found.outcome.proposed.all()
    assert found.outcome.judged.tolist() == [n != BROKEN for n in range(N)]
    assert not found.outcome.solved[BROKEN]
    rows, ended, cut, paid = ends(found.bob)
    assert (rows, ended, cut) == (2, False, True)
    np.testing.assert_allclose(paid, [each] * 2, atol=1e-8)
    assert ends(found.alice) == (20, False, True, [0.0] * 20)
    failed = found.outcome.judged & ~found.outcome.solved
    assert len(found.demonstration.action) == 20 * failed.sum() > 0  # of her ways to goals that he failed to reach


def test_an_episode_of_the_target_task_is_cut_and_not_ended():
    field = Fragile(no_number, 3)
    player = TurnPlayer(Player(1), field, field.max_steps)
    with pytest.warns(UnstablePhysicsWarning):
        turn, batch = play_target(player, field)
    assert turn.lost.tolist() == [n == BROKEN for n in range(N)]
    assert not turn.finished[BROKEN]
    assert turn.steps[BROKEN] == 3 < turn.steps.max()
    assert ends(batch) == (3, False, True, [0.0] * 3)


def test_a_run_goes_on_and_counts():
    raw = {"num_envs": "6", "game.t_max": "40", "game.target_share": "0.34", "eval_goals": "4"}
    settings = method_settings("alice-bob", raw | {"game.stop_chance": "0.001"}, "mujoco")
    players = build_stage("alice-bob", find_environment("mujoco/PointMaze-U-v0"), settings, 0, "cpu")
    usual = [players.field.step, players.target_field.step]

    def spoilt(k, field):
        def step(action, ids):
            field.engine.moment().qvel[ids[0], 0] = np.nan  # every step loses somebody, until nobody is left
            return usual[k](action, ids)

        return step

    for k, field in enumerate((players.field, players.target_field)):
        field.step = spoilt(k, field)
    with pytest.warns(UnstablePhysicsWarning):
        told = players.iterate(0.0).scalars
    assert told["rollout/unstable"] == 6  # all four of Alice's turns, both of the target task; Bob had nothing to do
    assert told["curriculum/proposed"] == 0
    assert all(np.isfinite(value) for key, value in told.items() if "explained_variance" not in key)
    for field, step in zip((players.field, players.target_field), usual, strict=True):
        field.step = step
    assert players.iterate(0.5).scalars["rollout/unstable"] == 0
