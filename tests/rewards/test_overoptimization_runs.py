"""Runs that tell what becomes of what was meant: their points, and that they go on with the same bits."""

import json
import math

import numpy as np
import pytest
import torch

from curiosity.group import ALONE
from selfplay.environments import find_environment
from selfplay.errors import UserError
from selfplay.finetune import run_finetune
from selfplay.methods import find_method, method_settings
from selfplay.train import run_training

ENV = "grid/Empty-5x5-v0"
SMALL = {"levels": "1", "num_envs": "16", "rollout_steps": "100", "eval_episodes": "0", "ppo.minibatch_size": "400",
         "pressure.episodes": "512", "pressure.best_of": "64", "pressure.points": "4"}  # fmt: skip
ASKING = {"rewards": "preferences=1", "labels.budget": "30", "labels.warmup": "1", "labels.first": "1",
          "labels.horizon": "10", "labels.short": "drop", "taught.preferences.members": "2",
          "taught.preferences.epochs": "5"}  # fmt: skip
WAYS = ("rl", "exact", "bon")


def lines(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    overrides = {"levels": "1", "num_envs": "16", "rollout_steps": "32", "eval_episodes": "0"}
    return run_training("ppo", ENV, steps=2048, run_dir=tmp_path_factory.mktemp("begun") / "run", overrides=overrides,
                        quiet=True, threads=1, pictures=False)  # fmt: skip


def test_a_learnt_reward_is_fitted_once_and_followed(begun, tmp_path):
    run = run_finetune(begun, steps=8000, run_dir=tmp_path / "run", overrides=SMALL | ASKING, quiet=True, threads=1,
                       pictures=False, method="overoptimization")  # fmt: skip
    told = lines(run)
    assert [line["preferences/asked"] for line in told if "preferences/asked" in line] == [30] * 5
    assert sum("preferences/train_loss" in line for line in told) == 1
    points = [line for line in told if "overoptimization/rl/d" in line]
    assert len(points) == 5  # each of 5 rollouts is evaluated; the first tells point 0
    assert points[0]["overoptimization/rl/kl"] == 0
    assert "overoptimization/rl/d" not in told[0]
    for point in points:
        for way in WAYS:
            kl, d = point[f"overoptimization/{way}/kl"], point[f"overoptimization/{way}/d"]
            assert d == pytest.approx(math.sqrt(max(kl, 0)))
            assert -1e-9 <= kl < math.inf
            assert 0 <= point[f"overoptimization/{way}/gold"] <= 1 + 1e-9
        assert point["overoptimization/exact/proxy"] >= points[0]["overoptimization/exact/proxy"] - 1e-9
    leashed = [point["overoptimization/exact/kl"] for point in points]
    assert leashed == sorted(leashed)
    assert points[-1]["overoptimization/bon/kl"] == pytest.approx(math.log(64) - 63 / 64)


def stage(**more):
    settings = method_settings("overoptimization", SMALL | more)
    torch.manual_seed(0)
    return find_method("overoptimization").build(find_environment(ENV), settings, 0, "cpu", ALONE)


def test_the_first_point_is_the_policy_it_began_as_and_the_rest_goes_on():
    """A stage that takes up the state of another one tells the same, and gold is what 400 episodes return."""
    first = stage(eval_episodes="400")
    assert not any(key.startswith("overoptimization") for key in first.evaluate())
    told = first.iterate(0.0).scalars
    for way in WAYS:
        assert told[f"overoptimization/{way}/kl"] == 0
    golds = [told[f"overoptimization/{way}/gold"] for way in WAYS]
    assert golds[0] == pytest.approx(golds[1])
    assert golds[2] == pytest.approx(golds[0], abs=0.1)  # of 512 episodes
    second = stage(eval_episodes="400")
    second.load_state_dict(first.state_dict())
    for _ in range(2):
        one, other = (each.iterate(0.5).scalars | each.evaluate() for each in (first, second))
        assert one == other
        assert one["overoptimization/rl/kl"] > 0
        gold = one["overoptimization/rl/gold"] * one["overoptimization/optimum"]
        assert gold == pytest.approx(one["eval/return"], abs=0.1)  # five standard errors
    assert np.array_equal(first.state_dict()["points"], [3])


@pytest.mark.parametrize(("overrides", "said"), [
    ({"rewards": "task=1,preferences=1"}, "rewards: task, preferences cannot be held against the task"),
    ({"rewards": "rnd=1"}, "rewards: rnd cannot be held against the task"),
    ({"taught.preferences.next_obs": "true"}, "expected next_obs=false, reads=obs"),
    ({"tv": "remote,k6,quadrant,spot"}, "a TV and a memory cannot be written out"),
    ({"leash.beta": "none"}, "expected a number above 0, and no target"),
    ({"pressure.best_of": "1000"}, "episodes: 512 are fewer than best_of = 1000"),
    ({"levels": "0"}, "levels"),
])  # fmt: skip
def test_what_cannot_be_measured_is_refused(overrides, said):
    with pytest.raises(UserError, match=said):
        method_settings("overoptimization", SMALL | overrides)


def test_it_is_for_grids_and_for_studies(tmp_path):
    with pytest.raises(UserError, match="method 'overoptimization' begins with a run, and is for studies"):
        run_training("overoptimization", ENV, steps=1, run_dir=tmp_path / "run")
    with pytest.raises(UserError, match=r"overoptimization is not for mujoco worlds \(expected a world of grid/…\)"):
        method_settings("overoptimization", {}, "mujoco")
