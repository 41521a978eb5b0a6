"""Learning in MuJoCo's worlds, and what the commands say of them."""

import pytest

from selfplay.environments import find_environment, full_name
from selfplay.errors import UserError
from selfplay.evaluate import load_run
from selfplay.methods import method_settings
from selfplay.train import build_stage, run_training


def test_a_pole_is_balanced():
    settings = method_settings("ppo", {"ppo.learning_rate": "0.001"}, "mujoco")
    stage = build_stage("ppo", find_environment("mujoco/InvertedPendulum-v5"), settings, 3, "cpu")
    before = stage.scores(16, 9)["task"]["return"]
    while stage.steps < 24_000:
        stage.iterate(0)
    after = stage.scores(16, 9, deterministic=True)["task"]["return"]
    assert before < 20 < 150 < after  # a step upright pays 1


def test_nothing_is_learnt_from_what_was_seen_in_raw_units():
    """A run begins with a rollout that is only looked at, and is charged for it."""
    settings = method_settings("ppo", {"num_envs": "8", "rollout_steps": "16", "ppo.minibatch_size": "64"}, "mujoco")
    stage = build_stage("ppo", find_environment("mujoco/Pusher-v5"), settings, 0, "cpu")
    learner, known, learnt = stage.learner, [], []
    act, update = learner.act, learner.update
    learner.act = lambda *given, **more: known.append(int(learner.policy.normaliser.count)) or act(*given, **more)
    learner.update = lambda batch: learnt.append(batch.obs.clone()) or update(batch)
    stage.iterate(0.0)
    assert stage.steps == 2 * 128
    assert known[:32] == [0] * 16 + [128] * 16
    assert len(learnt) == 1
    assert learner.policy.normaliser.count == 256
    stage.iterate(0.5)
    assert stage.steps == 3 * 128
    assert known[32:][-16:] == [256] * 16

    twin = build_stage("ppo", find_environment("mujoco/Pusher-v5"), settings, 0, "cpu")
    twin.load_state_dict(stage.state_dict())
    assert twin.iterate(0.5).scalars == stage.iterate(0.5).scalars
    assert not twin.learner.unseeing


def test_names_of_environments():
    assert full_name(find_environment("mujoco/Ant-v5")) == "mujoco/Ant-v5"
    assert full_name(find_environment("DoorKey-5x5-v0")) == full_name(find_environment("grid/DoorKey-5x5-v0"))
    assert full_name(find_environment("Hopper-v5")) == "mujoco/Hopper-v5"
    with pytest.raises(ValueError, match=r"unknown family of environments 'mujco'.*nearest is 'mujoco'"):
        find_environment("mujco/Ant-v5")
    with pytest.raises(ValueError, match="nearest is 'mujoco/Ant-v5'"):
        find_environment("mujoco/Art-v5")


def test_what_mujoco_worlds_do_not_have_is_one_line(tmp_path):
    def train(method, **overrides):
        run_training(method, "mujoco/Reacher-v5", steps=10, run_dir=tmp_path / "a", overrides=overrides, quiet=True)

    with pytest.raises(UserError, match=r"alice-bob has no mujoco worlds \(expected one of grid/…\)"):
        train("alice-bob")
    with pytest.raises(UserError, match="Reacher-v5 has no channel 'position', expected reads or keys = obs"):
        train("counts", **{"bonus.counts.reads": "position"})
    with pytest.raises(UserError, match="'view_size' is a setting of grid worlds, mujoco worlds have no such thing"):
        train("ppo", view_size="5")
    assert not (tmp_path / "a").exists()


def test_a_run_is_not_evaluated_in_the_other_family(tmp_path):
    small = {"num_envs": "4", "rollout_steps": "8", "eval_episodes": "0", "ppo.minibatch_size": "32"}
    run = run_training("ppo", "mujoco/Reacher-v5", steps=32, run_dir=tmp_path / "run", overrides=small, quiet=True)
    with pytest.raises(UserError, match="learnt in mujoco worlds, expected mujoco/"):
        load_run(run, "grid/DoorKey-5x5-v0")
