"""The noisy television in MuJoCo's worlds: what it shows, to whom, and what a press is."""

from __future__ import annotations

import numpy as np
import pytest

from envs.mujoco.coverage import Explored
from envs.mujoco.maze import LAYOUTS, Maze
from envs.mujoco.rollout_world import MujocoWorld
from envs.mujoco.tv import NoisyTV, picture_numbers, signs, with_tv
from envs.noisy_tv import TVSpec

D = 6  # numbers that a point maze shows


def make(text: str, world: str = "PointMaze-Medium-v0", num_envs: int = 16, seed: int = 5, channels=("position",)):
    tv = with_tv(MujocoWorld(world, num_envs, channels=channels), TVSpec.parse(text), seed)
    assert isinstance(tv, NoisyTV)
    return tv


def outputs(world) -> list[np.ndarray]:
    rows = [np.zeros((world.num_envs, world.row_width), np.float32) for _ in range(2)]
    return [*rows, np.zeros(world.num_envs), np.zeros(world.num_envs, bool), np.zeros(world.num_envs, bool)]


def pictures(tv, steps: int) -> np.ndarray:
    """float32 [steps + 1, N, C]: what is shown while nobody moves."""
    found, out = [tv.reset(0)], outputs(tv)
    for _ in range(steps):
        tv.step(np.zeros((tv.num_envs, *tv.action_space.shape), np.float32), *out)
        found.append(out[0].copy())
    return np.stack(found)[:, :, tv.columns["shown"]][:, :, len(tv.world.reset(0)[0, tv.world.columns["obs"]]) :]


@pytest.mark.parametrize(
    ("world", "extent", "size"),
    [("PointMaze-U-v0", "cell", 1), ("PointMaze-U-v0", "quadrant", 2), ("PointMaze-U-v0", "view", 6),
     ("Ant-v5", "cell", 1), ("Ant-v5", "quadrant", 35), ("Ant-v5", "view", 105),
     ("InvertedPendulum-v5", "quadrant", 2)],
)  # fmt: skip
def test_how_many_numbers_it_is(world, extent, size):
    bare = MujocoWorld(world, 2)
    tv = make(f"every-step,iid,{extent},everywhere", world, 2, channels=())
    seen = bare.observation_space.shape[0]
    assert tv.observation_space.shape == (seen + size,)
    rows = tv.reset(0)
    assert (rows[:, seen : seen + size] != 0).all()
    assert rows.shape == (2, 2 * (seen + size) + 1)


def test_a_press_is_one_number_more_and_the_physics_never_gets_it():
    tv = make("remote,iid,cell,everywhere", num_envs=4)
    assert tv.press_action == 2
    np.testing.assert_array_equal(tv.action_space.low, [-1, -1, -1])
    np.testing.assert_array_equal(tv.action_space.high, [1, 1, 1])
    out = outputs(tv)
    tv.reset(0)
    before = tv.state_dict()["tv.canvas"]
    tv.step(np.array([[0, 0, 0.75], [0, 0, 0.76], [1, 1, -1], [0, 0, 1]], np.float32), *out)
    changed = (tv.state_dict()["tv.canvas"] != before).any(axis=1)
    assert changed.tolist() == [False, True, False, True]
    where = out[0][:, tv.columns["position"]]
    assert np.linalg.norm(tv.world.env.engine.moment().qvel, axis=1).astype(bool).tolist() == [
        False,
        False,
        True,
        False,
    ]
    tv.reset(0)
    tv.step(np.array([[0, 0, 1], [0, 0, -1], [1, 1, 1], [0, 0, 0]], np.float32), *out)
    np.testing.assert_array_equal(out[0][:, tv.columns["position"]], where)
    with pytest.raises(ValueError, match=r"environment 0, step 2: the action is float32 \[2\], expected floats \[3\]"):
        tv.step(np.zeros((4, 2), np.float32), *out)
    with pytest.raises(ValueError, match=r"environment 1, step \d+: PRESS, action\[2\], is nan"):
        tv.step(np.array([[0, 0, 0], [0, 0, np.nan], [0, 0, 0], [0, 0, 0]], np.float32), *out)


def test_who_acts_uniformly_presses_once_in_eight():
    tv = make("sham,frozen,cell,everywhere", num_envs=1)
    tv.action_space.seed(0)
    pressed = np.mean([tv._parts(tv.action_space.sample()[None])[1][0] for _ in range(8000)])
    assert abs(pressed - 1 / 8) < 4 * np.sqrt(7 / 64 / 8000)


def test_six_pictures_are_equally_likely_and_lie_within_the_bounds():
    shown = pictures(make("every-step,k6,view,everywhere", num_envs=64), 60).reshape(-1, 6)
    assert np.abs(shown).max() <= 1
    _, found = np.unique(shown, axis=0, return_counts=True)
    assert len(found) == 6
    expected = len(shown) / 6
    assert ((found - expected) ** 2 / expected).sum() < 20.5  # 5 degrees of freedom, p = .001


def test_one_number_of_many_pictures_takes_values_evenly_spaced():
    shown = pictures(make("every-step,k30,cell,everywhere", num_envs=64), 40)
    np.testing.assert_allclose(np.unique(shown), -1 + 2 * np.arange(30) / 29, atol=1e-6)
    np.testing.assert_allclose(np.unique(pictures(make("ride", num_envs=64), 0)), [-1, -0.6, -0.2, 0, 0.2, 0.6, 1])


def test_noise_is_uniform_and_independent():
    shown = pictures(make("every-step,iid,view,everywhere", num_envs=64), 60)
    numbers = np.sort(shown.ravel())
    assert len(np.unique(numbers)) > 0.99 * len(numbers)
    steps = (np.arange(len(numbers)) + 0.5) / len(numbers)
    assert np.abs((numbers + 1) / 2 - steps).max() < 1.95 / np.sqrt(len(numbers))  # Kolmogorov, p = .001
    flat = shown.reshape(-1, 6)
    between = np.corrcoef(flat.T)[~np.eye(6, dtype=bool)]
    after = [np.corrcoef(shown[:-1, :, k].ravel(), shown[1:, :, k].ravel())[0, 1] for k in range(6)]
    assert np.abs([*between, *after]).max() < 4 / np.sqrt(len(flat))


@pytest.mark.parametrize("extent", ["quadrant", "view"])
def test_unseen_pictures_never_repeat_and_are_two_numbers_in_turn(extent):
    shown = pictures(make(f"every-step,unseen,{extent},everywhere", num_envs=64), 150)
    shown = shown.reshape(-1, shown.shape[2])
    assert len(np.unique(shown, axis=0)) == len(shown)
    np.testing.assert_array_equal(shown, shown[:, np.arange(shown.shape[1]) % 2])
    assert np.abs(shown).max() <= 1
    assert abs(np.corrcoef(shown[:, 0], shown[:, 1])[0, 1]) < 4 / np.sqrt(len(shown))


def test_how_many_worlds_there_are_changes_no_picture():
    few, many = (pictures(make("every-step,unseen,quadrant,everywhere", num_envs=n), 20) for n in (3, 50))
    np.testing.assert_array_equal(many[:, :3], few)


def test_numbers_of_pictures_are_each_anothers():
    ids, drawn = (part.ravel() for part in np.meshgrid(np.arange(300), np.arange(300)))
    assert len(np.unique(picture_numbers(ids, drawn))) == 300**2
    assert picture_numbers(np.array([2**23]), np.array([2**23]))[0] < 2**48


def test_the_number_in_a_picture_can_be_told_from_any_other():
    numbers = np.concatenate([np.arange(20_000), 2**48 - 1 - np.arange(20_000)])
    found = signs(numbers, np.uint64(2**64 - 5))
    assert found.dtype == np.float32
    assert len(np.unique(found, axis=0)) == len(numbers)


@pytest.mark.parametrize("layout", ["U", "Medium", pytest.param("Large", marks=pytest.mark.slow)])
def test_lines_of_sight_against_points_along_them(layout):
    maze = Maze(LAYOUTS[layout], 1.0)
    rng = np.random.default_rng(0)
    half = np.array(maze.shape) / 2
    starts, ends = (rng.uniform(-half, half, (3000, 2)) for _ in range(2))
    ends = np.where(rng.random(3000)[:, None] < 0.7, starts + rng.normal(0, 1, (3000, 2)), ends)  # mostly near
    ends[:100, 0] = starts[:100, 0]  # along an axis
    shares = np.linspace(0, 1, 2001)[:, None, None]
    points = starts + (ends - starts) * shares
    clear = maze.clearance(points.reshape(-1, 2)).reshape(points.shape[:2]).min(axis=0) > 0
    found = maze.open_between(starts, ends)
    assert 0.05 < found.mean() < 0.95
    # A line that cuts a corner between two points is the only way to differ.
    assert not (found & ~clear).any()
    assert (clear & ~found).mean() < 0.002


def test_lines_of_sight_by_hand():
    maze = Maze(LAYOUTS["U"], 1.0)  # open: y = 1, x = 1, y = -1; the cells of x = -1 and 0 at y = 0 are walls
    starts = np.array([[-1.0, 1.0], [-1.0, 1.0], [1.0, 1.0], [0.2, 1.0], [1.0, 0.0], [-1.0, 0.5], [0.0, 1.0]])
    ends = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [1.0, -1.0], [0.0, 0.0], [1.0, 0.5], [0.0, 1.0]])
    assert maze.open_between(starts, ends).tolist() == [True, False, True, False, False, True, True]


def test_it_is_seen_from_near_by_where_no_wall_is_between():
    tv = make("every-step,iid,quadrant,fixed", "PointMaze-U-v0", num_envs=400)
    tv.reset(0)
    state = tv.state_dict()
    assert len(np.unique(state["tv.spot"], axis=0)) == 1
    state["tv.spot"][:] = [1.0, 1.0]  # the upper right corner of the U
    state["tv.spot"][200:] = [0.0, -1.0]
    tv.load_state_dict(state)
    rng = np.random.default_rng(0)
    cells = np.array([[-1, 1], [0, 1], [1, 1], [1, 0], [1, -1], [0, -1], [-1, -1]])
    where = cells[rng.integers(7, size=400)] + rng.uniform(-0.3, 0.3, (400, 2))
    tv.env.engine.moment().qpos[:] = where
    tv.env.ask(np.full((400, 2), np.nan))
    out = outputs(tv)
    tv.step(np.zeros((400, 2), np.float32), *out)
    seen = out[0][:, tv.columns["tv"]][:, 0] == 2
    far = np.linalg.norm(where - state["tv.spot"], axis=1) > 1.5
    # From the cell between the arms the lower spot, (0, -1), is hidden by the corner (.5, -.5) where the line to it
    # crosses y = -.5 left of that.
    x, y = where.T
    crossed = x * 0.5 / (y + 1)
    hidden = (np.arange(400) >= 200) & (x > 0.5) & (np.abs(y) < 0.5) & (crossed < 0.5)
    np.testing.assert_array_equal(seen, ~far & ~hidden)
    assert (hidden & ~far).any()
    assert 50 < seen.sum() < 350
    picture = out[0][:, tv.columns["shown"]][:, D:]
    assert (picture[seen] != 0).all()
    assert (picture[~seen] == 0).all()
    state["tv.spot"][:] = [-1.0, 1.0]
    tv.load_state_dict(state)
    tv.env.engine.moment().qpos[:] = [-1.0, -0.51]  # 1.51 below, and a wall between
    tv.step(np.zeros((400, 2), np.float32), *out)
    assert (out[0][:, tv.columns["tv"]] == 1).all()


def test_spots_are_free_cells_all_equally_likely_and_anew_in_every_episode():
    tv = make("none,frozen,cell,spot", num_envs=1000)
    spots = []
    for _ in range(3):
        tv.reset(None if spots else 0)
        spots.append(tv.state_dict()["tv.spot"])
    assert (spots[0] != spots[1]).any(axis=1).mean() > 0.9
    places, found = np.unique(np.concatenate(spots), axis=0, return_counts=True)
    maze = tv.env.world.maze
    np.testing.assert_array_equal(places, maze.centres(maze.free_cells))
    expected = 3000 / len(places)
    assert ((found - expected) ** 2 / expected).sum() < 51.2  # 24 degrees of freedom, p = .001


def test_a_fixed_place_is_one_for_all_and_its_seed_says_which():
    found = set()
    for seed in range(12):
        tv = make("remote,k6,cell,fixed", seed=seed, num_envs=4)
        places = []
        for _ in range(3):
            tv.reset(None if places else 0)
            places += [tuple(spot) for spot in tv.state_dict()["tv.spot"]]
        assert len(set(places)) == 1
        found |= set(places)
    assert len(found) > 6


def test_coverage_is_counted_over_a_television():
    plain = Explored(MujocoWorld("PointMaze-U-v0", 8, channels=("position",)))
    tv = Explored(make("every-step,iid,view,spot", "PointMaze-U-v0", 8))
    found = []
    for world in (plain, tv):
        world.env.max_steps = 30
        world.reset(3)
        out, rng = outputs(world), np.random.default_rng(0)
        for _ in range(100):
            world.step(rng.uniform(-1, 1, (8, 2)).astype(np.float32), *out)
        found.append(world.drain())
    assert len(found[0]["env"]) >= 24
    for name, array in found[0].items():
        np.testing.assert_array_equal(array, found[1][name])


def test_it_is_in_the_picture():
    plain, tv = MujocoWorld("PointMaze-U-v0", 2), make("every-step,iid,cell,fixed", "PointMaze-U-v0", 2)
    plain.reset(0)
    tv.reset(0)
    differs = (plain.frame(1) != tv.frame(1)).any(axis=2)
    scale = differs.shape[1] / 5
    x, y = tv.state_dict()["tv.spot"][1]
    rows, columns = np.nonzero(differs)
    assert abs(columns.mean() / scale - 2.5 - x) < 0.1
    assert abs(2.5 - rows.mean() / scale - y) < 0.1
    trail = np.array([[-1.0, -1.0], [1.0, -1.0]], np.float32)
    assert (plain.frame(1, trail) != plain.frame(1)).any()
    np.testing.assert_array_equal(plain.frame(1, trail)[~differs], tv.frame(1, trail)[~differs])
    other = make("every-step,iid,cell,everywhere", "PointMaze-U-v0", 2)
    other.reset(0)
    np.testing.assert_array_equal(other.frame(1), plain.frame(1))


def test_where_it_cannot_hang_is_said():
    with pytest.raises(ValueError, match="TV: Reacher has no maze to hang it in, expected place 'everywhere'"):
        make("every-step,iid,cell,spot", "Reacher-v5", 1, channels=())
    with pytest.raises(ValueError, match="TV: the world's channels are obs, expected 'position' among them"):
        make("every-step,iid,cell,fixed", channels=())
