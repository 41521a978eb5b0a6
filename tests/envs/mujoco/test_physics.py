"""Our own worlds are physically sane: closed forms, energy, and walls that hold."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from envs.mujoco import MujocoVectorEnv
from envs.mujoco.worlds import GOAL_WORLDS

POINT_MAZES = [name for name in GOAL_WORLDS if name.startswith(("PointMaze", "Corridor"))]


def asking_nothing(name: str, count: int) -> MujocoVectorEnv:
    worlds = MujocoVectorEnv(name, count, max_steps=10**6, autoreset_mode=AutoresetMode.DISABLED)
    worlds.reset(seed=1)
    worlds.ask(np.full((count, worlds.world.goal_size), np.nan))
    return worlds


def test_free_flight_and_full_throttle_are_the_closed_forms():
    """m v' = F u - c v by implicit Euler: v <- (v + h F/m u) / (1 + h c/m), x <- x + h v, five times a step."""
    worlds = asking_nothing("PointMaze-Open-v0", 2)
    now = worlds.engine.moment()
    now.qpos[:], now.qvel[:] = [[-1.5, 0.5]], [[2.0, -0.5], [0.0, 0.0]]
    actions = np.array([[0.0, 0.0], [1.0, 0.25]])
    x, v = now.qpos.copy(), now.qvel.copy()
    for _ in range(10):
        worlds.step(actions)
        for _ in range(5):
            v = (v + 0.01 * 10 * actions) / 1.04
            x += 0.01 * v
    np.testing.assert_allclose(worlds.achieved_goal(), x, atol=1e-12)
    assert v[1] == pytest.approx([2.5, 0.625], rel=0.15)  # F u / c, nearly


@pytest.mark.parametrize("name", POINT_MAZES)
def test_energy_does_not_grow_without_actuation(name):
    """Between contacts only the ball's motion holds energy, and it never has more than at any such time before."""
    worlds = asking_nothing(name, 200)
    maze, radius = worlds.world.maze, worlds.world.radius
    worlds.engine.moment().qvel[:] = np.random.default_rng(0).normal(0, 3, (200, 2))
    first = most = 0.5 * (worlds.engine.moment().qvel ** 2).sum(axis=1)
    still, touched = np.zeros((200, 2)), np.zeros(200, bool)
    for _ in range(100):
        worlds.step(still)
        free = maze.clearance(worlds.achieved_goal()) > radius
        touched |= ~free
        energy = 0.5 * (worlds.engine.moment().qvel ** 2).sum(axis=1)
        assert (energy <= first).all()
        assert (energy <= most)[free].all()
        most = np.where(free, energy, most)
    assert touched.mean() > 0.2
    assert energy.max() < 1e-6 * first.max()


def throttles(worlds: MujocoVectorEnv, kind: str, step: int, rng: np.random.Generator, held: np.ndarray) -> np.ndarray:
    """Actions at full throttle: one direction for ever, random ones held for a while, or at the next corner."""
    if kind == "random":
        new = rng.random(len(held)) < 0.1
        held[new] = rng.choice([-1.0, 0.0, 1.0], (int(new.sum()), 2))
    elif kind == "corners":
        x0, y0, x1, y1 = worlds.world.maze.walls.T
        corners = np.concatenate([np.stack(pair, axis=1) for pair in ((x0, y0), (x0, y1), (x1, y0), (x1, y1))])
        place = worlds.achieved_goal()
        nearest = np.linalg.norm(corners - place[:, None], axis=2).argmin(axis=1)
        held[:] = np.where(step % 60 < 45, 1.0, -1.0) * np.sign(corners[nearest] - place)  # run up, and again
    return held


@pytest.mark.parametrize("kind", ["steady", "random", "corners"])
@pytest.mark.parametrize("name", POINT_MAZES)
def test_walls_hold_at_full_throttle(name, kind):
    """The ball never sinks in by 3 cm. Walls are 1 m thick, and a step is shorter than .18 m: no tunnels."""
    count = 96
    worlds = asking_nothing(name, count)
    maze, radius = worlds.world.maze, worlds.world.radius
    rng = np.random.default_rng(0)
    turn = np.arange(count) * 2 * np.pi / 24
    held = np.clip(1.5 * np.stack([np.cos(turn), np.sin(turn)], axis=1), -1, 1)
    place, touched = worlds.achieved_goal(), np.zeros(count, bool)
    for step in range(300):
        worlds.step(throttles(worlds, kind, step, rng, held))
        before, place = place, worlds.achieved_goal()
        assert np.hypot(*(place - before).T).max() < 0.178  # √2 · 2.5 m/s for .05 s
        clearance = maze.clearance(place)
        assert clearance.min() > radius - 0.03
        touched |= clearance < radius
        assert np.hypot(*worlds.engine.moment().qvel.T).max() < 3.6
    assert touched.mean() > 0.9
