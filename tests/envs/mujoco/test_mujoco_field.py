"""MuJoCo worlds as the game sees them."""

from __future__ import annotations

import numpy as np
import pytest

from envs.mujoco.field import MujocoField
from envs.mujoco.worlds import GOAL_WORLDS, world


def field_of(name: str, count: int = 16, seed: int = 0) -> MujocoField:
    field = MujocoField(world(name), count, seed)
    field.generate(np.arange(count))
    return field


@pytest.mark.parametrize("name", GOAL_WORLDS)
def test_a_round_of_repeat(name):
    """Alice acts, the worlds are put back, Bob replays her actions: he reaches her goal exactly, and not before."""
    field, everyone = field_of(name), np.arange(16)
    before = field.snapshot()
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (60, 16, *field.action_space.shape)).astype(np.float32)
    shown = np.zeros((16, *field.observation_space.shape), np.float32)
    for action in actions:
        field.step(action, everyone)
    desired = field.achieved()
    assert field.reached(desired, everyone).all()
    field.restore(before, everyone)
    far = ~field.reached(desired, everyone)
    for action in actions:
        field.step(action, everyone)
    np.testing.assert_array_equal(field.achieved(), desired)
    field.observe(desired, shown, everyone)
    asked = sum(field.world.places[part].stop - field.world.places[part].start for part in field.world.parts)
    assert not shown[:, -1 - asked : -1].any()
    assert (shown[:, -1] == 1).all()
    if name.startswith("PointMaze"):
        assert far.any()


@pytest.mark.parametrize("name", ["PointMaze-Medium-v0", "BlockPush-v0"])
def test_worlds_that_are_not_named_stay_as_they_are(name):
    field, twin = field_of(name), field_of(name)
    some, others = np.array([1, 4, 9]), np.delete(np.arange(16), [1, 4, 9])
    still = {key: array.copy() for key, array in field.state_dict().items()}
    action = np.random.default_rng(0).uniform(-1, 1, (16, 2)).astype(np.float32)
    bad = action.copy()
    bad[others] = np.nan
    for _ in range(5):
        field.step(bad, some)
        twin.step(action, np.arange(16))
    for key, array in field.state_dict().items():
        np.testing.assert_array_equal(array[others], still[key][others])
        np.testing.assert_array_equal(array[some], twin.state_dict()[key][some])
    kept = twin.snapshot()
    field.restore(kept, others[:5])
    field.generate(some)
    for key, array in field.state_dict().items():
        np.testing.assert_array_equal(array[others[:5]], kept.arrays()[key][others[:5]])
        np.testing.assert_array_equal(array[others[5:]], still[key][others[5:]])
    shown = np.full((16, *field.observation_space.shape), 7, np.float32)
    field.observe(None, shown, some)
    assert (shown[others] == 7).all()
    own = field.world.observe(field.engine.moment(ids=some)).astype(np.float32)
    np.testing.assert_array_equal(shown[some], np.hstack([own, np.zeros((3, 1))]))


def test_the_task_pays_and_ends_and_time_runs_out():
    field, everyone = field_of("PointMaze-U-v0"), np.arange(16)
    field.engine.moment().qpos[3] = field.engine.moment().goal[3]
    for step in range(200):
        reward, terminated, truncated, dead, lost = field.step(np.zeros((16, 2), np.float32), everyone)
        assert reward.tolist() == terminated.tolist() == (everyone == 3).tolist()
        assert truncated.all() == truncated.any() == (step == 199)
        assert not (dead | lost).any()


@pytest.mark.parametrize("name", ["PointMaze-Large-v0", "BlockPush-Two-v0"])
def test_goals_that_are_drawn_for_bob(name):
    field = field_of(name, 300)
    parts = field.world.task
    desired, distance = field.sample_goals(np.random.default_rng(0), parts)
    again, _ = field.sample_goals(np.random.default_rng(0), parts)
    np.testing.assert_array_equal(again, desired)
    assert not field.reached(desired, np.arange(300)).any()
    start = field.achieved()
    if name.startswith("Block"):
        ways = np.hypot(*(desired - start)[:, 2:].reshape(300, 2, 2).transpose(2, 0, 1))
        np.testing.assert_allclose(distance, ways.max(axis=1))
        some = np.array([5, 70])
        np.testing.assert_allclose(field.difficulty(field.snapshot(), desired, some, parts), ways.max(axis=1)[some])
        assert (field.ruler.name, field.ruler.exact) == ("straight distance", False)
    else:
        np.testing.assert_array_equal(distance, field.world.geodesic.distances(start, desired))
        some = np.array([5, 70])
        np.testing.assert_array_equal(field.difficulty(field.snapshot(), desired, some, parts), distance[some])
        desired[5] = [6.0, 4.5]  # in a wall
        assert field.difficulty(field.snapshot(), desired, some, parts).tolist() == [-1.0, distance[70]]
    cells = field.goal_cells(desired)
    assert (cells >= 0).all()
    assert (cells < field.shape).all()


@pytest.mark.parametrize(("part", "reach"), [("position", 1.4), ("objects", 1.008)])
def test_goals_of_a_table_lie_in_its_cells_and_in_no_others(part, reach):
    """A ball gets to .1 m from the wall, a block's centre to 1 m from the middle and, pressed to its stops, beyond."""
    field = MujocoField(GOAL_WORLDS["BlockPush-v0"]((part,)), 1, 0)
    line = np.linspace(-reach, reach, 41)
    places = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    goals = np.zeros((len(places), 4))
    goals[:, field.world.places[part]] = places
    assert len(np.unique(field.goal_cells(goals), axis=0)) == field.cells


def test_words_pictures_and_saving():
    field = field_of("BlockPush-Two-v0", 3)
    said = field.describe(np.array([0.12345, -1.0, 0.5, 0.25, -0.5, 0.0]))
    assert said == {"position": [0.123, -1.0], "objects": [[0.5, 0.25], [-0.5, 0.0]]}
    assert field_of("PointMaze-U-v0", 1).describe(np.array([1.0, -1.25])) == {"position": [1.0, -1.25]}
    assert field.goal_cells(np.array([[9, 9, -0.1, 0.3, 9, 9], [9, 9, 1.49, -1.49, 9, 9]])).tolist() == [
        [5, 7],
        [9, 2],
    ]
    assert field.frame(2).shape[2] == 3
    other = MujocoField(world("BlockPush-Two-v0"), 3, 5)
    other.load_state_dict(field.state_dict())
    for one in (field, other):
        one.step(np.ones((3, 2), np.float32), np.arange(3))
        one.generate(np.array([1]))
    for key, array in field.state_dict().items():
        np.testing.assert_array_equal(array, other.state_dict()[key])
