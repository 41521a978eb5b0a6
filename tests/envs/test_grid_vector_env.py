"""`GridVectorEnv` and `GridEnv` as Gymnasium environments: spaces, autoreset, seeds, snapshots, errors."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import gymnasium as gym
import numba as nb
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import envs  # noqa: F401 (registers the ids)
from envs.grid.levels import LEVELS, level_spec
from envs.grid.single_env import GridEnv
from envs.grid.vector_env import GridVectorEnv

ROOT = Path(__file__).parents[2]
ONE_OF_EACH = [
    "Empty-Random-6x6-v0",
    "FourRooms-v0",
    "DoorKey-8x8-v0",
    "MultiRoom-N7-S4-v0",
    "Unlock-v0",
    "KeyCorridorS3R3-v0",
    "SimpleCrossingS9N2-v0",
    "LavaCrossingS9N2-v0",
    "LavaGapS7-v0",
    "Hallway-25-v0",
]


def _equal(left, right) -> None:
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            np.testing.assert_array_equal(left[key], right[key])
    else:
        np.testing.assert_array_equal(left, right)


def _actions(worlds: GridVectorEnv, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(worlds.single_action_space.n, size=worlds.num_envs)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("level", ONE_OF_EACH)
def test_gymnasium_checks_the_single_environment(level):
    check_env(gym.make(f"grid/{level}", render_mode="rgb_array").unwrapped)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "arguments", [{"observation": "full"}, {"observation": "tokens"}, {"observation": "both", "position": True}]
)
def test_gymnasium_checks_the_other_observations(arguments):
    check_env(gym.make("grid/KeyCorridorS3R1-v0", **arguments).unwrapped, skip_render_check=True)


@pytest.mark.filterwarnings("ignore:.*out of date.*:DeprecationWarning")
@pytest.mark.parametrize("observation", ["image", "full", "both", "tokens"])
def test_observations_lie_in_their_space(observation):
    for level in (name for name, spec in LEVELS.items() if spec.has_native):  # the others: test_grid_pool.py
        position = {} if observation == "tokens" else {"position": True}
        worlds = gym.make_vec(f"grid/{level}", num_envs=3, observation=observation, **position)
        assert isinstance(worlds, GridVectorEnv)
        assert worlds.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
        first, _ = worlds.reset(seed=0)
        rng = np.random.default_rng(0)
        assert worlds.observation_space.contains(first), level
        for _ in range(5):
            assert worlds.observation_space.contains(worlds.step(_actions(worlds, rng))[0]), level


@pytest.mark.parametrize("view_size", [3, 5, 7, 9])
def test_views_are_declared_and_together_as_they_are_apart(view_size):
    shown = {name: GridVectorEnv("DoorKey-8x8-v0", 5, name, view_size) for name in ("image", "full")}
    both = GridVectorEnv("DoorKey-8x8-v0", 5, "both", view_size, position=True)
    space = both.single_observation_space
    assert {name: part.shape for name, part in space.spaces.items()} == {
        "image": (view_size, view_size, 3), "full": (8, 8, 3), "direction": (), "mission": (0,), "position": (2,),
    }  # fmt: skip
    seen = {name: worlds.reset(seed=3)[0] for name, worlds in shown.items()}
    found = both.reset(seed=3)[0]
    rng = np.random.default_rng(0)
    for _ in range(30):
        np.testing.assert_array_equal(found["image"], seen["image"]["image"])
        np.testing.assert_array_equal(found["full"], seen["full"]["image"])
        here = np.argwhere(found["full"][..., 0] == 10)[:, 1:]  # where the agent is drawn
        np.testing.assert_array_equal(found["position"], here)
        actions = _actions(both, rng)
        seen = {name: worlds.step(actions)[0] for name, worlds in shown.items()}
        found = both.step(actions)[0]


def test_spaces_are_minigrids():
    worlds = GridVectorEnv("KeyCorridorS3R3-v0", 5)
    observation, info = worlds.reset(seed=1)
    assert info == {}
    assert {key: (part.shape, part.dtype) for key, part in observation.items()} == {
        "image": ((5, 7, 7, 3), np.uint8),
        "direction": ((5,), np.int64),
        "mission": ((5, 1), np.int64),
    }
    theirs = gym.make("MiniGrid-KeyCorridorS3R3-v0")
    assert all(text in theirs.observation_space["mission"] for text in worlds.mission_text())
    assert worlds.single_observation_space["image"] == theirs.observation_space["image"]
    assert worlds.single_action_space == theirs.action_space
    assert GridVectorEnv("Hallway-25-v0").single_action_space == gym.spaces.Discrete(2)


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("observation", ["image", "tokens"])
def test_autoreset_as_gymnasiums_sync_vector_env(mode, observation):
    """Same seeds, same actions: everything SyncVectorEnv gives, we give, over many episode ends."""
    level, count, limit = "KeyCorridorS3R1-v0", 6, 11
    ours = GridVectorEnv(level, count, observation, max_steps=limit, autoreset_mode=mode)
    theirs = SyncVectorEnv(
        [lambda: GridEnv(level, observation, max_steps=limit) for _ in range(count)], autoreset_mode=mode
    )
    seeds = list(range(20, 20 + count))

    def same(left, right):
        if observation == "tokens":
            return _equal(left, right)
        np.testing.assert_array_equal(left["image"], right["image"])
        np.testing.assert_array_equal(left["direction"], right["direction"])
        words = [ours.level.mission.text(codes) for codes in np.atleast_2d(left["mission"])]
        assert words == list(np.atleast_1d(right["mission"]))
        return None

    same(ours.reset(seed=seeds)[0], theirs.reset(seed=seeds)[0])
    rng = np.random.default_rng(0)
    ends = 0
    for _ in range(60):
        actions = _actions(ours, rng)
        found, expected = ours.step(actions), theirs.step(actions)
        same(found[0], expected[0])
        for part in (1, 2, 3):
            np.testing.assert_array_equal(found[part], expected[part])
            assert found[part].dtype == expected[part].dtype
        assert found[4].keys() == expected[4].keys()
        if "final_obs" in expected[4]:
            assert mode is AutoresetMode.SAME_STEP
            assert found[4]["final_info"] == expected[4]["final_info"]
            for key in ("_final_obs", "_final_info"):
                np.testing.assert_array_equal(found[4][key], expected[4][key])
            for left, right in zip(found[4]["final_obs"], expected[4]["final_obs"], strict=True):
                assert (left is None) == (right is None)
                if left is not None:
                    same(left, right)
        done = found[2] | found[3]
        ends += int(done.sum())
        if mode is AutoresetMode.DISABLED and done.any():
            same(ours.reset(options={"reset_mask": done})[0], theirs.reset(options={"reset_mask": done})[0])
    assert ends > 20


def test_disabled_refuses_to_step_past_an_end():
    worlds = GridVectorEnv("Empty-5x5-v0", 3, max_steps=2, autoreset_mode="Disabled")
    worlds.reset(seed=0)
    worlds.step(np.full(3, 6))
    worlds.reset(options={"reset_mask": np.array([True, False, True])})
    assert worlds.step(np.full(3, 6))[3].tolist() == [False, True, False]
    with pytest.raises(gym.error.ResetNeeded, match="environment 1 is over"):
        worlds.step(np.full(3, 6))


@pytest.mark.parametrize("level", ONE_OF_EACH)
def test_snapshot_and_restore_are_bit_exact(level):
    worlds = GridVectorEnv(level, 8, max_steps=7)
    worlds.reset(seed=5)
    rng = np.random.default_rng(1)
    for _ in range(6):
        worlds.step(_actions(worlds, rng))
    kept = worlds.snapshot()
    script = [_actions(worlds, rng) for _ in range(25)]
    first = [worlds.step(actions) for actions in script]  # with three episode ends, so with fresh levels
    worlds.restore(kept)
    other = GridVectorEnv(level, 8, max_steps=7)
    other.restore(kept)
    for actions, expected in zip(script, first, strict=True):
        for again in (worlds.step(actions), other.step(actions)):
            _equal(again[0], expected[0])
            for part in (1, 2, 3):
                np.testing.assert_array_equal(again[part], expected[part])


def test_snapshot_of_some_and_a_pending_reset():
    worlds = GridVectorEnv("DoorKey-5x5-v0", 6, max_steps=3)
    worlds.reset(seed=0)
    for _ in range(3):
        worlds.step(np.full(6, 6))
    pending = worlds.snapshot([1, 4])  # the episode is over; the next step draws a level
    expected = worlds.step(np.full(6, 6))
    worlds.restore(pending, [3, 0])
    again = worlds.step(np.full(6, 6))
    np.testing.assert_array_equal(again[0]["image"][[3, 0]], expected[0]["image"][[1, 4]])
    assert not again[3][[3, 0]].any()
    with pytest.raises(ValueError, match="2 worlds, 3 were named"):
        worlds.restore(pending, [0, 1, 2])
    with pytest.raises(ValueError, match="worlds of"):
        GridVectorEnv("DoorKey-6x6-v0", 2).restore(pending)


def _trace(level: str, count: int, steps: int = 40) -> list[np.ndarray]:
    worlds = GridVectorEnv(level, count, max_steps=9)
    first, _ = worlds.reset(seed=11)
    out = [first["image"]]
    for step in range(steps):
        actions = np.array([(n * 7 + step * step * 3 + n * step) % worlds.engine.num_actions for n in range(count)])
        observation, reward, terminated, truncated, _ = worlds.step(actions)
        out += [observation["image"], reward, terminated, truncated]
    return [*out, worlds.state.cells, worlds.state.agent, worlds.state.stream]


@pytest.mark.parametrize("level", ["DoorKey-8x8-v0", "MultiRoom-N7-S4-v0"])
def test_results_depend_on_neither_threads_nor_batch_size(level):
    usual = nb.get_num_threads()
    nb.set_num_threads(1)
    alone = _trace(level, 600)
    nb.set_num_threads(usual)
    for left, right in zip(alone, _trace(level, 600), strict=True):
        np.testing.assert_array_equal(left, right)
    for left, right in zip(alone, _trace(level, 5), strict=True):
        np.testing.assert_array_equal(left[:5], right)


def test_seeds():
    worlds = GridVectorEnv("DoorKey-8x8-v0", 4)
    first = worlds.reset(seed=3)[0]["image"]
    second = worlds.reset()[0]["image"]
    assert (first != second).any()
    _equal(worlds.reset(seed=3)[0]["image"], first)
    _equal(worlds.reset()[0]["image"], second)
    assert (GridVectorEnv("DoorKey-8x8-v0", 4).reset(seed=4)[0]["image"] != first).any()
    single = GridEnv("DoorKey-8x8-v0")
    _equal(single.reset(seed=3)[0]["image"], first[0])
    mixed = worlds.reset(seed=[3, None, 3, 9])[0]["image"]
    _equal(mixed[0], first[0])
    _equal(mixed[2], first[0])
    mask = np.array([False, True, False, False])
    masked = worlds.reset(seed=3, options={"reset_mask": mask})[0]["image"]
    _equal(masked[1], first[1])
    _equal(masked[[0, 2, 3]], mixed[[0, 2, 3]])
    unseeded = [GridVectorEnv("DoorKey-8x8-v0", 16).reset()[0]["image"] for _ in range(2)]
    assert (unseeded[0] != unseeded[1]).any()


def test_observations_and_rewards_are_copies():
    worlds = GridVectorEnv("DoorKey-8x8-v0", 4)
    first, _ = worlds.reset(seed=0)
    kept = {key: part.copy() for key, part in first.items()}
    for action in (1, 1, 2):
        found = worlds.step(np.full(4, action))
    _equal(first, kept)
    found[0]["direction"][:] = 99
    found[0]["image"][:] = 99
    assert worlds.observe()["image"].max() < 99


def test_clear_errors():
    worlds = GridVectorEnv("DoorKey-8x8-v0", 3, autoreset_mode="SameStep")
    with pytest.raises(gym.error.ResetNeeded, match="before reset"):
        worlds.step(np.zeros(3, int))
    with pytest.raises(gym.error.ResetNeeded, match="first reset"):
        worlds.reset(options={"reset_mask": np.array([True, False, False])})
    worlds.reset(seed=0)
    before = worlds.snapshot()
    with pytest.raises(ValueError, match="action of environment 2 is 7, expected 0 to 6"):
        worlds.step(np.array([0, 1, 7]))
    with pytest.raises(ValueError, match=r"actions are int64 \[2\], expected integers \[3\]"):
        worlds.step(np.array([0, 1]))
    np.testing.assert_array_equal(worlds.state.agent, before.agent)
    with pytest.raises(ValueError, match="reset option 'mask' is unknown"):
        worlds.reset(options={"mask": np.ones(3, bool)})
    with pytest.raises(ValueError, match=r"must be a bool array \[3\]"):
        worlds.reset(options={"reset_mask": np.ones(2, bool)})
    with pytest.raises(ValueError, match="names no environment"):
        worlds.reset(options={"reset_mask": np.zeros(3, bool)})
    with pytest.raises(ValueError, match="seed has 2 entries"):
        worlds.reset(seed=[1, 2])
    worlds.close()
    worlds.close()
    for call in (worlds.reset, lambda: worlds.step(np.zeros(3, int)), lambda: worlds.restore(before)):
        with pytest.raises(gym.error.ClosedEnvironmentError):
            call()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": "DorKey-8x8-v0"}, "unknown level 'DorKey-8x8-v0'; nearest is 'grid/DoorKey-8x8-v0'"),
        ({"num_envs": 0}, "num_envs is 0"),
        ({"num_envs": 2.5}, "num_envs is 2.5"),
        ({"observation": "imag"}, "nearest: 'image'"),
        ({"view_size": 6}, "view_size is 6"),
        ({"observation": "tokens", "position": True}, "position=True is for images"),
        ({"max_steps": 0}, "max_steps is 0"),
        ({"max_steps": float("nan")}, "max_steps is nan"),
        ({"autoreset_mode": "next"}, "autoreset_mode is 'next'"),
        ({"render_mode": "human"}, "render_mode is 'human'"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        GridVectorEnv(**{"level": "DoorKey-8x8-v0", **arguments})
    assert "\n" not in str(caught.value)


def test_render_without_a_mode_gives_nothing():
    worlds = GridVectorEnv("Empty-5x5-v0", 2)
    worlds.reset(seed=0)
    assert worlds.render() is None


def test_goals_from_the_environment():
    worlds = GridVectorEnv("DoorKey-5x5-v0", 3)
    worlds.reset(seed=0)
    goal = worlds.achieved_goal()
    spec = level_spec("DoorKey-5x5-v0")
    assert goal.shape == (3, 4 + spec.width * spec.height)
    assert goal.dtype == np.uint8
    assert worlds.reached(goal, goal).all()
    np.testing.assert_array_equal(worlds.achieved_goal([2, 0]), goal[[2, 0]])


def test_importing_envs_is_light():
    code = (
        "import sys, envs; print([m for m in ('numba', 'torch', 'minigrid', 'pygame', 'mujoco') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_busy_machine_does_not_stall_the_threads():
    """One busy process a core: all threads together are not much slower than one. Spinning barriers made it 1/20."""
    worlds = GridVectorEnv("DoorKey-8x8-v0", 4096)
    worlds.reset(seed=0)
    actions = np.zeros(4096, np.int64)
    usual = nb.get_num_threads()
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    rates = {}
    try:
        for threads in (1, usual):
            nb.set_num_threads(threads)
            started, calls = time.perf_counter(), 0
            while time.perf_counter() - started < 2:
                worlds.step(actions)
                calls += 1
            rates[threads] = calls / (time.perf_counter() - started)
    finally:
        nb.set_num_threads(usual)
        for process in busy:
            process.kill()
            process.wait()
    assert rates[usual] > 0.3 * rates[1], rates


def test_the_environment_variables_are_left_as_they_were():
    code = (
        "import os; before = dict(os.environ); import envs.grid.engine; "
        "print(sorted(set(os.environ) ^ set(before)), 'GOMP_SPINCOUNT' in os.environ)"
    )
    clean = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean, cwd=ROOT
    )
    assert "GOMP_SPINCOUNT" not in found.stdout
    assert found.stdout.strip().endswith("False")
