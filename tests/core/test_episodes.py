"""One episode in every world: what an evaluation looks at."""

import numpy as np
import pytest

from envs.mujoco.rollout_world import MujocoWorld
from selfplay.core.config import PPOConfig
from selfplay.core.episodes import first_episodes
from selfplay.core.learner import Learner
from selfplay.core.streams import Stream
from selfplay.rewards.task import TaskReward


class Restless(MujocoWorld):
    """Steps all, whoever is through."""

    rest_but = None


@pytest.mark.parametrize("name", ["InvertedPendulum-v5", "PointMaze-U-v0"])
def test_resting_changes_no_episode_and_spares_steps(name):
    found, spent = [], []
    for kind in (MujocoWorld, Restless):
        world = kind(name, 24)
        learner = Learner(world.observation_space, world.action_space, PPOConfig(), [Stream(TaskReward())], seed=1)
        steps, step = [], world.env.step
        world.env.step = lambda action, ids=None, step=step, steps=steps: (
            steps.append(24 if ids is None else len(ids)) or step(action, ids)
        )
        for seed in (5, 6):  # a second evaluation begins with everybody
            found.append(first_episodes(world, learner, seed))
        spent.append(sum(steps))
    for one, other in zip(found[:2], found[2:], strict=True):
        np.testing.assert_array_equal(one.returns, other.returns)
        np.testing.assert_array_equal(one.lengths, other.lengths)
        assert len(set(one.lengths.tolist())) > 2  # some are through before others
    assert spent[0] == sum(int(episodes.lengths.sum()) for episodes in found[:2]) < spent[1]
