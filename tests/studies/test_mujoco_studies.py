"""The studies in MuJoCo's worlds: that their settings mean what their claims take for granted."""

import numpy as np
import pytest
import torch

from curiosity.visits import Keys
from envs.mujoco.rollout_world import MujocoWorld
from envs.mujoco.tv import NoisyTV
from envs.mujoco.worlds import GOAL_WORLDS
from envs.noisy_tv import TVSpec
from selfplay.environments import find_environment
from selfplay.methods import method_settings
from selfplay.studies.declared import coverage_mujoco, noisy_tv_mujoco
from selfplay.train import build_stage


@pytest.mark.parametrize("method", ["counts", "noveld", "ride"])
def test_what_is_called_unbounded_is_so_for_those_who_count(method):
    """Who sits still in front of the television and presses: every picture is a state that was never met."""
    run = noisy_tv_mujoco.STUDY.arm(f"{method}.unbounded").run
    settings = method_settings(run.method, run.overrides, "mujoco")
    world = MujocoWorld(run.env.removeprefix("mujoco/"), 4, channels=("position",))
    tv = NoisyTV(world, TVSpec.parse(settings.tv), seed=3)
    tv.reset(0)
    state = tv.state_dict()
    state["tv.spot"][:] = world.env.positions()
    tv.load_state_dict(state)
    tv.env.ask(np.full((4, 2), np.nan))
    out = [np.zeros((4, tv.row_width), np.float32) for _ in range(2)]
    out += [np.zeros(4), np.zeros(4, bool), np.zeros(4, bool)]
    shown = []
    for _ in range(200):
        tv.step(np.tile(np.float32([0, 0, 1]), (4, 1)), *out)
        assert (out[0][:, tv.columns["tv"]] == 2).all()
        shown.append(out[0][:, tv.columns["shown"]].copy())
    rows = torch.from_numpy(np.concatenate(shown))

    def distinct(width, count):
        keys = Keys(tv.channel_spaces["shown"], 7, width, torch.device("cpu"))
        return len(keys(rows[: 4 * count]).unique())

    width = getattr(settings.bonus, method).bin_width
    assert [distinct(width, count) for count in (50, 100, 200)] == [200, 400, 800]
    assert distinct(width[0], 200) <= 4 * 25  # bins for metres are far too wide for it


@pytest.mark.parametrize("name", ["counts.off", "ride.unbounded"])
def test_every_number_that_is_seen_has_its_bin(name):
    run = noisy_tv_mujoco.STUDY.arm(name).run
    few = {**run.overrides, "num_envs": "4", "rollout_steps": "8", "ppo.minibatch_size": "16"}
    stage = build_stage(run.method, find_environment(run.env), method_settings(run.method, few, "mujoco"), 0, "cpu")
    assert stage.iterate(0.0).scalars["rollout/unstable"] == 0


@pytest.mark.parametrize("study", [noisy_tv_mujoco.STUDY, coverage_mujoco.STUDY])
def test_a_quick_study_sees_an_episode_end(study):
    for arm in study.arms:
        longest = GOAL_WORLDS[arm.run.env.removeprefix("mujoco/")].max_steps
        assert study.quick_steps >= 1.2 * longest * int(arm.run.overrides["num_envs"])
