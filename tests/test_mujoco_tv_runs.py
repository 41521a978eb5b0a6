"""The noisy TV in MuJoCo's worlds, from the command to the curves."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from selfplay.cli import main
from selfplay.environments import find_environment
from selfplay.methods import method_settings
from selfplay.train import build_stage

SMALL = {"num_envs": "8", "rollout_steps": "32", "ppo.minibatch_size": "128", "ppo.epochs": "2", "eval_episodes": "2"}
MAZE = "PointMaze-U-v0"


def stage_of(method="ppo", env=MAZE, seed=0, **overrides):
    return build_stage(method, find_environment(env), method_settings(method, SMALL | overrides, "mujoco"), seed, "cpu")


@pytest.mark.slow
def test_the_command_tells_what_it_measured_and_what_cannot_be(tmp_path):
    few = ["--steps", "1k", "--quiet", *(f"--set={key}={value}" for key, value in SMALL.items())]
    run = ["train", "icm", "--env", f"mujoco/{MAZE}", "--run-dir", str(tmp_path / "run"), *few]
    done = CliRunner().invoke(main, [*run, "--tv", "remote,k6,quadrant,fixed"])
    assert done.exit_code == 0, done.output
    settings = json.loads((tmp_path / "run/config.json").read_text())["config"]["settings"]
    assert settings["tv"] == "remote,k6,quadrant,fixed"
    told = {tag for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines() for tag in json.loads(line)}
    assert {"tv/in_view", "tv/press_rate", "tv/press_chance", "tv/bonus_share", "tv/bonus_in_view"} <= told
    for env, option, said in (
        ("Reacher-v5", ["--tv", "every-step,iid,cell,spot"], "Reacher has no maze to hang it in"),
        (MAZE, ["--tv", "every-step,iid,cel,spot"], "nearest is 'cell'"),
        (MAZE, ["--set", "tv_hidden=true"], "there is no TV to hide"),
    ):
        wrong = ["train", "icm", "--env", f"mujoco/{env}", "--run-dir", str(tmp_path / "other"), *few, *option]
        refused = CliRunner().invoke(main, wrong)
        assert (refused.exit_code, refused.output.count("\n")) == (2, 1), refused.output
        assert said in refused.output
        assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("env", "method", "overrides"),
    [
        (MAZE, "random", {"tv": "every-step,iid,view,everywhere", "coverage": "true"}),
        (MAZE, "ppo", {"rewards": "e3b=1", "tv": "remote,unseen,quadrant,spot"}),
        ("Reacher-v5", "ppo", {"rewards": "task=1,forward=1", "tv": "remote,iid,cell,everywhere"}),
    ],
)
def test_every_chart_has_its_curves(env, method, overrides):
    stage = stage_of(method, env, **overrides)
    written = set(stage.evaluate())
    for _ in range(10):
        written |= set(stage.iterate(0.0).scalars)
    promised = {tag for group in stage.charts.values() for tags in group.values() for tag in tags}
    assert any(tag.startswith("tv/") for tag in promised)
    assert promised - written <= {"tv/press_rate_in_view"}
    stage.pictures()


@pytest.mark.parametrize("log_std", ["0", "-1"])
def test_who_never_learns_presses_as_often_as_chance_is_said_to(log_std):
    more = {"ppo.log_std": log_std, "tv": "sham,frozen,cell,everywhere"}
    stage = stage_of("random", num_envs="64", **more)
    told = [stage.iterate(0.0).scalars for _ in range(4)]
    pressed, steps = np.mean([one["tv/press_rate"] for one in told]), 4 * 64 * 32
    chance = told[0]["tv/press_chance"]
    assert abs(pressed - chance) < 0.02 + 4 * np.sqrt(chance * (1 - chance) / steps)  # its means are near 0, not at it
    assert all(one["tv/in_view"] == 1 for one in told)


def test_who_may_not_see_the_television_gets_zeros_and_its_bonus_does_not():
    stage = stage_of(tv="every-step,iid,view,everywhere", tv_hidden="true", rewards="forward=1")
    stage.iterate(0.0)
    obs, shown = stage.rollout.obs[:-1], stage.rollout.rows[:-1, :, stage.world.columns["shown"]]
    assert (obs[..., 6:] == 0).all()
    assert (shown[..., 6:] != 0).all()
    assert (shown[..., :6] == obs[..., :6]).all()


def test_what_does_not_look_at_the_television_owes_it_nothing():
    stage = stage_of(tv="every-step,iid,view,fixed", rewards="counts=1", **{"bonus.counts.reads": "position"})
    told = stage.iterate(0.0).scalars
    assert told["tv/bonus_share"] == 0
    assert 0 < told["tv/bonus_in_view"] < 1
    looks = stage_of(tv="every-step,iid,view,fixed", rewards="counts=1")
    looks.iterate(0.0)
    for _ in range(8):
        told = looks.iterate(0.0).scalars
    assert told["tv/bonus_share"] != 0


def test_a_run_with_it_goes_on_bit_for_bit():
    more = {"rewards": "icm=1", "tv": "remote,unseen,quadrant,spot"}
    stage, other = stage_of(**more), stage_of(**more)
    for _ in range(2):
        stage.iterate(0.0)
    other.load_state_dict(stage.state_dict())
    for _ in range(2):
        assert stage.iterate(0.0).scalars == other.iterate(0.0).scalars
    ours, theirs = stage.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(torch.as_tensor(ours[name]), torch.as_tensor(theirs[name])) for name in ours)


def test_off_leaves_the_run_as_it_was():
    plain, off = stage_of("icm"), stage_of("icm", tv="off")
    for _ in range(2):
        assert plain.iterate(0.0).scalars == off.iterate(0.0).scalars
    assert "tv" not in plain.world.columns
    assert plain.world.action_space.shape == (2,)


def test_evaluation_shows_the_pictures_and_the_place_of_training():
    stage, made = stage_of(tv="remote,k6,view,fixed"), []
    make_world = stage.make_world
    stage.make_world = lambda *arguments: made.append(make_world(*arguments)) or made[-1]
    stage.evaluate()
    assert (made[0]._bank == stage.world._bank).all()
    assert (made[0].state_dict()["tv.spot"][0] == stage.world.state_dict()["tv.spot"][0]).all()


@pytest.mark.slow
def test_a_television_traps_who_is_paid_for_surprise():
    """150 k steps in PointMaze-Medium with prediction error alone, in front of a TV and of a button without effect."""
    ppo = {"ppo.minibatch_size": "1024", "ppo.epochs": "4", "ppo.learning_rate": "0.001"}
    learning = {"minibatch_size": "256", "proportion": "1", "learning_rate": "0.001"}
    bonus = {f"bonus.forward.{key}": value for key, value in learning.items()}
    size = {"num_envs": "128", "eval_episodes": "0", "rewards": "forward=1"}
    late = []
    for tv in ("remote,iid,quadrant,fixed", "sham,iid,quadrant,fixed"):
        stage = stage_of(env="PointMaze-Medium-v0", seed=1001, tv=tv, **size, **ppo, **bonus)
        told = []
        while stage.steps < 150_000:
            told.append(stage.iterate(0.0).scalars)
        late.append({key: np.mean([one[key] for one in told[-8:]]) for key in ("tv/in_view", "tv/press_rate_in_view")})
    assert late[0]["tv/in_view"] > 2 * late[1]["tv/in_view"]
    assert late[0]["tv/press_rate_in_view"] > late[1]["tv/press_rate_in_view"] + 0.1
