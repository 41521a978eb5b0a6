"""Our own worlds are physically sane: closed forms, energy, and walls that hold."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from envs.mujoco import MujocoVectorEnv
from envs.mujoco.worlds import GOAL_WORLDS
from envs.mujoco.worlds.ant_maze import AntMazeU

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


PUSH = [name for name in GOAL_WORLDS if name.startswith("BlockPush")]


def parts(worlds: MujocoVectorEnv) -> tuple[np.ndarray, ...]:
    """Ball [N, 2], blocks [N, B, 3], and their velocities; live."""
    now, count = worlds.engine.moment(), worlds.num_envs
    blocks = (numbers[:, 2:].reshape(count, -1, 3) for numbers in (now.qpos, now.qvel))
    place, speed = blocks
    return now.qpos[:, :2], place, now.qvel[:, :2], speed


def test_a_push_is_the_closed_form():
    """Both together: 10 N against viscous friction of 4 + 10 N s/m. Then the block glides m v / c."""
    worlds = asking_nothing("BlockPush-v0", 1)
    now = worlds.engine.moment()
    now.qpos[:], now.qvel[:] = [-1.3, 0, -0.9, 0, 0], 0
    for _ in range(30):
        worlds.step(np.array([[1.0, 0.0]]))
    assert now.qvel[0] == pytest.approx([10 / 14, 0, 10 / 14, 0, 0], abs=1e-3)
    assert now.qpos[0, 2] - now.qpos[0, 0] == pytest.approx(0.25, abs=2e-3)  # they touch
    speed, place = now.qvel[0, 2], now.qpos[0, 2]
    now.qpos[:, 0], now.qvel[:, 0] = -1.3, 0
    for _ in range(30):
        worlds.step(np.zeros((1, 2)))
    assert now.qpos[0, 2] - place == pytest.approx(0.5 * speed / 10, rel=0.01)


@pytest.mark.parametrize("name", PUSH)
def test_the_energy_on_the_table_does_not_grow_without_actuation(name):
    worlds = asking_nothing(name, 200)
    worlds.engine.moment().qvel[:] = np.random.default_rng(0).normal(0, 3, worlds.engine.moment().qvel.shape)

    def energy() -> np.ndarray:
        _, _, ball, blocks = parts(worlds)
        turning = 0.5 * 2 * 0.3**2 / 12
        moving = (ball**2).sum(axis=1) + 0.5 * (blocks[..., :2] ** 2).sum(axis=(1, 2))
        return 0.5 * (moving + turning * (blocks[..., 2] ** 2).sum(axis=1))

    first = energy()
    for _ in range(100):
        worlds.step(np.zeros((200, 2)))
        assert (energy() <= first).all()
    assert energy().max() < 1e-6 * first.max()


@pytest.mark.parametrize("kind", ["random", "chase"])
@pytest.mark.parametrize("name", PUSH)
def test_nothing_leaves_the_table_or_sinks_into_another(name, kind):
    worlds = asking_nothing(name, 96)
    rng, held = np.random.default_rng(0), np.zeros((96, 2))
    start, pushed = worlds.achieved_goal(), np.zeros(96, bool)
    for step in range(300):
        ball, blocks, _, _ = parts(worlds)
        new = rng.random(96) < 0.1
        held[new] = rng.choice([-1.0, 0.0, 1.0], (int(new.sum()), 2))
        if kind == "chase" and step % 30 > 5:
            held = np.clip((blocks[:, 0, :2] - ball) * 20, -1, 1)
        worlds.step(held)
        ball, blocks, fast, spinning = parts(worlds)
        assert np.abs(ball).max() < 1.5 - 0.1 + 0.03
        assert np.abs(blocks[..., :2]).max() < 1.0 + 0.03
        way = ball[:, None] - blocks[..., :2]
        cosine, sine = np.cos(blocks[..., 2]), np.sin(blocks[..., 2])
        turned = np.stack(
            [cosine * way[..., 0] + sine * way[..., 1], cosine * way[..., 1] - sine * way[..., 0]], axis=2
        )
        outside = np.maximum(np.abs(turned) - 0.15, 0)
        assert np.hypot(outside[..., 0], outside[..., 1]).min() > 0.1 - 0.03
        if blocks.shape[1] == 2:
            assert np.hypot(*(blocks[:, 0, :2] - blocks[:, 1, :2]).T).min() > 0.3 - 0.03
        assert np.hypot(*fast.T).max() < 3.6
        assert np.abs(spinning).max() < 30
        pushed |= np.abs(worlds.achieved_goal() - start)[:, 2:].max(axis=1) > 0.2
    assert pushed.mean() > (0.9 if kind == "chase" else 0.2)


def test_a_block_at_the_stops_can_be_pushed_back():
    worlds = asking_nothing("BlockPush-v0", 4)
    now = worlds.engine.moment()
    corner = np.array([[1, 1], [1, 1], [-1, 1], [1, -1]])
    now.qpos[:, 2:4], now.qpos[:, 4] = corner, [0, np.pi / 4, 0.3, np.pi / 4]
    behind = np.array([[1, 0], [0, 1], [-1, 0], [1, 0]])
    now.qpos[:, :2] = corner + 0.38 * behind
    for _ in range(20):
        worlds.step(-1.0 * behind)
    assert (((now.qpos[:, 2:4] - corner) * -behind).sum(axis=1) > 0.3).all()


def test_the_energy_of_an_ant_does_not_grow_without_actuation():
    """Weight, motion and springs, reckoned by MuJoCo, after every substep; the ant falls, and walls are near."""
    world = AntMazeU()
    model = world.model()
    model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_ENERGY
    data = mujoco.MjData(model)
    rng = np.random.default_rng(0)
    for place in ([2.0, 4.0], [-3.2, 4.0], [4.8, 0.8]):
        mujoco.mj_resetData(model, data)
        data.qpos[:2], data.qvel[:] = place, rng.normal(0, 1, model.nv)
        data.qpos[[8, 10, 12, 14]] = 1.0, -1.0, -1.0, 1.0  # within their limits: from beyond them energy would come
        mujoco.mj_forward(model, data)
        first = last = data.energy.sum()
        for _ in range(500):
            mujoco.mj_step(model, data)
            mujoco.mj_forward(model, data)
            last = data.energy.sum()
            assert last <= first + 1e-6
        assert np.abs(data.qvel).max() < 0.1
        assert last < 0.7 * first


@pytest.mark.parametrize("hold", [3, 10])
def test_walls_hold_an_ant(hold):
    """At full throttle, held for `hold` steps, it leaps metres high: it gets over no wall and into none."""
    worlds = asking_nothing("AntMaze-U-v0", 32)
    rng = np.random.default_rng(0)
    worlds.engine.moment().qvel[:, :2] = rng.normal(0, 6, (32, 2))  # thrown about: faster than it ever walks
    near, high = np.inf, 0.0
    for step in range(200):
        if step % hold == 0:
            held = rng.choice([-1.0, 1.0], worlds.action_space.shape)
        worlds.step(held)
        place = worlds.engine.moment().qpos
        near, high = min(near, worlds.world.maze.clearance(place[:, :2]).min()), max(high, place[:, 2].max())
        assert near > 0.25 - 0.05
    assert worlds.unstable == 0
    assert near < 0.5
    assert high > 2
