"""`MujocoVectorEnv` and `MujocoEnv`: threads, seeds, snapshots, autoreset, errors."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import envs  # noqa: F401 (registers the ids)
from envs.errors import UnstablePhysicsWarning
from envs.mujoco import MujocoEnv, MujocoVectorEnv
from envs.mujoco.worlds import WORLDS


def _actions(worlds: MujocoVectorEnv, step: int) -> np.ndarray:
    """An action for each environment that depends on its number, the step and nothing else."""
    low, high = worlds.single_action_space.low, worlds.single_action_space.high
    n, k = np.arange(worlds.num_envs)[:, None], np.arange(len(low))
    return (low + (high - low) * (0.5 + 0.5 * np.sin(1.7 * n + 2.3 * k + 0.9 * step * (n % 5 + 1)))).astype(np.float32)


def _trace(world: str, count: int, threads: int, steps: int = 30) -> list[np.ndarray]:
    worlds = MujocoVectorEnv(world, count, max_steps=13, threads=threads)
    out = [worlds.reset(seed=11)[0]]
    for step in range(steps):
        out += worlds.step(_actions(worlds, step))[:4]
    return [*out, *worlds.snapshot().arrays().values()]


@pytest.mark.parametrize("world", WORLDS)
def test_results_depend_on_neither_threads_nor_batch_size(world):
    alone = _trace(world, 24, 1)
    for threads in (2, 4):
        for left, right in zip(alone, _trace(world, 24, threads), strict=True):
            np.testing.assert_array_equal(left, right)
    for left, right in zip(alone, _trace(world, 3, 1), strict=True):
        np.testing.assert_array_equal(left[:3], right)


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("world", ["Reacher-v5", "Ant-v5"])
def test_autoreset_as_gymnasiums_sync_vector_env(world, mode):
    """Same seeds, same actions: everything SyncVectorEnv gives, we give, over many episode ends."""
    count, limit, seeds = 4, 7, [20, 21, 22, 23]
    ours = MujocoVectorEnv(world, count, limit, mode)
    theirs = SyncVectorEnv([lambda: MujocoEnv(world, limit) for _ in range(count)], autoreset_mode=mode)
    np.testing.assert_array_equal(ours.reset(seed=seeds)[0], theirs.reset(seed=seeds)[0])
    ends = 0
    for step in range(30):
        found, expected = ours.step(_actions(ours, step)), theirs.step(_actions(ours, step))
        for part in range(4):
            np.testing.assert_array_equal(found[part], expected[part])
            assert found[part].dtype == expected[part].dtype
        assert found[4].keys() == expected[4].keys()
        if "final_obs" in expected[4]:
            assert mode is AutoresetMode.SAME_STEP
            assert found[4]["final_info"] == expected[4]["final_info"]
            for key in ("_final_obs", "_final_info"):
                np.testing.assert_array_equal(found[4][key], expected[4][key])
            for left, right in zip(found[4]["final_obs"], expected[4]["final_obs"], strict=True):
                np.testing.assert_array_equal(left, right)
        done = found[2] | found[3]
        ends += int(done.sum())
        if mode is AutoresetMode.DISABLED and done.any():
            mask = {"reset_mask": done}
            np.testing.assert_array_equal(ours.reset(options=mask)[0], theirs.reset(options=mask)[0])
    assert ends > 10


@pytest.mark.parametrize("world", WORLDS)
def test_snapshot_and_restore_are_bit_exact(world):
    worlds = MujocoVectorEnv(world, 6, max_steps=8)
    worlds.reset(seed=5)
    for step in range(6):
        worlds.step(_actions(worlds, step))
    kept, shown = worlds.snapshot(), worlds.observe()
    first = [worlds.step(_actions(worlds, step)) for step in range(6, 30)]  # with episode ends, so with fresh starts
    worlds.restore(kept)
    other = MujocoVectorEnv(world, 6, max_steps=8, threads=2)
    other.restore(kept)
    np.testing.assert_array_equal(other.observe(), shown)
    for step, expected in zip(range(6, 30), first, strict=True):
        for again in (worlds.step(_actions(worlds, step)), other.step(_actions(other, step))):
            for left, right in zip(again[:4], expected[:4], strict=True):
                np.testing.assert_array_equal(left, right)


def test_snapshot_of_some_and_a_pending_reset():
    worlds = MujocoVectorEnv("Hopper-v5", 6, max_steps=3)
    worlds.reset(seed=0)
    for step in range(3):
        worlds.step(_actions(worlds, step))
    pending = worlds.snapshot([1, 4])  # the episode is over; the next step begins another
    assert pending.over.all()
    expected = worlds.step(_actions(worlds, 3))
    worlds.restore(pending, [3, 0])
    again = worlds.step(_actions(worlds, 3))
    np.testing.assert_array_equal(again[0][[3, 0]], expected[0][[1, 4]])
    assert not again[3][[3, 0]].any()
    arrays = {name: array.copy() for name, array in worlds.state.arrays().items()}
    other = MujocoVectorEnv("Hopper-v5", 6)
    other.state.load(arrays)
    np.testing.assert_array_equal(other.observe(), worlds.observe())
    with pytest.raises(ValueError, match="2 worlds, 3 were named"):
        worlds.restore(pending, [0, 1, 2])
    with pytest.raises(ValueError, match=r"^state is of Hopper, this is Walker2d: expected one of the same model$"):
        MujocoVectorEnv("Walker2d-v5", 2).restore(pending)
    with pytest.raises(ValueError, match=r"^state is a dict, expected a MujocoState"):
        worlds.restore({})
    u, large = (MujocoVectorEnv(f"PointMaze-{name}-v0", 2) for name in ("U", "Large"))  # states of the same size
    large.reset(seed=0)
    with pytest.raises(ValueError, match=r"^state is of PointMazeLarge, this is PointMazeU"):
        u.restore(large.snapshot())


def test_seeds():
    worlds = MujocoVectorEnv("Reacher-v5", 4)
    first = worlds.reset(seed=3)[0]
    second = worlds.reset()[0]
    assert (first != second).any(axis=1).all()
    np.testing.assert_array_equal(worlds.reset(seed=3)[0], first)
    np.testing.assert_array_equal(worlds.reset()[0], second)
    assert (MujocoVectorEnv("Reacher-v5", 4).reset(seed=4)[0] != first).any(axis=1).all()
    np.testing.assert_array_equal(MujocoEnv("Reacher-v5").reset(seed=3)[0], first[0])
    mixed = worlds.reset(seed=[3, None, 3, 9])[0]
    np.testing.assert_array_equal(mixed[[0, 2]], first[[0, 0]])
    masked = worlds.reset(seed=3, options={"reset_mask": np.array([False, True, False, False])})[0]
    np.testing.assert_array_equal(masked[1], first[1])
    np.testing.assert_array_equal(masked[[0, 2, 3]], mixed[[0, 2, 3]])
    unseeded = [MujocoVectorEnv("Reacher-v5", 16).reset()[0] for _ in range(2)]
    assert (unseeded[0] != unseeded[1]).any()


def test_what_is_returned_are_copies():
    worlds = MujocoVectorEnv("Swimmer-v5", 3)
    first, _ = worlds.reset(seed=0)
    kept = first.copy()
    second = worlds.step(_actions(worlds, 0))[0]
    np.testing.assert_array_equal(first, kept)
    second[:] = 99
    assert np.abs(worlds.observe()).max() < 99
    state = worlds.snapshot()
    worlds.close()
    del worlds
    assert np.isfinite(state.physics).all()


def test_bad_actions_change_nothing_and_are_named():
    worlds = MujocoVectorEnv("Hopper-v5", 3, autoreset_mode="SameStep")
    with pytest.raises(gym.error.ResetNeeded, match="before reset"):
        worlds.step(np.zeros((3, 3)))
    worlds.reset(seed=0)
    worlds.step(np.zeros((3, 3)))
    before = worlds.snapshot()
    actions = np.zeros((3, 3), np.float32)
    actions[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"environment 1, step 2: action\[2\] is nan, expected a finite number"):
        worlds.step(actions)
    actions[1, 2] = np.inf
    with pytest.raises(ValueError, match=r"environment 1, step 2: action\[2\] is inf"):
        worlds.step(actions)
    wrong = {
        r"^environment 0, step 2: the action is float64 \[2\], expected floats \[3\]$": np.zeros((3, 2)),
        r"^environment 0, step 2: the action is <U1 \[3\], expected floats \[3\]$": np.full((3, 3), "a"),
        r"^environment 1, step 2: the action is int64 \[1\], expected floats \[3\]$": [[0, 0, 0], [0], [0, 0, 0]],
        r"^environment 2, step 2: the action is object \[3\], expected floats \[3\]$": [
            [0, 0, 0],
            [0, 0, 0],
            [0, [0], 0],
        ],
        r"^actions are float64 \[9\], expected floats \[3, 3\]$": np.zeros(9),
        r"^actions are float64 \[2, 3\], expected floats \[3, 3\]$": np.zeros((2, 3)),
        r"^actions are object \[\], expected floats \[3, 3\]$": None,
    }
    for message, given in wrong.items():
        with pytest.raises(ValueError, match=message):
            worlds.step(given)
    for left, right in zip(worlds.state.arrays().values(), before.arrays().values(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_one_environment_speaks_of_itself():
    env = MujocoEnv("Hopper-v5", max_steps=2)
    env.reset(seed=0)
    env.step(np.zeros(3))
    with pytest.raises(ValueError, match=r"^step 2: the action is float64 \[2\], expected floats \[3\]$"):
        env.step(np.zeros(2))
    with pytest.raises(ValueError, match=r"^step 2: action\[1\] is nan, expected a finite number$"):
        env.step(np.array([0, np.nan, 0]))
    env.step(np.zeros(3))
    with pytest.raises(gym.error.ResetNeeded, match=r"^the episode is over, expected reset\(\)"):
        env.step(np.zeros(3))


def test_actions_that_are_not_taken_may_be_anything():
    worlds = MujocoVectorEnv("Hopper-v5", 2, max_steps=1)  # the step after an end only begins anew
    worlds.reset(seed=0)
    worlds.step(np.zeros((2, 3)))
    observation, reward, *_ = worlds.step(np.full((2, 3), np.nan))
    assert np.isfinite(observation).all()
    assert reward.tolist() == [0.0, 0.0]


BLOWN_UP = [
    ("qvel", 4, np.inf, r"qvel\[4\] \(joint leg_joint\)"),
    ("qpos", 2, np.nan, r"qpos\[2\] \(joint rooty\)"),
    ("qvel", 3, 1e9, r"qvel\[3\] \(joint thigh_joint\)"),
    ("qvel", 3, 9e5, r"q(vel|acc)\[\d\] \(joint \w+\)"),  # finite and no further than what is allowed, as yet
]


@pytest.mark.parametrize(("part", "column", "value", "field"), BLOWN_UP)
@pytest.mark.parametrize("threads", [1, 2])
def test_unstable_physics_is_named_and_harms_nobody_else(part, column, value, field, threads, tmp_path, monkeypatch):
    """One environment is truncated, begun anew and goes on; what the others do is what they do without it."""
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log of its own where one happens to be
    worlds = MujocoVectorEnv("Hopper-v5", 5, autoreset_mode=AutoresetMode.DISABLED, threads=threads)
    twin = MujocoVectorEnv("Hopper-v5", 5, autoreset_mode=AutoresetMode.DISABLED)
    for one in (worlds, twin):
        one.reset(seed=0)
        one.step(_actions(one, 0))
    getattr(worlds.engine.moment(), part)[3, column] = value
    with pytest.warns(
        UnstablePhysicsWarning, match=rf"^environment 3, step 2: {field} is NaN, infinite or huge"
    ) as told:
        found = worlds.step(_actions(worlds, 1))
    assert "\n" not in str(told[0].message)
    assert (found[1][3], found[2].any(), found[3].tolist()) == (0, False, [False, False, False, True, False])
    assert found[4]["unstable"].tolist() == found[4]["_unstable"].tolist() == found[3].tolist()
    assert np.isfinite(found[0]).all()
    others = [0, 1, 2, 4]
    for step in range(1, 5):
        expected = twin.step(_actions(twin, step))
        for left, right in zip(found[:4], expected[:4], strict=True):
            np.testing.assert_array_equal(left[others], right[others])
        assert np.isfinite(found[0]).all()
        if found[3].any() or found[2].any():
            worlds.reset(options={"reset_mask": found[2] | found[3]})
        if expected[2].any():
            twin.reset(options={"reset_mask": expected[2]})
        getattr(worlds.engine.moment(), part)[3, column] = value if step == 2 else 0  # again, and not a word of it
        found = worlds.step(_actions(worlds, step + 1))
    assert worlds.unstable == 2


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_physics_that_blew_up_in_every_autoreset_mode(mode):
    worlds = MujocoVectorEnv("Ant-v5", 2, autoreset_mode=mode)
    worlds.reset(seed=0)
    last = worlds.step(_actions(worlds, 0))[0]
    worlds.engine.moment().qvel[1, 5] = 1e200
    bad_action = _actions(worlds, 1)
    bad_action[1] = np.nan  # what a policy makes of a state that is no number is not to be blamed
    with pytest.warns(UnstablePhysicsWarning, match=r"environment 1, step 2: qvel\[5\] \(joint root\)"):
        observation, reward, terminated, truncated, info = worlds.step(bad_action)
    assert (terminated.tolist(), truncated.tolist(), reward[1]) == ([False, False], [False, True], 0)
    if mode is AutoresetMode.SAME_STEP:
        assert np.isfinite(info["final_obs"][1]).all()
        assert worlds.state.steps.tolist() == [2, 0]
    if mode is AutoresetMode.DISABLED:
        worlds.reset(options={"reset_mask": truncated})
    observation, _, terminated, truncated, info = worlds.step(_actions(worlds, 2))
    assert np.isfinite(observation).all()
    assert not (terminated | truncated).any()
    assert "unstable" not in info
    assert last.shape == observation.shape


def test_physics_that_blows_up_by_itself_keeps_the_last_observation():
    """Everybody at once, and the state before the step was sound: it is the one that is seen."""
    worlds = MujocoVectorEnv("HalfCheetah-v5", 3, autoreset_mode="Disabled")
    worlds.reset(seed=0)
    worlds.engine.moment().qvel[:] = 9e5
    before = worlds.observe()
    with pytest.warns(UnstablePhysicsWarning, match=r"environment 0 \(and in 2 more\), step 1: "):
        observation, reward, _, truncated, _ = worlds.step(np.zeros((3, 6)))
    np.testing.assert_array_equal(observation, before)
    assert truncated.all()
    assert (reward == 0).all()
    env = MujocoEnv("HalfCheetah-v5")
    env.reset(seed=0)
    env.worlds.engine.moment().qvel[:] = 9e5
    with pytest.warns(UnstablePhysicsWarning, match=r"environment 0, step 1: q"):
        told = env.step(np.zeros(6))[2:]
    assert told == (False, True, {"unstable": True})


def test_clear_errors():
    worlds = MujocoVectorEnv("Reacher-v5", 3, 2, "Disabled")
    with pytest.raises(gym.error.ResetNeeded, match="first reset"):
        worlds.reset(options={"reset_mask": np.array([True, False, False])})
    worlds.reset(seed=0)
    worlds.step(_actions(worlds, 0))
    worlds.reset(options={"reset_mask": np.array([True, False, True])})
    assert worlds.step(_actions(worlds, 1))[3].tolist() == [False, True, False]
    with pytest.raises(gym.error.ResetNeeded, match="environment 1 is over"):
        worlds.step(_actions(worlds, 2))
    with pytest.raises(ValueError, match="reset option 'mask' is unknown"):
        worlds.reset(options={"mask": np.ones(3, bool)})
    with pytest.raises(ValueError, match=r"must be a bool array \[3\]"):
        worlds.reset(options={"reset_mask": np.ones(2, bool)})
    with pytest.raises(ValueError, match="seed has 2 entries"):
        worlds.reset(seed=[1, 2])
    with pytest.raises(ValueError, match="seed is -1"):
        worlds.reset(seed=-1)
    with pytest.raises(ValueError, match="reset option 'low' is unknown"):
        MujocoEnv("Reacher-v5").reset(options={"low": 1})
    kept = worlds.snapshot()
    worlds.close()
    with pytest.raises(gym.error.ClosedEnvironmentError):
        worlds.restore(kept)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"world": "Antt-v5"}, "unknown world 'Antt-v5'; nearest is 'mujoco/Ant-v5'"),
        ({"num_envs": 0}, "num_envs is 0"),
        ({"threads": 0}, "threads is 0"),
        ({"max_steps": 0.5}, "max_steps is 0.5"),
        ({"dtype": "float16"}, "dtype is 'float16', expected np.float64 or np.float32"),
        ({"autoreset_mode": "next"}, "autoreset_mode is 'next'"),
        ({"render_mode": "human"}, "render_mode is 'human', expected None or 'rgb_array'"),
        ({"tolerance": 0.1}, "Reacher has no goals, expected a world that has"),
        ({"world": "Corridor-v0", "tolerance": 0}, "tolerance is 0, expected metres above 0, at most 6.75"),
        ({"world": "BlockPush-v0", "tolerance": float("nan")}, "tolerance is nan, expected metres"),
        ({"world": "BlockPush-v0", "tolerance": 1.0}, "tolerance is 1.0, .* at most 0.8: a quarter of the world"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        MujocoVectorEnv(**{"world": "Reacher-v5", **arguments})
    assert "\n" not in str(caught.value)


def test_nothing_is_written_where_one_happens_to_be(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    gym.make_vec("mujoco/HalfCheetah-v5", num_envs=2).reset(seed=0)  # its model makes MuJoCo warn
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("world", ["Hopper-v5", "PointMaze-U-v0"])
def test_who_is_left_out_stays_and_the_others_go_on_as_if_he_were_not(world, mode):
    whole, part = (MujocoVectorEnv(world, 6, 9, mode) for _ in range(2))
    for worlds in (whole, part):
        worlds.reset(seed=3)
    ids, rest = np.array([1, 2, 5]), np.array([0, 3, 4])
    kept = part.snapshot(rest).arrays()
    seen = part.observe(rest)
    for step in range(30):
        expected, found = whole.step(_actions(whole, step))[:4], part.step(_actions(part, step), ids)[:4]
        for left, right in zip(expected, found, strict=True):
            np.testing.assert_array_equal(left[ids], right[ids])
        np.testing.assert_array_equal(found[0][rest], seen)
        assert not any(array[rest].any() for array in found[1:])
    for name, array in part.snapshot(rest).arrays().items():
        np.testing.assert_array_equal(array, kept[name], err_msg=name)
    wrong = np.full_like(_actions(part, 0), np.nan)
    wrong[ids] = 0
    part.step(wrong, ids)  # nobody asks what those do who rest


def test_who_rests_over_an_ended_episode_is_not_asked_to_be_reset():
    worlds = MujocoVectorEnv("Reacher-v5", 3, 2, AutoresetMode.DISABLED)
    worlds.reset(seed=0)
    worlds.step(_actions(worlds, 0), np.array([0, 1]))
    assert worlds.step(_actions(worlds, 1), np.array([0, 1]))[3].tolist() == [True, True, False]
    assert worlds.step(_actions(worlds, 2), np.array([2]))[3].tolist() == [False, False, False]
    with pytest.raises(gym.error.ResetNeeded, match="environment 1"):
        worlds.step(_actions(worlds, 3), np.array([1, 2]))
