"""Worlds with few levels: every episode begins with one of them, in training and in an evaluation alike."""

import numpy as np
import pytest

from envs.grid.engine import GridEngine
from envs.grid.fixed_levels import FixedLevels
from envs.grid.levels import level_spec
from envs.grid.state import X, Y
from envs.grid.tv import with_tv
from envs.grid.world import GridWorld
from envs.noisy_tv import TVSpec

LEVEL = level_spec("FourRooms-v0")


def begun(world):
    """What tells the levels of all worlds apart, one of `bytes` each."""
    state = world.engine.state
    return [cells.tobytes() + agent[[X, Y]].tobytes() for cells, agent in zip(state.cells, state.agent, strict=True)]


def test_every_episode_begins_with_one_of_the_levels():
    world = GridWorld(LEVEL, 64, fixed=FixedLevels(LEVEL, 3, seed=1))
    rows = world.reset(0)
    levels = set(begun(world))
    assert len(levels) == 3
    after, reward, ended, cut = np.empty_like(rows), np.zeros(64), np.zeros(64, bool), np.zeros(64, bool)
    for _ in range(LEVEL.max_steps):
        world.step(np.zeros(64, np.int64), after, rows, reward, ended, cut)
    assert cut.all()
    assert set(begun(world)) == levels
    world.reset(9)
    assert set(begun(world)) == levels
    other = GridWorld(LEVEL, 64, fixed=FixedLevels(LEVEL, 3, seed=2))
    other.reset(0)
    assert not levels & set(begun(other))


def test_they_are_the_first_levels_of_the_seed():
    engine = GridEngine(LEVEL, 2)
    engine.seed(7)
    engine.generate()
    cells, agent = FixedLevels(LEVEL, 2, seed=7).levels()
    assert (cells == engine.state.cells).all()
    assert (agent == engine.state.agent).all()


def test_a_television_hangs_on_the_same_wall_of_a_level():
    world = with_tv(GridWorld(LEVEL, 16, fixed=FixedLevels(LEVEL, 1, 0)), TVSpec.parse("remote,k6,cell,fixed"), 3)
    spots = []
    for seed in range(3):
        world.reset(seed)
        spots += world.state_dict()["tv.spot"].tolist()
    assert len(set(spots)) == 1


@pytest.mark.parametrize("count", [0, -1, True, 1.5, 2**21])
def test_bad_numbers_are_refused(count):
    with pytest.raises(ValueError, match="levels is"):
        FixedLevels(LEVEL, count, 0)
