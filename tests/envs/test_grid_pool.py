"""Levels that minigrid draws into a pool: which ones, when, by whom, and what happens when something goes wrong."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import fields, replace
from pathlib import Path

import gymnasium as gym
import minigrid
import numba as nb
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from PIL import Image
from side_by_side import WFC_IDS, compare, make, with_few_levels

import envs  # noqa: F401 (registers the ids)
from envs.grid import from_minigrid, to_minigrid, wfc
from envs.grid.draw_levels import level_seed
from envs.grid.drawers import LevelDrawingError, default_workers, drawers
from envs.grid.engine import GridEngine
from envs.grid.field import GridField
from envs.grid.levels import LEVELS, level_spec
from envs.grid.levels.rules import FAMILY_POOL
from envs.grid.pool import LevelPool, make_pool
from envs.grid.state import X, Y
from envs.grid.symbols import GOAL, WALL
from envs.grid.vector_env import GridVectorEnv
from envs.grid.world import GridWorld
from envs.rng import randint

ROOT = Path(__file__).parents[2]
# A level that minigrid draws in a millisecond, in place of those that take it a second.
QUICK = replace(level_spec("DoorKey-6x6-v0"), id="DoorKey-6x6-pooled", family=FAMILY_POOL, has_native=False)


def minigrids_level(seed: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    env = gym.make("MiniGrid-DoorKey-6x6-v0")
    env.reset(seed=level_seed(seed, k))
    state = from_minigrid([env]).state
    return state.cells[0], state.agent[0]


def held(pool: LevelPool) -> list[tuple[bytes, bytes]]:
    cells, agent = pool.levels()
    return [(c.tobytes(), a.tobytes()) for c, a in zip(cells, agent, strict=True)]


def test_the_levels_are_minigrids_own_under_the_same_seeds():
    cells, agent = LevelPool(QUICK, size=6, seed=5, workers=2).levels()
    assert len(cells) == 6
    for k in range(6):
        theirs = minigrids_level(5, k)
        np.testing.assert_array_equal(cells[k], theirs[0])
        np.testing.assert_array_equal(agent[k], theirs[1])
    assert len({row.tobytes() for row in cells}) > 3


def test_growth_and_refresh_by_hand():
    """F = 2, P = 4, R = 3: one more level at 3 resets and at 6, then the oldest leaves at 9, 12, …"""
    sequence = held(LevelPool(QUICK, size=12, first=12, seed=8, workers=1))
    pool = LevelPool(QUICK, size=4, refresh=3, first=2, seed=8, workers=1)
    expected = {0: [0, 1], 2: [0, 1], 3: [0, 1, 2], 6: [0, 1, 2, 3], 8: [0, 1, 2, 3], 9: [4, 1, 2, 3], 22: [8, 5, 6, 7]}
    for resets, numbers in expected.items():
        pool.count(resets - pool.resets)
        assert held(pool) == [sequence[k] for k in numbers], resets


@pytest.mark.parametrize(
    ("num_envs", "given", "first", "size", "refresh"),
    [
        (4096, (None, None), 16, 512, 1024),
        (16, (None, None), 16, 512, 1024),
        (5, (None, None), 5, 512, 5),
        (1, (None, None), 1, 1, 1),
        (64, (8, 100), 8, 8, 100),
    ],
)
def test_sizes_as_the_docstring_says(num_envs, given, first, size, refresh):
    pool = make_pool(QUICK, num_envs, *given)
    assert (pool.first, pool.size, pool.refresh) == (first, size, refresh)


def test_the_sequence_depends_on_the_seed_alone():
    """Three workers here, one in another process: what a process drew, its other pools would only read."""
    code = (
        "import sys; sys.path.insert(0, 'tests/envs')\n"
        "from test_grid_pool import QUICK, LevelPool, held\n"
        "pool = LevelPool(QUICK, size=5, refresh=2, first=3, seed=11, workers=1)\n"
        "pool.count(7)\n"
        "print(b''.join(part for level in held(pool) for part in level).hex())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    alone = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    found = []
    for seed in (11, 12):
        pool = LevelPool(QUICK, size=5, refresh=2, first=3, seed=seed, workers=3)
        for _ in range(7):
            pool.count(1)
            pool.levels()
        found.append(b"".join(part for level in held(pool) for part in level).hex())
    assert alone.stdout.decode().strip() == found[0] != found[1]


def test_a_world_takes_the_level_its_own_stream_names():
    engine = GridEngine(QUICK, 40, pool_size=4)
    engine.seed(3)
    streams = engine.state.stream.copy()
    engine.generate()
    cells, agent = engine.pool.levels()
    chosen = [randint(stream, 0, 4) for stream in streams]
    assert set(chosen) == {0, 1, 2, 3}
    np.testing.assert_array_equal(engine.state.cells, cells[chosen])
    np.testing.assert_array_equal(engine.state.agent, agent[chosen])
    np.testing.assert_array_equal(engine.state.stream, streams)
    assert engine.pool.resets == 40


def play(worlds: GridVectorEnv, steps: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    worlds.reset(seed=21)
    found = []
    for _ in range(steps):
        worlds.step(rng.integers(7, size=worlds.num_envs))
        found.append(worlds.state.cells.copy())
    return found


def test_twins_are_equal_with_one_thread_and_with_all():
    runs = []
    threads = nb.get_num_threads()
    try:
        for count in (1, nb.config.NUMBA_NUM_THREADS):
            nb.set_num_threads(count)
            worlds = GridVectorEnv(QUICK, 300, max_steps=7, pool_size=6, pool_refresh=200, autoreset_mode="SameStep")
            runs.append(play(worlds, 40))
            assert worlds.engine.pool.window == (300 * 6 // 200, 6 + 300 * 6 // 200)  # 300 at reset, 300 a 7th step
    finally:
        nb.set_num_threads(threads)
    np.testing.assert_array_equal(runs[0], runs[1])


def advance(world: GridWorld, actions: np.ndarray) -> np.ndarray:
    count, width = world.num_envs, world.engine.layout.width
    rows = np.empty((2, count, width), np.uint8)
    outcome = np.empty(count), np.empty(count, bool), np.empty(count, bool)
    world.step(actions, rows[0], rows[1], *outcome)
    return rows


@pytest.mark.parametrize("with_levels", [True, False], ids=["levels-kept", "levels-redrawn"])
def test_a_resumed_run_is_the_same_bit_for_bit(with_levels):
    def new() -> GridWorld:
        world = GridWorld(QUICK, 20)
        world.engine.max_steps = world.engine._level[2] = 4
        world.engine.pool = LevelPool(QUICK, size=4, refresh=15, seed=0, workers=1)
        return world

    world, again = new(), new()
    world.reset(6)
    rng = np.random.default_rng(1)
    for _ in range(30):
        advance(world, rng.integers(7, size=20))
    saved = world.state_dict()
    assert saved["pool"].tolist() == [6, 20 + 7 * 20]
    assert saved["pool_cells"].shape == (4, 6, 6)
    if not with_levels:
        saved |= {"pool_cells": saved["pool_cells"][:0], "pool_agent": saved["pool_agent"][:0]}
    again.load_state_dict(saved)
    for _ in range(30):
        actions = rng.integers(7, size=20)
        np.testing.assert_array_equal(advance(again, actions), advance(world, actions))
    assert world.engine.pool.window == again.engine.pool.window
    for name, array in world.state_dict().items():
        np.testing.assert_array_equal(array, again.state_dict()[name])


def test_a_field_keeps_its_pool_and_an_unused_one_can_be_saved():
    field, again = (GridField(QUICK, 6, seed) for seed in (3, 4))
    again.load_state_dict(field.state_dict())
    everybody = np.arange(6)
    field.generate(everybody)
    again.generate(everybody)
    np.testing.assert_array_equal(field.engine.state.cells, again.engine.state.cells)
    later = GridField(QUICK, 6, 99)
    later.load_state_dict(field.state_dict())
    for one in (field, later):
        one.generate(everybody[:2])
    np.testing.assert_array_equal(field.engine.state.cells, later.engine.state.cells)
    with pytest.raises(ValueError, match="pool holds levels of"):
        later.load_state_dict({**field.state_dict(), "pool_cells": np.zeros((5, 3, 3), np.uint16)})


@pytest.mark.parametrize("seeds", [7, [7, 8, 9]], ids=["one", "each"])
def test_a_seeded_reset_begins_the_pool_anew(seeds):
    worlds = GridVectorEnv(QUICK, 3)
    found = []
    for _ in range(2):
        worlds.reset(seed=seeds)
        first = worlds.state.cells.copy()
        worlds.reset()
        found.append((first, worlds.state.cells.copy()))
    np.testing.assert_array_equal(found[0], found[1])
    unseeded = GridVectorEnv(QUICK, 3)
    unseeded.reset()
    assert unseeded.engine.pool.seed not in (None, 7)


def test_a_single_world_gets_a_fresh_level_at_every_reset():
    env = gym.make("grid/DoorKey-6x6-v0", level=QUICK).unwrapped
    for k in range(4):
        env.reset(seed=5 if k == 0 else None)
        np.testing.assert_array_equal(env.worlds.state.cells[0], minigrids_level(5, k)[0])


def running(pid: int) -> bool:
    """Whether there is such a process, and not only its exit code."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return bool(shown.strip()) and not shown.startswith("Z")


def workers(pool: LevelPool) -> list[int]:
    return [worker.process.pid for worker in pool._crew._crew]


def test_a_dead_worker_is_one_error_and_the_next_call_has_new_ones():
    pool = LevelPool(QUICK, size=4, seed=100, workers=2)
    levels = held(pool)
    for pid in workers(pool):
        os.kill(pid, signal.SIGKILL)
    pool.restart(101)
    with pytest.raises(
        LevelDrawingError, match=r"ended with exit code -9 while it drew level \d of DoorKey-6x6-pooled"
    ):
        pool.levels()
    assert held(pool) != levels
    assert all(running(pid) for pid in workers(pool))


def test_what_minigrid_cannot_draw_is_one_error():
    pool = LevelPool(replace(QUICK, width=7), size=1, seed=0, workers=1)
    with pytest.raises(
        LevelDrawingError, match=r"level 0 of DoorKey-6x6-pooled: ValueError: .* \(6, 6, 0\), .* \(7, 6"
    ):
        pool.levels()


def test_workers_end_with_the_last_pool_that_needs_them():
    pools = [GridVectorEnv(QUICK, 3) for _ in range(2)]
    for worlds in pools:
        worlds.reset(seed=300)
    pids = workers(pools[0].engine.pool)
    assert pids == workers(pools[1].engine.pool)
    pools[0].close()
    assert all(running(pid) for pid in pids)
    pools.clear()
    del worlds
    gc.collect()
    assert not any(running(pid) for pid in pids)


def test_workers_end_with_a_process_that_is_killed():
    code = (
        "import sys, time; sys.path.insert(0, 'tests/envs')\n"
        "from test_grid_pool import QUICK, LevelPool, workers\n"
        "pool = LevelPool(QUICK, size=4, seed=1, workers=2); pool.levels()\n"
        "print(*workers(pool), flush=True); time.sleep(600)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert all(running(pid) for pid in pids)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 60
    while any(running(pid) for pid in pids):
        assert time.monotonic() < until, "a worker outlived its parent"
        time.sleep(0.05)


def test_arguments_that_do_not_fit():
    with pytest.raises(ValueError, match="DoorKey-6x6-v0 has no pool"):
        GridVectorEnv("DoorKey-6x6-v0", 2, pool_size=3)
    with pytest.raises(ValueError, match="pool_size is 0, expected an integer from 1"):
        GridVectorEnv(QUICK, 2, pool_size=0)
    with pytest.raises(ValueError, match=r"pool_refresh is 2\.5, expected"):
        GridVectorEnv(QUICK, 2, pool_refresh=2.5)
    with pytest.raises(ValueError, match="no minigrid_id"):
        LevelPool(replace(QUICK, minigrid_id=None))


# What minigrid takes a second for.


def connected(cells: np.ndarray, start: tuple[int, int]) -> np.ndarray:
    """bool [W, H]: what can be reached from `start`."""
    reached = np.zeros(cells.shape, bool)
    reached[start] = True
    while True:
        wider = reached.copy()
        wider[1:] |= reached[:-1]
        wider[:-1] |= reached[1:]
        wider[:, 1:] |= reached[:, :-1]
        wider[:, :-1] |= reached[:, 1:]
        wider &= cells & 15 != WALL
        if (wider == reached).all():
            return reached
        reached = wider


def test_wfc_worlds_reset_and_step_in_all_autoreset_modes():
    name, sizes = "grid/WFC-MazeSimple-v0", {"pool_size": 2, "pool_refresh": 1000}
    crew = drawers(default_workers())  # held, so that the three need not start one each
    for mode in AutoresetMode:
        worlds = gym.make_vec(name, num_envs=8, max_steps=3, autoreset_mode=mode, **sizes)
        observation, _ = worlds.reset(seed=0)
        assert worlds.observation_space.contains(observation)
        assert worlds.mission_text() == ["traverse the maze to get to the goal"] * 8
        cells = {world.tobytes(): n for n, world in enumerate(worlds.state.cells)}
        assert len(cells) == 2
        for n in cells.values():
            level, agent = worlds.state.cells[n], worlds.state.agent[n]
            free = level & 15 != WALL
            assert (level & 15 == GOAL).sum() == 1
            assert free.sum() > 60
            np.testing.assert_array_equal(connected(level, (agent[X], agent[Y])), free)
        for _ in range(9):
            observation, _, terminated, truncated, _ = worlds.step(worlds.action_space.sample())
            assert worlds.observation_space.contains(observation)
            if mode is AutoresetMode.DISABLED and (terminated | truncated).any():
                worlds.reset(options={"reset_mask": terminated | truncated})
        assert worlds.engine.pool.resets >= 24
        assert worlds.engine.pool._crew is crew
        worlds.close()


def test_wfc_is_equal_to_minigrid_and_known_by_its_id():
    for scripted in (False, True):
        env = with_few_levels(make("MiniGrid-WFC-MazeSimple-v0"), 1)
        compare([env], seed=1, scripted=scripted)
    worlds = from_minigrid([env])
    assert worlds.level == level_spec("WFC-MazeSimple-v0")
    np.testing.assert_array_equal(to_minigrid(worlds).grid.encode(), env.unwrapped.grid.encode())


def test_wfc_specs_say_what_minigrid_says():
    assert len(WFC_IDS) == 6
    for name in WFC_IDS:
        env, spec = gym.make(name, disable_env_checker=True).unwrapped, level_spec(name.removeprefix("MiniGrid-"))
        assert (env.width, env.height, env.max_steps) == (spec.width, spec.height, spec.max_steps)
        assert (env.see_through_walls, env.action_space.n) == (spec.see_through_walls, spec.num_actions)
        assert spec.mission.template == env._gen_mission()
        assert type(env).step is minigrid.minigrid_env.MiniGridEnv.step


def test_our_drawing_draws_as_the_same_drawing_in_a_file(tmp_path, monkeypatch):
    from minigrid.envs.wfc.config import WFC_PRESETS_ALL

    preset, name = "DungeonMazeScaled", "MiniGrid-WFC-DungeonMazeScaled-v0"
    monkeypatch.setattr(WFC_PRESETS_ALL[preset], "pattern_path", tmp_path / "drawing.png")
    assert wfc.own_drawing(name) == preset
    ours = wfc.make_minigrid(name).unwrapped
    Image.fromarray(wfc.drawing(preset)).save(tmp_path / "drawing.png")
    assert wfc.own_drawing(name) is None
    theirs = wfc.make_minigrid(name).unwrapped
    assert theirs.config is WFC_PRESETS_ALL[preset]
    assert {part.name for part in fields(theirs.config)} == {part.name for part in fields(ours.config)} - {"preset"}
    for env in (ours, theirs):
        env.reset(seed=4)
    np.testing.assert_array_equal(ours.grid.encode(), theirs.grid.encode())
    assert ours.agent_pos == theirs.agent_pos


def test_a_drawing_of_ours_is_announced_once(tmp_path, monkeypatch):
    from minigrid.envs.wfc.config import WFC_PRESETS_ALL

    monkeypatch.setattr(WFC_PRESETS_ALL["RoomsFabric"], "pattern_path", tmp_path / "missing.png")
    wfc.warn_of_drawings.cache_clear()
    spec = LEVELS["WFC-RoomsFabric-v0"]
    with pytest.warns(UserWarning, match="drawing for WFC-RoomsFabric is not installed"):
        LevelPool(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LevelPool(spec)


@pytest.mark.parametrize("preset", wfc.DRAWINGS)
def test_drawings_are_black_and_white(preset):
    image = wfc.drawing(preset)
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    assert set(np.unique(image)) == {0, 255}
    assert (image == image[:, :, :1]).all()


def test_missing_packages_are_one_line(monkeypatch):
    monkeypatch.setattr(wfc, "find_spec", lambda name: None if name == "imageio" else object())
    with pytest.raises(ValueError, match=r"WFC levels need imageio: pip install 'minigrid\[wfc\]==3\.2\.0'"):
        GridVectorEnv("WFC-MazeSimple-v0", 2)
