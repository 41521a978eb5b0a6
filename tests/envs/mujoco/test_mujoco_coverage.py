"""Positions beside observations, and which cells of a maze episodes visit."""

from __future__ import annotations

import numpy as np
import pytest

from envs.mujoco.coverage import Explored
from envs.mujoco.rollout_world import MujocoWorld


def outputs(world) -> list[np.ndarray]:
    rows = [np.zeros((world.num_envs, world.row_width), np.float32) for _ in range(2)]
    return [*rows, np.zeros(world.num_envs), np.zeros(world.num_envs, bool), np.zeros(world.num_envs, bool)]


def explored(name: str, num_envs: int) -> Explored:
    return Explored(MujocoWorld(name, num_envs, channels=("position",)))


def test_positions_beside_observations_are_the_true_successors():
    bare, wide = MujocoWorld("PointMaze-U-v0", 32), MujocoWorld("PointMaze-U-v0", 32, channels=("position",))
    assert wide.succeeds
    assert wide.columns == {"obs": slice(0, 6), "position": slice(6, 8)}
    assert wide.channel_spaces["position"].shape == (2,)
    assert wide.observation_space == bare.observation_space
    rows = wide.reset(5)
    np.testing.assert_array_equal(rows[:, :6], bare.reset(5))
    np.testing.assert_array_equal(rows[:, 6:], rows[:, :2])  # where the ball is stands in its observation, too
    rng, ends = np.random.default_rng(0), 0
    left, right = outputs(bare), outputs(wide)
    for _ in range(300):
        action = rng.uniform(-1, 1, (32, 2)).astype(np.float32)
        bare.step(action, *left)
        wide.step(action, *right)
        for k in range(2):
            np.testing.assert_array_equal(right[k][:, :6], left[k])
            np.testing.assert_array_equal(right[k][:, 6:], left[k][:, :2])
        for k in range(2, 5):
            np.testing.assert_array_equal(right[k], left[k])
        ends += int((left[3] | left[4]).sum())
    assert ends > 32


def test_a_way_by_hand():
    """Along the U's upper arm, down its end and back along the lower one: visited cells and heat are counted by eye."""
    world = explored("PointMaze-U-v0", 2)
    world.reset(0)
    state = world.env.engine.moment()
    state.qpos[:] = [[-1.0, 1.0], [1.0, 0.0]]
    world.env.ask(np.full((2, 2), np.nan))
    world._visited[:] = False
    world._visited[0, 1, 3] = world._visited[1, 3, 2] = True  # as after a reset there
    out = outputs(world)
    for way, steps in (((1, 0), 40), ((0, -1), 40), ((-1, 0), 40)):
        for _ in range(steps):
            world.step(np.array([way, (0, 0)], np.float32), *out)
    found = world.drain()
    assert len(found["env"]) == 0
    assert (found["heat"] > 0).T[::-1].astype(int).tolist() == [
        [0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0],
    ]  # fmt: skip
    assert found["heat"].sum() == 240
    assert found["heat"][3, 2] > 120
    assert world._visited.sum(axis=(1, 2)).tolist() == [7, 1]


def test_episodes_against_counting_each_step():
    world = explored("PointMaze-Medium-v0", 24)
    world.env.max_steps = 60
    rows = world.reset(3)
    sets = [{tuple(np.floor(row[6:] + 4).astype(int))} for row in rows]
    heat, expected = np.zeros((8, 8), int), []
    rng, held, out = np.random.default_rng(1), np.zeros((24, 2), np.float32), outputs(world)
    for _ in range(200):
        new = rng.random(24) < 0.1
        held[new] = rng.uniform(-1, 1, (int(new.sum()), 2))
        world.step(held, *out)
        for n in range(24):
            cell = tuple(np.floor(out[0][n, 6:] + 4).astype(int))
            sets[n].add(cell)
            heat[cell] += 1
            if out[3][n] or out[4][n]:
                expected.append((n, len(sets[n])))
                sets[n] = {tuple(np.floor(out[1][n, 6:] + 4).astype(int))}
    found = world.drain()
    assert list(zip(found["env"], found["visited"], strict=True)) == expected
    assert len(expected) > 60
    assert (found["reachable"] == 25).all()
    np.testing.assert_allclose(found["coverage"], found["visited"] / 25)
    np.testing.assert_array_equal(found["heat"], heat)
    again = world.drain()
    assert len(again["env"]) == again["heat"].sum() == 0


def test_saved_in_the_middle_it_goes_on_bit_for_bit():
    world, other = explored("PointMaze-U-v0", 8), explored("PointMaze-U-v0", 8)
    for one in (world, other):
        one.env.max_steps = 30
    world.reset(0)
    rng, out = np.random.default_rng(0), outputs(world)
    actions = rng.uniform(-1, 1, (100, 8, 2)).astype(np.float32)
    for action in actions[:50]:
        world.step(action, *out)
    other.load_state_dict(world.state_dict())
    twin = outputs(other)
    for action in actions[50:]:
        world.step(action, *out)
        other.step(action, *twin)
        for left, right in zip(out, twin, strict=True):
            np.testing.assert_array_equal(left, right)
    found, again = world.drain(), other.drain()
    assert len(found["env"]) > 8
    for name in found:
        np.testing.assert_array_equal(found[name], again[name])


def test_what_cannot_be_counted_is_said():
    with pytest.raises(ValueError, match="Reacher has no maze"):
        Explored(MujocoWorld("Reacher-v5", 1))
    with pytest.raises(ValueError, match="channels are obs, expected 'position'"):
        Explored(MujocoWorld("PointMaze-U-v0", 1))
    with pytest.raises(ValueError, match="channels names 'position', Reacher has none"):
        MujocoWorld("Reacher-v5", 1, channels=("position",))
    with pytest.raises(ValueError, match="channels is 'position', expected a sequence"):
        MujocoWorld("PointMaze-U-v0", 1, channels="position")
    world = explored("PointMaze-U-v0", 2)
    with pytest.raises(ValueError, match=r"'coverage\.visited' is \[3, 5, 5\], expected \[2, 5, 5\]"):
        world.load_state_dict(explored("PointMaze-U-v0", 3).state_dict())
    with pytest.raises(ValueError, match=r"no 'coverage\.visited'"):
        world.load_state_dict({})
