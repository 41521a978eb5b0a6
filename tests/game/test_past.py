"""Past Alices: who is remembered, that they play, and that they leave no trace."""

import gymnasium
import numpy as np
import pytest
import torch

from selfplay.core.config import PPOConfig
from selfplay.core.learner import Learner
from selfplay.core.streams import Stream
from selfplay.environments import find_environment
from selfplay.game.past import POOL, Past
from selfplay.methods import method_settings
from selfplay.rewards.task import TaskReward
from selfplay.train import build_stage

SMALL = {
    "num_envs": "12", "game.t_max": "30", "game.past_share": "0.25", "alice.minibatch_size": "64",
    "bob.minibatch_size": "64", "eval_goals": "4",
}  # fmt: skip


def player():
    seen, moves = gymnasium.spaces.Box(-1, 1, (2,)), gymnasium.spaces.Box(-1, 1, (1,))
    return Learner(seen, moves, PPOConfig(hidden=(4,)), [Stream(TaskReward())], seed=0)


def marked(learner, mark):
    with torch.no_grad():
        learner.policy.log_std.fill_(mark)


def remembered(past):
    return [round(one["log_std"][0].item()) for one in past._pool]


def test_each_is_as_likely_to_be_remembered():
    counts, learner = np.zeros(60), player()
    for seed in range(120):
        marked(learner, 0)
        past = Past(learner, seed)
        for mark in range(1, 60):
            marked(learner, mark)
            past.keep()
        assert len(set(remembered(past))) == POOL
        counts[remembered(past)] += 1
    share = POOL / 60
    assert abs(counts / 120 - share).max() < 4.5 * np.sqrt(share * (1 - share) / 120)


def test_a_past_policy_acts_and_the_present_one_is_left_alone():
    learner = player()
    past = Past(learner, 0)
    before = learner.act(torch.zeros(1, 2), deterministic=True).action
    with torch.no_grad():
        learner.policy.policy_head.bias.fill_(3.0)
    now = {name: tensor.clone() for name, tensor in learner.policy.state_dict().items()}
    assert torch.equal(past.draw().act(torch.zeros(1, 2), deterministic=True).action, before)
    assert not torch.equal(learner.act(torch.zeros(1, 2), deterministic=True).action, before)
    for name, tensor in learner.policy.state_dict().items():
        assert torch.equal(tensor, now[name]), name


def test_a_pool_that_was_saved_goes_on_as_it_would_have():
    learner, other = player(), player()
    past = Past(learner, 0)
    for mark in range(1, 30):
        marked(learner, mark)
        past.keep()
    twin = Past(other, 5)
    twin.load_state_dict(past.state_dict())
    for mark in range(30, 60):
        for one, whose in ((past, learner), (twin, other)):
            marked(whose, mark)
            one.keep()
    assert remembered(past) == remembered(twin)
    acting = []
    for one in (past, twin):
        rival = one.draw()
        acting.append((rival.policy.log_std.tolist(), rival.act(torch.zeros(3, 2)).action.tolist()))
    assert acting[0] == acting[1]


@pytest.mark.parametrize("env", ["grid/Empty-5x5-v0", "mujoco/PointMaze-Open-v0"])
def test_alice_learns_only_from_what_she_played(env):
    family = env.partition("/")[0]
    stage = build_stage("alice-bob", find_environment(env), method_settings("alice-bob", SMALL, family), 0, "cpu")
    marks = []

    def marking(learner):
        act = learner.act

        def acts(obs, *args, **options):
            marks.append((len(obs), learner.policy.policy_head.bias[0].item()))
            return act(obs, *args, **options)

        return acts

    with torch.no_grad():
        stage.alice.policy.policy_head.bias[0] += 0.25  # from here on the present one differs from the pool's
    for learner in (stage.alice, stage._past.draw()):
        learner.act = marking(learner)
    played = stage.game.play()
    assert not played.alice.mask[:, 9:].any()
    assert played.alice.mask[0, :9].all()
    assert (played.alice_turn.decisions > 0).all()
    assert played.outcome.proposed[9:].any()
    present, past = ({size for size, mark in marks if (mark > 0.2) == own} for own in (True, False))
    assert max(present) == 9
    assert max(past) == 3
    assert played.steps == played.outcome.t_alice.sum() + played.outcome.t_bob.sum()


@pytest.mark.parametrize("env", ["grid/Empty-5x5-v0", "mujoco/PointMaze-Open-v0"])
def test_what_is_told_of_alice_and_her_goals_is_of_the_present_one(env):
    """The present Alice never says STOP and the past one does at once: nothing is proposed, nothing was trivial."""
    family = env.partition("/")[0]
    stage = build_stage("alice-bob", find_environment(env), method_settings("alice-bob", SMALL, family), 0, "cpu")
    stop = len(stage.alice.policy.policy_head.bias) - 1 if family == "grid" else 2
    with torch.no_grad():
        stage._past._pool[0]["policy_head.bias"][stop] = 50.0
        stage.alice.policy.policy_head.bias[stop] = -50.0
    played = []
    play = stage.game.play
    stage.game.play = lambda: played.append(play()) or played[-1]
    report = stage.iterate(0.0)
    outcome = played[0].outcome
    assert outcome.proposed.tolist() == [False] * 9 + [True] * 3
    assert outcome.trivial[9:].all()
    told = report.scalars
    assert (told["alice/t_A"], told["alice/not_stopped"], told["curriculum/proposed"]) == (30, 1, 0)
    assert not {"curriculum/trivial", "curriculum/solved", "curriculum/difficulty_q50"} & told.keys()
    assert told["alarm/alice_silent"] == 1
    assert told["bob/t_B"] == 0  # he plays with the past ones as well
    assert report.proposals == []


def test_a_share_that_leaves_nobody_is_refused():
    settings = method_settings("alice-bob", SMALL | {"game.past_share": "0.01"})
    with pytest.raises(Exception, match=r"game\.past_share: 0\.01 of 12 worlds leaves 0 for past Alices"):
        build_stage("alice-bob", find_environment("grid/Empty-5x5-v0"), settings, 0, "cpu")
