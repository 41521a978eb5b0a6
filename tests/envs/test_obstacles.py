"""Dynamic-Obstacles: balls walk as minigrid's do, by distribution; what a step then does is exact (side_by_side)."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from minigrid.core.world_object import Ball
from minigrid.envs import DynamicObstaclesEnv
from scipy.stats import chi2

from envs.errors import UnmeasurableError
from envs.grid import from_minigrid, symbols
from envs.grid.levels import level_spec, rules
from envs.grid.oracle import shortest_to_reward
from envs.grid.state import DIRECTION, GridState, X, Y
from envs.grid.vector_env import GridVectorEnv

CROWD = ((2, 2), (3, 2), (2, 3))  # three balls in one another's way, the agent beside them
AGENT = (3, 3)


def crowded() -> DynamicObstaclesEnv:
    env = DynamicObstaclesEnv(size=6, n_obstacles=3)
    env.reset(seed=0)
    place(env)
    return env


def place(env: DynamicObstaclesEnv) -> None:
    for ball in env.obstacles:
        env.grid.set(*ball.cur_pos, None)
    for ball, (x, y) in zip(env.obstacles, CROWD, strict=True):
        env.put_obj(ball, x, y)
    env.agent_pos, env.agent_dir, env.step_count = AGENT, 0, 0


def theirs(trials: int, steps: int) -> Counter:
    env = crowded()
    env.gen_obs = dict  # not looked at, and most of the time otherwise
    found: Counter = Counter()
    for _ in range(trials):
        place(env)
        for _ in range(steps):
            env.step(0)
        found[tuple(tuple(map(int, ball.cur_pos)) for ball in env.obstacles)] += 1
    return found


def ours(trials: int, steps: int) -> Counter:
    start = from_minigrid([crowded()])
    worlds = GridVectorEnv(start.level, trials, autoreset_mode="Disabled")
    one = start.snapshot()
    worlds.restore(GridState(*(np.repeat(part, trials, 0) for part in (one.cells, one.agent, one.stream))))
    worlds.engine.seed(5)
    for _ in range(steps):
        worlds.step(np.zeros(trials, int))
    found: Counter = Counter()
    for cells in worlds.state.cells:
        balls = np.argwhere(cells & 15 == symbols.BALL)
        order = np.argsort([symbols.contents_of(cells[x, y]) for x, y in balls])
        found[tuple(tuple(map(int, balls[k])) for k in order)] += 1
    return found


@pytest.mark.parametrize(("steps", "trials"), [(1, 6000), (2, 6000)])
def test_balls_walk_as_minigrids_do(steps, trials):
    """Two-sample chi-square over where the three balls are, told apart; rare outcomes are pooled."""
    first, second = ours(10 * trials, steps), theirs(trials, steps)
    outcomes = sorted(set(first) | set(second))
    assert len(outcomes) > 100
    table = np.array([[counts[outcome] for outcome in outcomes] for counts in (first, second)], float)
    rare = table.sum(0) < 50
    table = np.column_stack([table[:, ~rare], table[:, rare].sum(1)])
    table = table[:, table.sum(0) > 0]
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    assert chi2.sf(((table - expected) ** 2 / expected).sum(), table.shape[1] - 1) > 1e-3


def world(*balls: tuple[int, int]) -> GridVectorEnv:
    """One world of Dynamic-Obstacles-5x5 with the agent at (1, 1) facing +x and balls where told."""
    env = DynamicObstaclesEnv(size=5, n_obstacles=2)
    env.reset(seed=0)
    for ball in env.obstacles:
        env.grid.set(*ball.cur_pos, None)
    env.obstacles = [Ball() for _ in balls]
    for ball, (x, y) in zip(env.obstacles, balls, strict=True):
        env.put_obj(ball, x, y)
    worlds = from_minigrid([env])
    worlds.engine.seed(1)
    return worlds


def test_walking_into_what_was_ahead_costs_one_even_if_it_moves_away():
    for seed in range(20):
        worlds = world((2, 1))
        worlds.engine.seed(seed)
        _, reward, terminated, truncated, _ = worlds.step(np.array([2]))
        assert (reward[0], terminated[0], truncated[0]) == (-1.0, True, False)
        assert worlds.state.agent[0, X] == 2  # the ball always moves: it has free cells around it


def test_a_ball_that_moves_into_the_way_only_stops_the_agent():
    seen = set()
    for seed in range(60):
        worlds = world((3, 1))
        worlds.engine.seed(seed)
        _, reward, terminated, _, _ = worlds.step(np.array([2]))
        blocked = worlds.state.cells[0, 2, 1] & 15 == symbols.BALL
        assert (worlds.state.agent[0, X] == 1) == blocked
        assert (reward[0], terminated[0]) == (0.0, False)
        seen.add(blocked)
    assert seen == {False, True}


def test_walls_cost_as_balls_do_and_turning_is_free():
    worlds = world((3, 2))
    worlds.state.agent[0, DIRECTION] = 3
    assert worlds.step(np.array([0]))[1:3] == (0.0, False)
    worlds = world((3, 2))
    worlds.state.agent[0, DIRECTION] = 3
    assert worlds.step(np.array([2]))[1:3] == (-1.0, True)


def test_an_enclosed_ball_stays():
    worlds = world((1, 3))
    cells = worlds.state.cells[0]
    cells[1, 2] = cells[2, 2] = cells[2, 3] = symbols.pack(symbols.WALL, symbols.GREY)
    for _ in range(5):
        worlds.step(np.array([0]))
        assert cells[1, 3] & 15 == symbols.BALL


def test_there_is_no_oracle_where_chance_walks():
    spec = level_spec("Dynamic-Obstacles-5x5-v0")
    assert spec.rule == rules.RULE_OBSTACLES
    worlds = GridVectorEnv(spec, 2)
    worlds.reset(seed=0)
    assert (worlds.state.agent[:, [X, Y]] == 1).all()
    with pytest.raises(UnmeasurableError, match="walk by chance"):
        shortest_to_reward(worlds.state, rule=spec.rule)
