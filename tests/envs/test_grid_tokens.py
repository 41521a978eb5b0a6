"""The learners' rows against MiniGrid's images and the state itself."""

from __future__ import annotations

import numpy as np
import pytest
from side_by_side import ScatteredEnv

from envs.grid import from_minigrid, symbols
from envs.grid.engine import GridEngine
from envs.grid.levels import level_spec
from envs.grid.levels.spec import LevelSpec
from envs.grid.state import CARRYING, DIRECTION, MISSION, X, Y
from envs.grid.tokens import SEGMENTS, TokenLayout, image_layout, token_space


def _scattered(count: int = 40):
    envs = [ScatteredEnv(objects=25) for _ in range(count)]
    rng = np.random.default_rng(0)
    for n, env in enumerate(envs):
        env.reset(seed=n)
        for _ in range(30):
            env.step(int(rng.integers(7)))
    return from_minigrid(envs)


@pytest.mark.parametrize("view_size", [3, 7, 9])
def test_each_segment_says_what_the_state_holds(view_size):
    worlds = _scattered()
    state, spec = worlds.state, worlds.level
    layout = TokenLayout(spec, SEGMENTS, view_size)
    assert layout.names == SEGMENTS
    rows = np.full((worlds.num_envs, layout.width), 255, np.uint8)
    worlds.engine.write(rows, layout)
    assert (rows < layout.nvec).all()
    part = {name: rows[:, place] for name, place in layout.slices.items()}

    images = np.empty((worlds.num_envs, view_size, view_size, 3), np.uint8)
    worlds.engine.write_images(images, view_size)
    np.testing.assert_array_equal(symbols.TRIPLE[part["view"]], images.reshape(worlds.num_envs, -1, 3))
    assert (part["view"] == 0).any()

    interior = symbols.SYMBOL[state.cells[:, 1:-1, 1:-1] & symbols.LOOK].reshape(worlds.num_envs, -1)
    np.testing.assert_array_equal(part["full"], np.where(interior == symbols.SYMBOL[symbols.EMPTY], 0, interior))
    np.testing.assert_array_equal(part["position"], 1 + state.agent[:, [X, Y]])
    np.testing.assert_array_equal(part["direction"][:, 0], 1 + state.agent[:, DIRECTION])
    carried = state.agent[:, CARRYING]
    np.testing.assert_array_equal(symbols.PACKED[part["carried"][:, 0]], carried & symbols.LOOK)
    assert (carried > 0).any()
    np.testing.assert_array_equal(part["mission"], 1 + state.agent[:, MISSION : MISSION + 1])


def test_every_symbol_goes_there_and_back():
    used = symbols.TRIPLE[1:].any(axis=1)
    numbers = np.arange(1, symbols.NUM_SYMBOLS)[used]
    np.testing.assert_array_equal(symbols.SYMBOL[symbols.PACKED[numbers]], numbers)


def test_the_order_of_segments_is_fixed_and_widths_add_up():
    spec = level_spec("KeyCorridorS3R1-v0")
    layout = TokenLayout(spec, ("mission", "carried", "view"), 5)
    assert layout.names == ("view", "carried", "mission")
    assert layout.slices == {"view": slice(0, 25), "carried": slice(25, 26), "mission": slice(26, 27)}
    assert layout.nvec.tolist() == [64] * 25 + [64, 7]
    assert layout.width == 27
    assert TokenLayout(level_spec("Empty-8x8-v0")).names == ("view", "direction", "mission")
    assert TokenLayout(level_spec("Empty-8x8-v0")).width == 50  # its mission has no codes


def test_advance_gives_the_true_successor_and_what_to_act_on():
    spec = level_spec("Empty-5x5-v0")
    count = 64
    engine = GridEngine(spec, count, max_steps=9)
    engine.seed(3)
    engine.generate()
    twin = GridEngine(spec, count, max_steps=9)
    twin.state.put(slice(None), engine.state)
    reward, terminated, truncated = np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)
    outcome = [np.zeros_like(part) for part in (reward, terminated, truncated)]
    observation, successor, expected = (np.zeros((count, engine.layout.width), np.uint8) for _ in range(3))
    rng = np.random.default_rng(0)
    for _ in range(40):
        actions = rng.integers(7, size=count)
        engine.advance(actions, reward, terminated, truncated, observation, successor)
        twin.step(actions, *outcome)
        twin.write_tokens(expected)
        np.testing.assert_array_equal(successor, expected)
        done = terminated | truncated
        if done.any():
            twin.generate(done)
        twin.write_tokens(expected)
        np.testing.assert_array_equal(observation, expected)
        for part, other in zip((reward, terminated, truncated), outcome, strict=True):
            np.testing.assert_array_equal(part, other)
        for name in ("cells", "agent", "stream"):
            np.testing.assert_array_equal(getattr(engine.state, name)[~done], getattr(twin.state, name)[~done])
            np.testing.assert_array_equal(getattr(engine.state, name), getattr(twin.state, name))


def test_worlds_that_are_not_active_are_left_alone():
    spec = level_spec("DoorKey-6x6-v0")
    engine = GridEngine(spec, 10)
    engine.seed(0)
    engine.generate()
    before = engine.state.take(slice(None))
    active = np.arange(10) % 3 == 0
    reward = np.full(10, 7.0)
    terminated, truncated = np.ones(10, bool), np.ones(10, bool)
    rows = np.full((10, engine.layout.width), 99, np.uint8)
    engine.advance(np.ones(10, np.int64), reward, terminated, truncated, rows, active=active)
    assert reward.tolist() == [0.0 if on else 7.0 for on in active]
    np.testing.assert_array_equal(terminated, ~active)
    np.testing.assert_array_equal(truncated, ~active)
    assert (rows[~active] == 99).all()
    assert (rows[active] < 99).all()
    np.testing.assert_array_equal(engine.state.agent[~active], before.agent[~active])
    assert (engine.state.agent[active] != before.agent[active]).any(axis=1).all()


@pytest.mark.parametrize(
    ("segments", "view_size", "message"),
    [
        (("view", "carrying"), 7, "segments names 'carrying'"),
        ("view", 7, "expected a sequence of names"),
        ((), 7, "expected a sequence of names"),
        (("view",), 4, "view_size is 4, expected an odd number from 3 to 61"),
        (("view",), 63, "view_size is 63"),
        (("view",), 7.0, "view_size is 7.0"),
    ],
)
def test_a_wrong_layout_is_one_line(segments, view_size, message):
    with pytest.raises(ValueError, match=message):
        TokenLayout(level_spec("Empty-8x8-v0"), segments, view_size)


def test_a_token_space_counts_beyond_a_byte():
    space = token_space(np.array([256, 5]))
    assert space.nvec.tolist() == [256, 5]
    assert sum(space.nvec) == 261
    assert np.array([255, 4], np.uint8) in space
    assert np.array([255, 5], np.uint8) not in space
    space.seed(0)
    drawn = np.array([space.sample() for _ in range(2000)])
    assert drawn.dtype == np.uint8
    assert drawn.max(0).tolist() == [255, 4]


def test_arrays_of_the_wrong_shape_are_named():
    engine = GridEngine(level_spec("Empty-5x5-v0"), 3)
    good = (np.zeros(3, np.int64), np.zeros(3), np.zeros(3, bool), np.zeros(3, bool))
    with pytest.raises(ValueError, match=r"reward is float32 \[3\], expected an array float64 \[3\]"):
        engine.step(good[0], np.zeros(3, np.float32), *good[2:])
    with pytest.raises(ValueError, match=r"observation is uint8 \[3, 9\]"):
        engine.advance(*good, np.zeros((3, 9), np.uint8))
    with pytest.raises(ValueError, match=r"active is int64 \[3\]"):
        engine.step(*good, active=np.ones(3, np.int64))
    with pytest.raises(ValueError, match=r"actions are float64 \[3\]"):
        engine.step(np.zeros(3), *good[1:])
    with pytest.raises(ValueError, match="action of environment 1 is -1, expected 0 to 6"):
        engine.step(np.array([0, -1, 7]), *good[1:])
    with pytest.raises(ValueError, match="seed is -1"):
        engine.seed(-1)
    with pytest.raises(ValueError, match="num_envs is 0"):
        GridEngine(level_spec("Empty-5x5-v0"), 0)


def test_the_view_table_and_the_level_agree_on_image_bytes():
    spec: LevelSpec = level_spec("DoorKey-8x8-v0")
    engine = GridEngine(spec, 5, image_layout(7))
    engine.seed(1)
    engine.generate()
    flat = np.zeros((5, 147), np.uint8)
    engine.write(flat)
    images = np.zeros((5, 7, 7, 3), np.uint8)
    engine.write_images(images)
    np.testing.assert_array_equal(flat.reshape(images.shape), images)
