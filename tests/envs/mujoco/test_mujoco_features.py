"""What MuJoCo's worlds measure of a state, against MuJoCo itself, and their states of success."""

import mujoco
import numpy as np
import pytest

from envs.errors import UnmeasurableError
from envs.mujoco.rollout_world import MujocoWorld, offered_channels
from envs.mujoco.worlds import WORLDS, world


def played(name, channels, envs=4, steps=60, seed=0):
    """A world after some random steps: itself, and the successors' rows of every step [T, N, W]."""
    here = MujocoWorld(name, envs, threads=1, channels=channels)
    rows = here.reset(seed)
    rng = np.random.default_rng(seed)
    outcome = np.zeros(envs), np.zeros(envs, bool), np.zeros(envs, bool)
    seen = []
    for _ in range(steps):
        after = np.empty_like(rows)
        here.step(rng.uniform(-1, 1, (envs, *here.action_space.shape)).astype(np.float32), after, rows, *outcome)
        seen.append(after)
    return here, np.array(seen)


def feet_on_the_ground(model, data):
    """How many bodies with "foot" in their name are in a contact, by MuJoCo's own list of contacts."""
    bodies = {int(model.geom_bodyid[geom]) for contact in data.contact[: data.ncon] for geom in contact.geom}
    return sum("foot" in mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_BODY, body) for body in bodies)


@pytest.mark.parametrize("name", ["Walker2d-v5", "Hopper-v5"])
def test_feet_are_on_the_ground_where_mujoco_has_contacts(name):
    """The readings are of the last evaluation within the step, so a contact that just began or ended may differ."""
    channels = ("forward", "upright", "height", "contacts")
    here, rows = played(name, channels, envs=8)
    model = here.env.engine.model
    contacts = rows[..., here.columns["contacts"]].ravel()
    assert set(contacts) == ({0, 1, 2} if name.startswith("Walker") else {0, 1})
    agree, data = [], mujoco.MjData(model)
    rows = here.reset(3)
    rng = np.random.default_rng(1)
    outcome = np.zeros(8), np.zeros(8, bool), np.zeros(8, bool)
    for _ in range(40):
        after = np.empty_like(rows)
        here.step(rng.uniform(-1, 1, (8, model.nu)).astype(np.float32), after, rows, *outcome)
        going = ~(outcome[1] | outcome[2])
        now = here.env.engine.moment()
        for n in np.flatnonzero(going):
            data.qpos[:], data.qvel[:] = now.qpos[n], now.qvel[n]
            mujoco.mj_forward(model, data)
            agree.append(feet_on_the_ground(model, data) == after[n, here.columns["contacts"].start])
            torso = model.body("torso").id
            assert after[n, here.columns["forward"].start] == pytest.approx(now.qvel[n, 0], rel=1e-6)
            assert after[n, here.columns["upright"].start] == pytest.approx(
                data.xmat[torso].reshape(3, 3)[2, 2], abs=1e-6
            )
            assert after[n, here.columns["height"].start] == pytest.approx(data.xpos[torso, 2], abs=1e-6)
    assert np.mean(agree) > 0.9


def test_measuring_changes_nothing_that_is_played():
    plain, bare = played("Walker2d-v5", ())
    measured, wide = played("Walker2d-v5", ("forward", "contacts"))
    np.testing.assert_array_equal(bare, wide[..., measured.columns["obs"]])
    assert wide.shape[2] == bare.shape[2] + 2
    assert not WORLDS["Walker2d-v5"]().reads
    assert plain.env.world.reads == {}


def test_the_distance_is_what_is_observed_as_the_way():
    here, rows = played("PointMaze-Open-v0", ("goal_distance", "position"))
    way = rows[..., 4:6]
    np.testing.assert_allclose(rows[..., here.columns["goal_distance"].start], np.hypot(*way.T).T, atol=1e-5)


@pytest.mark.parametrize("name", ["PointMaze-U-v0", "AntMaze-U-v0", "BlockPush-Two-v0"])
def test_states_of_success_are_states_of_success(name):
    here = MujocoWorld(name, 64, threads=1, channels=("goal_distance",))
    rows = here.success_rows(5)
    env = here.env
    assert env.reached(env.achieved_goal(), env.desired_goal()).all()
    tolerance = max(world(name).tolerance[part] for part in world(name).parts)
    distance = rows[:, here.columns["goal_distance"].start]
    assert distance.max() <= tolerance
    if name.startswith("PointMaze"):  # uniform in the disc: half of them within 1 / √2 of the radius
        assert 0.25 < (distance < tolerance / 2**0.5).mean() < 0.75
    np.testing.assert_array_equal(rows, here.success_rows(5))
    assert not np.array_equal(rows, here.success_rows(6))
    np.testing.assert_array_equal(here.rows_of(env.state.arrays()), here._rows())


def test_where_there_are_no_goals_no_success_is_known():
    with pytest.raises(UnmeasurableError, match="Walker2d has no goals"):
        MujocoWorld("Walker2d-v5", 2, threads=1).success_rows(0)


def test_features_have_names_and_words_in_every_world():
    for name in WORLDS:
        features = world(name).features()
        assert all(feature.text for feature in features.values())
        assert set(features) <= set(offered_channels(world(name)))
        assert not set(features) & {"obs", "position", "shown", "clean", "tv"}
    assert offered_channels(world("Walker2d-v5")) == ("forward", "upright", "height", "contacts")
    with pytest.raises(ValueError, match="channels names 'forwrd', Walker2d has none: expected forward, upright"):
        MujocoWorld("Walker2d-v5", 1, channels=("forwrd",))
