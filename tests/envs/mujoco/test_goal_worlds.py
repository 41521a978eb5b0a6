"""Worlds with goals: where episodes start, what is asked for, when it is reached, and what a snapshot holds."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from envs.mujoco import MujocoEnv, MujocoVectorEnv
from envs.mujoco.maze_world import MazeWorld
from envs.mujoco.worlds import GOAL_WORLDS, world
from envs.mujoco.worlds.block_push import BlockPush

MAZES = [name for name, kind in GOAL_WORLDS.items() if issubclass(kind, MazeWorld)]


def disabled(name: str, count: int, **arguments) -> MujocoVectorEnv:
    worlds = MujocoVectorEnv(name, count, autoreset_mode=AutoresetMode.DISABLED, **arguments)
    worlds.reset(seed=0)
    return worlds


@pytest.mark.parametrize("name", MAZES)
def test_starts_and_goals_are_uniform_over_the_free_cells(name):
    """Counts of cells against the multinomial, places in a cell against the uniform, of 4,000 starts and goals."""
    count = 4000
    worlds = disabled(name, count)
    maze, room = worlds.world.maze, worlds.world.room
    start, goal = worlds.achieved_goal(), worlds.desired_goal()
    assert not worlds.reached(start, goal).any()
    cells = len(maze.free_cells)
    for places, slack in ((start, 0.0), (goal, 0.02)):  # goals that are reached at the start are drawn again
        assert maze.clearance(places).min() >= room - 1e-9
        found = maze.cells(places)
        assert maze.free[tuple(found.T)].all()
        share = np.zeros(maze.shape)
        np.add.at(share, tuple(found.T), 1 / count)
        wrong = np.abs(share[maze.free] - 1 / cells)
        assert wrong.max() < 5 * np.sqrt(1 / cells / count) + slack
        within = (places - maze.centres(found)) / (maze.size - 2 * room) + 0.5
        for k in range(2):
            apart = np.sort(within[:, k]) - (np.arange(count) + 0.5) / count
            assert np.abs(apart).max() < 1.95 / np.sqrt(count) + slack  # Smirnov (1939), probability .001
    assert np.abs(np.corrcoef(np.hstack([start, goal]).T) - np.eye(4))[:2, 2:].max() < 0.1


def test_reached_by_hand():
    maze = world("PointMaze-U-v0")
    achieved = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, -1.0], [1.0, -1.0], [0.0, 0.0]])
    desired = np.array([[0.3, 0.0], [0.3001, 0.0], [0.82, -1.24], [0.78, -0.78], [np.nan, np.nan]])
    # distances .3, .3001, √(.18² + .24²) = .3, √(2 · .22²) = .311, nothing asked for
    close = maze.reached(achieved, desired - [[0, 0], [0, 0], [-1e-9, -1e-9], [0, 0], [0, 0]])
    assert close.tolist() == [True, False, True, False, False]


@pytest.mark.parametrize("name", GOAL_WORLDS)
def test_the_task_ends_with_a_reward_where_its_goal_is_reached(name):
    worlds = disabled(name, 8)
    size, tolerance = worlds.world.goal_size, worlds.world.tolerance[worlds.world.parts[0]]
    still = np.zeros(worlds.action_space.shape, np.float32)
    goal = worlds.achieved_goal()
    goal[:, worlds.world.places[worlds.world.parts[0]].start] += 0.8 * tolerance
    goal[4:] += 0.9 * tolerance
    goal[0] = np.nan
    worlds.ask(goal)
    observation, reward, terminated, truncated, _ = worlds.step(still)
    assert terminated.tolist() == [False, True, True, True, False, False, False, False]
    assert reward.tolist() == terminated.astype(float).tolist()
    assert not truncated.any()
    asked = sum(worlds.world.places[part].stop - worlds.world.places[part].start for part in worlds.world.parts)
    np.testing.assert_array_equal(observation[0, -asked:], 0)
    if worlds.world.parts == tuple(worlds.world.places):
        np.testing.assert_allclose(observation[:, -size:][1:], (goal - worlds.achieved_goal())[1:])


@pytest.mark.parametrize("name", GOAL_WORLDS)
def test_a_snapshot_holds_the_goal(name):
    worlds = disabled(name, 5)
    kept, goal, seen = worlds.snapshot(), worlds.desired_goal(), worlds.observe()
    worlds.ask(goal[[3, 4]], [0, 1])
    np.testing.assert_array_equal(worlds.desired_goal([0, 1]), goal[[3, 4]])
    np.testing.assert_array_equal(worlds.desired_goal([2, 3, 4]), goal[[2, 3, 4]])
    worlds.restore(kept)
    np.testing.assert_array_equal(worlds.desired_goal(), goal)
    np.testing.assert_array_equal(worlds.observe(), seen)
    worlds.reset()
    assert (worlds.desired_goal() != goal).any(axis=1).all()


def test_an_episode_can_be_won():
    """A hand-written player: straight to the goal, in a maze without inner walls."""
    worlds = disabled("PointMaze-Open-v0", 50)
    won = np.zeros(50, bool)
    for _ in range(100):
        seen = worlds.observe()
        _, reward, terminated, truncated, _ = worlds.step(np.clip(2 * seen[:, 4:] - seen[:, 2:4], -1, 1))
        won |= reward > 0
        if (terminated | truncated).any():
            worlds.reset(options={"reset_mask": terminated | truncated})
    assert won.all()


def test_clear_errors():
    worlds = disabled("PointMaze-U-v0", 3)
    with pytest.raises(ValueError, match=r"desired goals are \[2, 2\], expected \[3, 2\]"):
        worlds.ask(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"goals are \[3, 2\] and \[3, 4\], expected both \[M, 2\]"):
        worlds.reached(np.zeros((3, 2)), np.zeros((3, 4)))
    with pytest.raises(ValueError, match="unknown goal part 'objects', PointMazeU has position"):
        worlds.reached(np.zeros((3, 2)), np.zeros((3, 2)), ["objects"])
    with pytest.raises(ValueError, match="goal parts are 'position', expected a sequence"):
        type(worlds.world)(goal="position")
    with pytest.raises(ValueError, match="Reacher has no goals"):
        MujocoEnv("Reacher-v5").worlds.achieved_goal()


@pytest.mark.parametrize("name", ["BlockPush-v0", "BlockPush-Two-v0"])
def test_blocks_ball_and_goals_start_apart_and_everywhere(name):
    worlds = disabled(name, 3000)
    start, goal = worlds.achieved_goal(), worlds.desired_goal()
    for places in (start, goal):
        assert np.abs(places).max() < 0.9
        assert np.abs(places.min(axis=0) + 0.9).max() < 0.02
        assert np.abs(places.max(axis=0) - 0.9).max() < 0.02
        things = places.reshape(3000, -1, 2)
        for k in range(1, things.shape[1]):
            assert np.hypot(*(things[:, 0] - things[:, k]).T).min() > 0.1 + 0.15 * np.sqrt(2) - 1e-9
        if things.shape[1] == 3:
            assert np.hypot(*(things[:, 1] - things[:, 2]).T).min() > 0.3 * np.sqrt(2) - 1e-9
    angle = worlds.engine.moment().qpos[:, 4]
    assert np.abs(np.quantile(angle, [0, 0.25, 0.5, 0.75, 1]) / (np.pi / 4) - [-1, -0.5, 0, 0.5, 1]).max() < 0.06
    assert not worlds.engine.moment().qvel.any()
    assert not worlds.reached(start, goal).any()


def test_what_counts_can_be_chosen():
    """By hand, ball and block: the ball is off by .05 and the block by .2, then the other way round. Tolerance: .1."""
    achieved = np.zeros((2, 4))
    desired = np.array([[0.05, 0.0, 0.0, 0.2], [0.0, 0.2, 0.05, 0.0]])
    task = world("BlockPush-v0")
    assert task.reached(achieved, desired).tolist() == [False, True]
    assert task.reached(achieved, desired, ["position"]).tolist() == [True, False]
    assert task.reached(achieved, desired, ["position", "objects"]).tolist() == [False, False]
    both = BlockPush(goal=("objects", "position"))
    assert both.parts == ("position", "objects")
    worlds = MujocoVectorEnv(both, 3)
    observation, _ = worlds.reset(seed=0)
    assert observation.shape == (3, 15)
    np.testing.assert_array_equal(observation[:, 11:], worlds.desired_goal() - worlds.achieved_goal())


def test_two_blocks_need_both():
    achieved = np.zeros((3, 6))
    desired = np.array([[9, 9, 0, 0.09, 0.09, 0], [9, 9, 0, 0.09, 0.11, 0], [9, 9, 0.08, 0.08, 0, 0]])
    assert world("BlockPush-Two-v0").reached(achieved, desired).tolist() == [True, False, False]


def test_what_is_seen_of_a_block():
    worlds = disabled("BlockPush-v0", 1)
    now = worlds.engine.moment()
    now.qpos[:], now.qvel[:] = [0.2, 0.1, 0.5, -0.3, np.pi / 12], [1.0, 2.0, 3.0, 4.0, 5.0]
    worlds.ask(np.array([[9.0, 9.0, 0.6, 0.1]]))
    expected = [0.2, 0.1, 1, 2, 0.3, -0.4, 0.5, np.sqrt(0.75), 3, 4, 5, 0.1, 0.4]  # cos and sin of π/3
    np.testing.assert_allclose(worlds.observe()[0], expected, atol=1e-12)


def pusher(seen: np.ndarray) -> np.ndarray:
    """Actions [N, 2] by hand: go around the block to the side away from its goal, then push it there."""
    speed, to_block, to_goal = seen[:, 2:4], seen[:, 4:6], seen[:, 11:13]
    far = np.linalg.norm(to_goal, axis=1)
    ahead = to_goal / far[:, None]
    side = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    x, y = -(to_block * ahead).sum(axis=1), -(to_block * side).sum(axis=1)  # the ball, as the block sees it
    before, near = x > -0.25, np.abs(y) < 0.34
    aim = np.stack([np.full_like(x, -0.36), np.zeros_like(y)], axis=1)  # behind it
    out, back = before & near, before & ~near
    aim[out] = np.stack([x, np.copysign(0.45, y)], axis=1)[out]
    aim[back] = np.stack([np.full_like(x, -0.45), np.copysign(0.42, y)], axis=1)[back]
    way = aim - np.stack([x, y], axis=1)
    pushing = ~before & (np.abs(y) < 0.05)
    way[pushing] = np.stack([np.minimum(far, 0.15), -4 * y], axis=1)[pushing]
    return np.clip(6 * (way[:, :1] * ahead + way[:, 1:] * side) - speed, -1, 1)


def test_blocks_can_be_brought_to_their_goals():
    """A hand-written player does it in nearly all episodes, in good time."""
    worlds = disabled("BlockPush-v0", 60)
    won, over = np.zeros(60, bool), np.zeros(60, bool)
    for _ in range(300):
        _, reward, terminated, truncated, _ = worlds.step(pusher(worlds.observe()))
        won |= (reward > 0) & ~over
        over |= terminated | truncated
        worlds.state.over[:] = False  # play on: others are not through
    assert won.mean() > 0.95


@pytest.mark.parametrize("name", ["PointMaze-U-v0", "BlockPush-v0"])
def test_a_tolerance_of_ones_own(name):
    wide = disabled(name, 2, tolerance=0.7)
    goal = wide.achieved_goal()
    part = wide.world.places[wide.world.parts[0]]
    goal[:, part.start] += [0.68, 0.72]
    wide.ask(goal)
    assert wide.step(np.zeros((2, 2)))[2].tolist() == [True, False]
    assert world(name).tolerance[wide.world.parts[0]] <= 0.3  # that of the world itself is what it was
    start = disabled(name, 500, tolerance=0.7)
    assert not start.reached(start.achieved_goal(), start.desired_goal()).any()
    assert MujocoEnv(name, tolerance=0.7).worlds.world.tolerance == wide.world.tolerance
