"""A run goes on where the physics of one world blows up."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from envs.errors import UnstablePhysicsWarning
from envs.mujoco.engine import MujocoEngine
from selfplay.cli import main
from selfplay.environments import find_environment
from selfplay.methods import method_settings
from selfplay.train import build_stage

SMALL = {"num_envs": "4", "rollout_steps": "16", "ppo.minibatch_size": "32", "ppo.epochs": "2", "eval_episodes": "0"}


def stage_of(method, env):
    raw = SMALL | {"ppo.normalise_obs": "false"}  # else everybody's actions depend on what everybody saw
    return build_stage(method, find_environment(env), method_settings(method, raw, "mujoco"), 0, "cpu")


@pytest.fixture
def spoil(monkeypatch):
    """Say how MujocoEngine's steps with these numbers go wrong: in environment 2 a velocity becomes NaN before."""
    usual, count = MujocoEngine.absurd, [0]

    def begin(engine, *steps):
        def absurd(self, ids=None):
            if self is engine or (engine is None and self.num_envs == 4):  # not those that pictures are drawn of
                count[0] += 1
                if count[0] in steps:
                    self.moment().qvel[2, 1] = np.nan
            return usual(self, ids)

        monkeypatch.setattr(MujocoEngine, "absurd", absurd)

    return begin


@pytest.mark.parametrize("env", ["Hopper-v5", "PointMaze-U-v0"])
def test_the_others_play_as_if_nothing_had_been(env, spoil):
    plain, spoilt = stage_of("icm", env), stage_of("icm", env)
    spoil(spoilt.world.env.engine, 1 + 3 * 5, 1 + 3 * 9)  # absurd is asked for three times a step: steps 6 and 10
    with pytest.warns(UnstablePhysicsWarning, match=r"environment 2, step \d+: qvel\[1\] \(joint \w+\) is NaN"):
        told = spoilt.iterate(0.0).scalars
    expected = plain.iterate(0.0).scalars
    assert (told["rollout/unstable"], expected["rollout/unstable"]) == (2, 0)
    others = [0, 1, 3]
    for name in ("rows", "next_rows", "action", "terminated", "truncated"):
        left, right = (getattr(stage.rollout, name)[:, others].numpy() for stage in (spoilt, plain))
        np.testing.assert_array_equal(left, right)
    assert spoilt.rollout.truncated[:, 2].nonzero().flatten().tolist() == [5, 9]
    assert np.isfinite(spoilt.rollout.next_rows.numpy()).all()
    assert all(np.isfinite(value) for key, value in told.items() if "explained_variance" not in key)
    assert spoilt.iterate(0.5).scalars["rollout/unstable"] == 0


@pytest.mark.filterwarnings("default")
def test_a_run_says_it_in_one_line_and_counts(tmp_path, spoil):
    spoil(None, *(1 + 3 * step for step in range(1, 200, 20)))
    run = ["train", "ppo", "--env", "mujoco/Hopper-v5", "--steps", "600", "--run-dir", str(tmp_path), "--quiet"]
    done = CliRunner().invoke(main, [*run, *(f"--set={key}={value}" for key, value in SMALL.items())])
    assert done.exit_code == 0, done.output
    lines = [line for line in done.output.splitlines() if line]
    assert len(lines) == 1
    assert lines[0].startswith("warning: environment 2, step 2: qvel[1]")
    told = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    cut = sum(line.get("rollout/unstable", 0) for line in told)
    assert cut == 8  # of 160 steps the second and every twentieth from there
