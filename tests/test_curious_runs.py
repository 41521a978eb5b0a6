"""Curiosity from the command to the curves: rewards by name, what a TV does, where a player goes."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from gymnasium.spaces import Box, Discrete

from curiosity.source import Rows
from envs.grid.levels import level_spec
from selfplay.cli import main
from selfplay.core.transitions import Transitions
from selfplay.errors import UserError
from selfplay.measures.tv import attention, bonus_at_tv
from selfplay.methods import find_method, method_settings
from selfplay.rewards.streams import parse_rewards
from selfplay.train import build_stage, run_training

SMALL = {"num_envs": "32", "rollout_steps": "16", "ppo.minibatch_size": "256", "eval_episodes": "8"}


def stage_of(method="ppo", env="FourRooms-v0", seed=0, **overrides):
    return build_stage(method, level_spec(env), method_settings(method, {**SMALL, **overrides}), seed, "cpu")


def test_rewards_by_name():
    assert parse_rewards(("task=1", "icm=0.01")) == {"task": 1, "icm": 0.01}


@pytest.mark.parametrize(
    ("rewards", "said"),
    [
        ("rnx=1", "unknown reward 'rnx'; did you mean 'rnd'"),
        ("rnd", "'rnd' has no weight"),
        ("rnd=1,rnd=2", "'rnd' is given twice"),
        ("rnd=nan", "the weight of 'rnd' is 'nan', expected a finite number >= 0"),
        ("rnd=-1", "the weight of 'rnd' is '-1'"),
        ("task=0,rnd=0", "at least one with a weight above 0"),
    ],
)
def test_bad_rewards_are_refused(rewards, said):
    with pytest.raises(UserError, match=said):
        method_settings("ppo", {"rewards": rewards})


def test_commands_compose_rewards_and_say_what_is_wrong(tmp_path):
    few = ["--steps", "1k", "--quiet", *(f"--set={key}={value}" for key, value in SMALL.items())]
    run = ["train", "icm", "--env", "grid/Empty-5x5-v0", "--run-dir", str(tmp_path / "run"), *few]
    done = CliRunner().invoke(main, [*run, "--reward", "task=1", "--reward", "icm=0.3", "--tv", "ride"])
    assert done.exit_code == 0, done.output
    settings = json.loads((tmp_path / "run/config.json").read_text())["config"]["settings"]
    assert (settings["rewards"], settings["tv"]) == (["task=1", "icm=0.3"], "ride")
    last = json.loads((tmp_path / "run/metrics.jsonl").read_text().splitlines()[-1])
    told = {"train/reward/icm", "train/raw_reward/icm", "train/icm/inverse_accuracy", "tv/in_view", "eval/success"}
    assert told <= last.keys()
    for option, said in (
        (["--reward", "imc=1"], "did you mean 'icm'"),
        (["--tv", "remote,k6,cel,spot"], "nearest is 'cell'"),
        (["--tv", ""], "'' is none of off, ride"),
        (["--set", "tv_hidden=true"], "there is no TV to hide"),
        (["--set", "bonus.icm.betta=1"], "did you mean 'bonus.icm.beta'"),
        (["--set", "bonus.counts.reads=positron", "--reward", "counts=1"], "did you mean 'position'"),
    ):
        refused = CliRunner().invoke(main, [*run[:-2], "--run-dir", str(tmp_path / "other"), *option])
        assert refused.exit_code == 2
        assert said in refused.output
        assert refused.output.count("\n") == 1
        assert not (tmp_path / "other").exists()


def test_a_run_is_evaluated_on_a_level_whose_states_have_another_size(tmp_path):
    few = ["--steps", "1k", "--quiet", *(f"--set={key}={value}" for key, value in SMALL.items())]
    run = ["train", "noveld", "--env", "grid/DoorKey-5x5-v0", "--run-dir", str(tmp_path), *few]
    done = CliRunner().invoke(main, [*run, "--set", "bonus.noveld.keys=state"])
    assert done.exit_code == 0, done.output
    other = ["evaluate", str(tmp_path), "--env", "grid/DoorKey-6x6-v0", "--episodes", "8", "--json"]
    found = CliRunner().invoke(main, other)
    assert found.exit_code == 0, found.output
    assert 0 <= json.loads(found.output)["task"]["success"] <= 1


def test_presets_bring_their_bonus_and_random_stays_as_it_is():
    assert find_method("icm").defaults("grid").rewards == ("task=1", "icm=0.1")
    chance = stage_of("random")
    before = {name: tensor.clone() for name, tensor in chance.learner.policy.state_dict().items()}
    scalars = [chance.iterate(0.0).scalars for _ in range(8)]
    assert all((tensor == before[name]).all() for name, tensor in chance.learner.policy.state_dict().items())
    assert "train/loss" not in scalars[0]
    covered = [one["coverage/positions"] for one in scalars if "coverage/positions" in one]
    assert covered
    assert 0 < np.mean(covered) < 0.2  # 2 to 6 % of FourRooms in 100 random steps


@pytest.mark.parametrize("tv", ["sham,frozen,quadrant,spot", "every-step,iid,view,everywhere"])
def test_a_television_is_no_part_of_the_clean_world(tv):
    """The same actions in worlds with and without it lead to the same cells."""
    plain, with_tv = stage_of(coverage="true"), stage_of(coverage="true", tv=tv)
    rows = [stage.world.reset(5) for stage in (plain, with_tv)]
    outcome = np.zeros(32), np.zeros(32, bool), np.zeros(32, bool)
    nexts = [np.empty_like(one) for one in rows]
    rng = np.random.default_rng(0)
    for _ in range(120):
        action = rng.integers(0, 7, 32)
        for stage, one, following in zip((plain, with_tv), rows, nexts, strict=True):
            stage.world.step(action, following, one, *outcome)
        assert (rows[0][:, plain.world.columns["obs"]] == rows[1][:, with_tv.world.columns["clean"]]).all()
    assert (rows[1][:, with_tv.world.columns["shown"]] != rows[1][:, with_tv.world.columns["clean"]]).any()


def test_who_may_not_see_the_television_gets_a_clean_view_and_its_bonus_does_not():
    stage = stage_of(tv="every-step,iid,view,everywhere", tv_hidden="true", rewards="counts=1")
    scalars = stage.iterate(0.0).scalars
    columns, rollout = stage.world.columns, stage.rollout
    clean, shown = (rollout.rows[..., columns[name]] for name in ("clean", "shown"))
    assert (rollout.obs[:-1] == clean[:-1]).all()
    assert (shown != clean).any()
    assert scalars["train/counts/distinct"] > 500  # of 512: what is never the same twice is new every time
    assert "tv/bonus_share" in scalars


@pytest.mark.parametrize("tv", ["remote,k6,view,everywhere", "sham,frozen,quadrant,spot"])
def test_evaluation_shows_the_pictures_of_training(tv):
    stage, made = stage_of(tv=tv), []
    make_world = stage.make_world
    stage.make_world = lambda *arguments: made.append(make_world(*arguments)) or made[-1]
    stage.evaluate()
    assert (made[0]._bank == stage.world._bank).all()


@pytest.mark.parametrize(
    ("method", "overrides"),
    [
        ("ppo", {}),
        ("random", {"tv": "every-step,iid,view,everywhere"}),
        ("ppo", {"rewards": "counts=1", "tv": "remote,k6,quadrant,spot"}),
        ("icm", {"bonus.icm.rescale": "false"}),
    ],
)
def test_every_chart_has_its_curves(method, overrides):
    stage = stage_of(method, env="Empty-5x5-v0", **overrides)
    written = set(stage.evaluate())
    for _ in range(10):
        written |= set(stage.iterate(0.0).scalars)
    promised = {tag for group in stage.charts.values() for tags in group.values() for tag in tags}
    assert promised - written <= {"tv/press_rate_in_view"}
    assert all(tags for group in stage.charts.values() for tags in group.values())


class Pays:
    """What the first token of the successor says."""

    name, episodic = "pays", False

    def reward(self, batch):
        return batch.channel("obs").next[..., 0].float()


def by_hand():
    """Two steps of two environments. The TV shows 4 where the clean world has 1; it is in view after three of them."""
    shown, clean = (torch.tensor(one, dtype=torch.uint8)[..., None] for one in ([[4, 4], [4, 1]], [[1, 1], [1, 1]]))
    before, after = torch.tensor([[[1], [2]], [[2], [2]]]), torch.tensor([[[2], [2]], [[2], [1]]])
    nothing, off = torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.bool)
    return Transitions(
        obs=clean, action=torch.tensor([[7, 0], [7, 7]]), log_prob=nothing, value=nothing[..., None], next_obs=clean,
        terminated=off, truncated=off, task_reward=nothing, mask=~off,
        channels={"obs": Rows(shown, shown), "clean": Rows(clean, clean), "tv": Rows(before, after)},
    )  # fmt: skip


def test_attention_by_hand():
    # In view after 3 of 4 steps; pressed in 3 of 4; taken in front of it: 3 steps, of which 2 press.
    expected = {"tv/in_view": 0.75, "tv/press_rate": 0.75, "tv/press_rate_in_view": 2 / 3, "tv/press_chance": 1 / 8}
    assert attention(by_hand(), Discrete(8), press=7) == pytest.approx(expected)
    assert attention(by_hand(), Discrete(7), press=None) == {"tv/in_view": 0.75}
    masked = replace(by_hand(), mask=torch.tensor([[True, True], [True, False]]))
    assert attention(masked, Discrete(8), 7)["tv/in_view"] == 1


def test_attention_where_actions_are_numbers_by_hand():
    # The second number presses above .75: in 2 of 4 steps; in front of the TV in 1 of 3.
    actions = torch.tensor([[[0.9, 0.8], [0.9, 0.7]], [[0.0, 2.0], [0.9, -0.9]]])
    found = attention(replace(by_hand(), action=actions), Box(-1, 1, (2,)), press=1)
    # A normal number is above .75 with probability 1 - Φ(.75) = .2266.
    expected = {"tv/in_view": 0.75, "tv/press_rate": 0.5, "tv/press_rate_in_view": 1 / 3, "tv/press_chance": 0.22663}
    assert found == pytest.approx(expected, abs=1e-5)
    drawn = np.random.default_rng(0).normal(0, np.exp(-0.5), 400_000) > 0.75
    wary = attention(replace(by_hand(), action=actions), Box(-1, 1, (2,)), press=1, log_std=-0.5)
    assert wary["tv/press_chance"] == pytest.approx(drawn.mean(), abs=4 * 0.5 / 400_000**0.5)


def test_bonus_owed_to_the_television_by_hand():
    # Paid 4 + 4 + 4 + 1 = 13, without the TV 4: 9/13 is owed to it, 12/13 is paid in front of it.
    expected = {"tv/bonus_share": 9 / 13, "tv/bonus_in_view": 12 / 13}
    assert bonus_at_tv(by_hand(), {Pays(): 0.5}) == pytest.approx(expected)
    assert bonus_at_tv(by_hand(), {}) == {}


def test_alice_may_be_curious():
    stage = build_stage(
        "alice-bob", level_spec("DoorKey-5x5-v0"),
        method_settings("alice-bob", {"num_envs": "64", "rewards": "task=1,counts=0.5"}), 0, "cpu",
    )  # fmt: skip
    scalars = stage.iterate(0.0).scalars
    assert scalars["alice/train/reward/counts"] > 0
    assert "bob/train/reward/counts" not in scalars


def test_intrinsic_reward_alone_covers_more_than_chance():
    """Counts of positions in FourRooms without a task, 300 k steps; chance covers some 3 % an episode."""
    chance, curious = (
        stage_of(method, seed=1, num_envs="128", rollout_steps="32", **{"ppo.minibatch_size": "1024"}, **more)
        for method, more in (("random", {}), ("counts", {"rewards": "counts=1"}))
    )
    for stage, steps in ((chance, 40_000), (curious, 300_000)):
        covered = []
        while stage.steps < steps:
            covered.append(stage.iterate(0.0).scalars.get("coverage/positions", np.nan))
        stage.covered = np.nanmean(covered[-10:])
    assert curious.covered > 1.5 * chance.covered


def test_pictures_of_a_run_with_a_television(tmp_path):
    stage = stage_of("counts", env="Empty-5x5-v0", tv="ride")
    stage.iterate(0.0)
    pictures = stage.pictures()
    assert pictures["coverage/visits"].shape == (5 * 24, 5 * 24, 3)
    grey = (pictures["coverage/visits"][12::24, 12::24] == (150, 152, 160)).all(axis=-1)
    assert grey.astype(int).tolist() == [[1] * 5, *([[1, 0, 0, 0, 1]] * 3), [1] * 5]  # its walls
    assert all(frame.shape == pictures["rollout/episode"][0].shape for frame in pictures["rollout/episode"])


def test_a_run_with_another_television_is_refused(tmp_path):
    few = {"steps": 600, "run_dir": tmp_path / "run", "quiet": True, "threads": 1}
    run_training("counts", "Empty-5x5-v0", overrides={**SMALL, "tv": "ride"}, **few)
    with pytest.raises(UserError, match="tv"):
        run_training("counts", "Empty-5x5-v0", overrides=SMALL, **few)
