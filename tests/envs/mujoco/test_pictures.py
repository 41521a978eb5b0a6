"""Pictures from above: what is where."""

from __future__ import annotations

import sys

import gymnasium as gym
import numpy as np
import pytest

from envs.mujoco import MujocoVectorEnv, rendering
from envs.mujoco.pictures import AGENT, FLOOR, LIMB, THINGS, TRAIL, WALL
from envs.mujoco.worlds.block_push import TwoBlocks


def loaded(world, qpos: list[float], goal: list[float]) -> MujocoVectorEnv:
    worlds = MujocoVectorEnv(world, 2, autoreset_mode="Disabled")
    worlds.reset(seed=0)
    worlds.engine.moment().qpos[1] = qpos
    worlds.ask(np.array([goal]), [1])
    return worlds


def pixel(picture: np.ndarray, x: float, y: float, width: float, height: float) -> tuple[int, ...]:
    """The colour at x, y (m) of a picture of width x height metres around the origin."""
    rows, columns = picture.shape[:2]
    return tuple(picture[int((0.5 - y / height) * rows), int((0.5 + x / width) * columns)].tolist())


def test_a_maze():
    worlds = loaded("PointMaze-Large-v0", [-4.5, 3.1], [4.4, -3.0])
    picture = worlds.frame(1)
    assert picture.shape == (360, 480, 3)  # 9 x 12 cells of 40 pixels
    assert picture.dtype == np.uint8
    maze = worlds.world.maze
    for cell in np.ndindex(maze.shape):
        x, y = maze.centres(np.array([cell]))[0]
        if np.hypot(x + 4.5, y - 3.1) > 0.6 and np.hypot(x - 4.4, y + 3) > 0.6:
            assert pixel(picture, x, y, 12, 9) == (FLOOR if maze.free[cell] else WALL)
    assert pixel(picture, -4.5, 3.1, 12, 9) == pixel(picture, -4.6, 3.2, 12, 9) == AGENT
    assert pixel(picture, -4.5, 3.35, 12, 9) == FLOOR
    assert pixel(picture, 4.4, -3.0, 12, 9) == pixel(picture, 4.4 + 0.28, -3.0, 12, 9) == AGENT  # a dot and a ring
    assert pixel(picture, 4.4 + 0.15, -3.0, 12, 9) == FLOOR
    worlds.ask(np.full((1, 2), np.nan), [1])
    assert pixel(worlds.frame(1), 4.4, -3.0, 12, 9) == FLOOR
    assert (worlds.frame(0) != picture).any()
    assert MujocoVectorEnv("Corridor-v0").frame(0).shape == (51, 459, 3)


def test_a_table():
    worlds = loaded(TwoBlocks(), [-1.0, 0.5, 0.0, 0.0, np.pi / 4, 0.8, -0.8, 0.0], [0, 0, 0.5, 0.9, -0.9, -0.9])
    picture = worlds.frame(1)
    side = 3.2
    assert pixel(picture, -1.0, 0.5, side, side) == AGENT
    assert pixel(picture, -1.55, 0.0, side, side) == WALL
    assert pixel(picture, 0.19, 0.0, side, side) == THINGS[0]  # a corner: turned by an eighth
    assert pixel(picture, 0.13, 0.13, side, side) == FLOOR
    assert pixel(picture, 0.93, -0.67, side, side) == THINGS[1]
    assert pixel(picture, 0.5, 0.9, side, side) == pixel(picture, 0.59, 0.9, side, side) == THINGS[0]
    assert pixel(picture, -0.9, -0.9, side, side) == THINGS[1]


def test_a_goal_is_seen_on_its_block_and_on_the_ball():
    worlds = loaded(TwoBlocks(), [-1.0, 0.5, 0.0, 0.0, 0.0, 0.8, -0.8, 0.0], [0, 0, 0.05, 0.0, -1.0, 0.5])
    picture, side = worlds.frame(1), 3.2
    assert pixel(picture, 0.05 + 0.093, 0.0, side, side) == THINGS[0]
    assert pixel(picture, 0.05 + 0.103, 0.0, side, side)[0] > 150  # the light edge, on the blue block
    assert pixel(picture, -1.0 + 0.093, 0.5, side, side) == THINGS[1]  # on the red ball
    assert pixel(picture, -1.0, 0.5, side, side) == THINGS[1]


def test_an_ant_has_legs():
    worlds = loaded("AntMaze-U-v0", [4.0, 4.0, 0.75, 1, 0, 0, 0, *[0.0] * 8], [-4, -4])
    picture = worlds.frame(1)
    for x, y in ((1, 1), (-1, 1), (-1, -1), (1, -1)):  # of the model at rest they reach out .8 m in x and in y
        assert pixel(picture, 4 + 0.75 * x, 4 + 0.75 * y, 20, 20) == LIMB
        assert pixel(picture, 4 + 1.0 * x, 4 + 1.0 * y, 20, 20) == FLOOR
        assert pixel(picture, 4 + 0.5 * x, 4, 20, 20) == FLOOR
    assert pixel(picture, 4, 4, 20, 20) == AGENT
    worlds.engine.moment().qpos[1, 7:] = [0.5, 1, 0.5, -1, 0.5, -1, 0.5, 1]
    assert (worlds.frame(1) != picture).any()


def test_a_trail():
    worlds = loaded("PointMaze-Large-v0", [-4.5, 3.1], [4.4, -3.0])
    plain, picture = worlds.frame(1), worlds.frame(1, np.array([[-4.5, 2.0], [-4.5, 3.1], [-4.5, 1.0], [-4.5, 1.5]]))
    changed = (plain != picture).any(axis=-1)
    assert pixel(picture, -4.5, 2.5, 12, 9) == TRAIL
    assert pixel(picture, -4.5, 3.1, 12, 9) == AGENT  # on top of it
    rows, columns = np.nonzero(changed)
    assert 74 <= np.ptp(rows) <= 78  # from y = 1.0 m to the ball's edge at 2.9 m, 40 pixels a metre
    assert np.ptp(columns) <= 3


@pytest.mark.parametrize("world", ["Reacher-v5", "Hopper-v5", "Ant-v5"])
def test_worlds_without_goals_are_drawn_where_there_is_opengl(world):
    worlds = MujocoVectorEnv(world, 2, autoreset_mode="Disabled")
    worlds.reset(seed=0)
    try:
        first = worlds.frame(0)
    except NotImplementedError as error:
        pytest.skip(f"no OpenGL here: {error}")
    assert first.shape == (300, 400, 3)
    assert first.dtype == np.uint8
    assert first.std() > 10
    worlds.engine.moment().qpos[1] = worlds.engine.moment().qpos[0]
    worlds.engine.moment().qvel[1] = worlds.engine.moment().qvel[0]
    np.testing.assert_array_equal(worlds.frame(1), first)  # the same state, the same picture
    worlds.engine.moment().qpos[1, -1] += 1.0  # a foot, an ankle, the target
    changed = (worlds.frame(1) != first).any(axis=-1).mean()
    assert 0 < changed < 0.5


def test_what_cannot_be_drawn_is_one_line(monkeypatch):
    monkeypatch.setattr(rendering, "_backend", lambda: "nowhere")
    monkeypatch.setattr(rendering, "painter", rendering.painter.__wrapped__)  # one that may be there already is kept
    with pytest.raises(NotImplementedError, match="pictures of this world need OpenGL, and nowhere does not work here"):
        MujocoVectorEnv("Reacher-v5").frame(0)


@pytest.mark.parametrize(
    ("wanted", "found", "backend"),
    [("", ["EGL"], "egl"), ("", ["OSMesa"], "osmesa"), ("glfw", [], "glfw"), ("", [], None), ("off", ["EGL"], None)],
)
def test_which_opengl_is_taken(wanted, found, backend, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", wanted)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("ctypes.util.find_library", lambda name: name if name in found else None)
    if backend is None:
        with pytest.raises(NotImplementedError, match="which is off" if wanted else "expected EGL or OSMesa"):
            rendering._backend.__wrapped__()
    else:
        assert rendering._backend.__wrapped__() == backend


def test_an_unknown_opengl_is_one_line(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "osmessa")
    with pytest.raises(ValueError, match=r"^MUJOCO_GL is 'osmessa', expected egl, .* or off; nearest is 'osmesa'$"):
        rendering.wanted_opengl()
    with pytest.raises(NotImplementedError, match=r"nearest is 'osmesa'$"):
        rendering._backend.__wrapped__()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere GLFW needs no display variable")
@pytest.mark.parametrize(("wanted", "told"), [("glfw", "glfw does not work here"), ("foo", "MUJOCO_GL is 'foo'")])
def test_physics_goes_on_without_opengl(wanted, told, run_python, monkeypatch):
    """In a fresh Python: mujoco looks at MUJOCO_GL when it is imported. A second try must not end the process."""
    monkeypatch.setenv("MUJOCO_GL", wanted)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    said = run_python(
        "from envs.mujoco import MujocoVectorEnv\n"
        "worlds = MujocoVectorEnv('Reacher-v5')\n"
        "worlds.reset(seed=0)\n"
        "for _ in range(2):\n"
        "    worlds.step([[0.0, 0.0]])\n"
        "    try:\n"
        "        worlds.frame(0)\n"
        "    except NotImplementedError as error:\n"
        "        print(error)\n"
    )
    lines = said.stdout.splitlines()
    assert len(lines) == 2
    assert all(told in line for line in lines)
    assert said.stderr == ""


def test_gymnasiums_render():
    env = gym.make("mujoco/PointMaze-U-v0", render_mode="rgb_array")
    with pytest.raises(gym.error.ResetNeeded):
        env.render()
    env.reset(seed=0)
    np.testing.assert_array_equal(env.render(), env.unwrapped.worlds.frame(0))
    assert (env.render_mode, env.metadata["render_fps"]) == ("rgb_array", 20)  # steps of .05 s
    many = gym.make_vec("mujoco/PointMaze-U-v0", num_envs=3, render_mode="rgb_array")
    many.reset(seed=0)
    first, *others = many.render()
    np.testing.assert_array_equal(first, env.render())
    assert [picture.shape for picture in others] == [first.shape] * 2
    assert gym.make("mujoco/Hopper-v5").unwrapped.metadata["render_fps"] == 125
    assert gym.make("mujoco/Hopper-v5").unwrapped.render() is None
