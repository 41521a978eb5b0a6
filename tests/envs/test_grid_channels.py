"""Channels of a grid world against the engine's state, and what their tokens look like against MiniGrid's images."""

from __future__ import annotations

import numpy as np
import pytest

from envs.grid import symbols
from envs.grid.levels import level_spec
from envs.grid.state import CARRYING, DIRECTION, X, Y
from envs.grid.tokens import SEGMENTS
from envs.grid.world import GridWorld


def _outputs(world: GridWorld) -> list[np.ndarray]:
    count, width = world.num_envs, world.row_width
    rows = [np.full((count, width), 255, np.uint8) for _ in range(2)]
    return [*rows, np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)]


def _check_channels(world: GridWorld, rows: np.ndarray) -> None:
    state = world.engine.state
    position = 1 + state.agent[:, [X, Y]]
    np.testing.assert_array_equal(rows[:, world.columns["position"]], position)
    interior = symbols.SYMBOL[state.cells[:, 1:-1, 1:-1] & symbols.LOOK].reshape(world.num_envs, -1)
    whole = np.concatenate(
        [
            np.where(interior == symbols.SYMBOL[symbols.EMPTY], 0, interior),
            position,
            1 + state.agent[:, [DIRECTION]],
            symbols.SYMBOL[state.agent[:, [CARRYING]] & symbols.LOOK],
        ],
        axis=1,
    )
    np.testing.assert_array_equal(rows[:, world.columns["state"]], whole)


@pytest.mark.parametrize(
    ("level", "segments"),
    [
        ("MultiRoom-N2-S4-v0", ("view", "direction", "mission")),
        ("DoorKey-6x6-v0", SEGMENTS),
        ("KeyCorridorS3R1-v0", ("mission",)),
    ],
)
def test_channels_stand_behind_the_policys_tokens_and_say_what_the_state_holds(level, segments):
    spec = level_spec(level)
    plain = GridWorld(spec, 32, segments)
    wide = GridWorld(spec, 32, segments, channels=("state", "position"))
    assert list(wide.columns) == ["obs", "position", "state"]
    assert wide.observation_space == plain.observation_space
    policy = wide.columns["obs"]
    assert (policy.start, policy.stop) == (0, plain.row_width)
    assert wide.row_width == wide.columns["state"].stop
    rows = wide.reset(5)
    np.testing.assert_array_equal(rows[:, policy], plain.reset(5))
    _check_channels(wide, rows)
    rng = np.random.default_rng(0)
    ours, theirs = _outputs(wide), _outputs(plain)
    ended = 0
    for step in range(400):
        action = rng.integers(7, size=32)
        wide.step(action, *ours)
        plain.step(action, *theirs)
        for part, other in zip(ours[:2], theirs[:2], strict=True):
            np.testing.assert_array_equal(part[:, policy], other)
        for part, other in zip(ours[2:], theirs[2:], strict=True):
            np.testing.assert_array_equal(part, other)
        for name, column in wide.columns.items():
            assert (ours[0][:, column] < wide.channel_spaces[name].nvec).all()
        _check_channels(wide, ours[1])
        done = ours[3] | ours[4]
        np.testing.assert_array_equal(ours[0][~done], ours[1][~done])
        ended += int(done.sum())
        if step == 0:
            before = ours[1].copy()
    assert ended > 0
    assert (before != ours[1]).any()


def test_the_successor_row_keeps_the_old_levels_channels():
    world = GridWorld(level_spec("Empty-Random-5x5-v0"), 64, channels=("position", "state"))
    world.reset(0)
    outputs = _outputs(world)
    rng = np.random.default_rng(1)
    checked = 0
    for _ in range(150):
        before = world.engine.state.take(slice(None))
        action = rng.integers(3, size=64)
        world.step(action, *outputs)
        won = outputs[3]
        # Who won walked onto the goal in the far corner.
        assert (outputs[0][won, world.columns["position"]] == 4).all()
        np.testing.assert_array_equal(before.cells[won, 3, 3] & 15, symbols.GOAL)
        checked += int(won.sum())
    assert checked > 10


def test_without_channels_rows_are_the_policys():
    world = GridWorld(level_spec("DoorKey-6x6-v0"), 3)
    assert world.columns == {"obs": slice(0, 50)}
    assert world.row_width == 50
    assert world.reset(0).shape == (3, 50)
    assert list(world.channel_spaces) == list(world.pixels) == ["obs"]


def test_pixels_are_minigrids_image_scaled():
    world = GridWorld(level_spec("DoorKey-6x6-v0"), 16, ("view", "carried", "direction"), channels=("state",))
    rows = world.reset(3)
    images = np.empty((16, 7, 7, 3), np.uint8)
    world.engine.write_images(images)
    table = world.pixels["obs"]
    assert table.dtype == np.float32
    assert table.shape == (51, 64, 3)
    seen = table[np.arange(51), rows[:, world.columns["obs"]]]
    np.testing.assert_allclose(seen[:, :49].reshape(images.shape) * (10, 5, 3), images, atol=1e-6)
    direction = world.engine.state.agent[:, DIRECTION]
    np.testing.assert_allclose(seen[:, 49], np.stack([(1 + direction) / 4, 0 * direction, 0 * direction], 1))
    np.testing.assert_allclose(seen[:, 50], np.tile([0.1, 0, 0], (16, 1)), atol=1e-7)  # nothing carried: empty

    full = np.empty((16, 6, 6, 3), np.uint8)
    world.engine.write_full_images(full)
    interior = world.pixels["state"][np.arange(16), rows[:, world.columns["state"]][:, :16]].reshape(16, 4, 4, 3)
    x, y = world.engine.state.agent[:, X], world.engine.state.agent[:, Y]
    full[np.arange(16), x, y] = 1, 0, 0  # the channel does not draw the agent
    np.testing.assert_allclose(interior * (10, 5, 3), full[:, 1:-1, 1:-1], atol=1e-6)


def test_a_wrong_channel_is_one_line():
    spec = level_spec("Empty-5x5-v0")
    with pytest.raises(ValueError, match="channels names 'positon', expected names from position, state, say 'posit"):
        GridWorld(spec, 2, channels=("positon",))
    with pytest.raises(ValueError, match="channels is 'state', expected a sequence of names"):
        GridWorld(spec, 2, channels="state")
