"""Stages whose players have a memory: they train, are scored and drawn, and go on where they stopped."""

import copy

import numpy as np
import pytest

from envs.grid.levels import level_spec
from selfplay.errors import UserError
from selfplay.methods import method_settings
from selfplay.train import build_stage, run_training

SMALL = {
    "ppo": {
        "num_envs": "16", "rollout_steps": "12", "eval_episodes": "8", "ppo.minibatch_size": "64",
        "ppo.memory": "gru", "ppo.sequence": "5",
    },
    "alice-bob": {
        "num_envs": "16", "eval_goals": "8", "proposals": "4", "game.t_max": "12", "game.target_share": "0.25",
        "game.clone": "0", "alice.minibatch_size": "64", "bob.minibatch_size": "64", "alice.memory": "gru",
        "bob.memory": "gru",
    },
}  # fmt: skip


def make(method):
    return build_stage(method, level_spec("DoorKey-5x5-v0"), method_settings(method, SMALL[method]), 3, "cpu")


def learners(stage):
    return [getattr(stage, name) for name in ("learner", "alice", "bob") if hasattr(stage, name)]


@pytest.mark.parametrize("method", SMALL)
def test_a_stage_goes_on_from_its_state_bit_by_bit(method):
    unbroken, resumed = make(method), make(method)
    before = [learner.policy.gru.weight_hh.detach().clone() for learner in learners(unbroken)]
    for _ in range(3):
        unbroken.iterate(0.0)
    resumed.load_state_dict(copy.deepcopy(unbroken.state_dict()))
    for _ in range(2):
        assert unbroken.iterate(0.5).scalars == pytest.approx(resumed.iterate(0.5).scalars, abs=0, rel=0, nan_ok=True)
    one, other = unbroken.state_dict(), resumed.state_dict()
    assert one.keys() == other.keys()
    for key, value in one.items():
        np.testing.assert_array_equal(value, other[key], err_msg=key)
    for weight, learner in zip(before, learners(unbroken), strict=True):
        assert learner.memory == 64
        assert (learner.policy.gru.weight_hh != weight).any()


@pytest.mark.parametrize("method", SMALL)
def test_scores_and_pictures_leave_the_training_alone(method):
    quiet, watched = make(method), make(method)
    for stage in (quiet, watched):
        stage.iterate(0.0)
    assert watched.evaluate()
    assert watched.pictures()
    assert 0 <= watched.scores(8, 5)["task"]["success"] <= 1
    for stage in (quiet, watched):
        stage.iterate(0.0)
    expected, found = quiet.state_dict(), watched.state_dict()
    for key, value in expected.items():
        np.testing.assert_array_equal(value, found[key], err_msg=key)


def test_cloning_with_a_memory_is_refused_in_one_line(tmp_path):
    with pytest.raises(UserError, match=r'bob.memory: "gru" cannot clone single steps; set game.clone=0, or bob.mem'):
        run_training("alice-bob", "grid/Empty-5x5-v0", steps=1, run_dir=tmp_path, overrides={"bob.memory": "gru"})
