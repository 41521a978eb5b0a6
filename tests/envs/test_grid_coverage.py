"""Coverage on hand-made levels, against counting by hand, an independent flood fill and an independent search."""

from __future__ import annotations

import numpy as np
import pytest

from envs.errors import UnmeasurableError
from envs.grid import symbols
from envs.grid.coverage import Explored, state_coverage
from envs.grid.goals import achieved_goal
from envs.grid.levels import level_spec
from envs.grid.state import DIRECTION, STEPS, GridState, X, Y
from envs.grid.tv import with_tv
from envs.grid.world import GridWorld
from envs.noisy_tv import TVSpec

LEFT, RIGHT, FORWARD = range(3)
CELLS = {"#": symbols.WALL, ".": symbols.EMPTY, "L": symbols.LAVA, "K": symbols.KEY, "B": symbols.BALL,
         "D": symbols.DOOR | symbols.LOCKED << 7, "G": symbols.GOAL}  # fmt: skip


def explored(level: str, num_envs: int, tv: str = "off") -> Explored:
    world = GridWorld(level_spec(level), num_envs, channels=("position",))
    return Explored(with_tv(world, TVSpec.parse(tv), 3))


def outputs(world) -> list[np.ndarray]:
    rows = [np.zeros((world.num_envs, world.row_width), np.uint8) for _ in range(2)]
    return [*rows, np.zeros(world.num_envs), np.zeros(world.num_envs, bool), np.zeros(world.num_envs, bool)]


def drawn(rows: list[str], x: int, y: int, direction: int, like: GridState) -> GridState:
    """A level from its picture, one string a row."""
    state = like.take([0])
    state.cells[0] = np.array([[CELLS[sign] for sign in row] for row in rows]).T
    state.agent[:] = 0
    state.agent[0, [X, Y, DIRECTION]] = x, y, direction
    return state


def loaded(world: Explored, state: GridState) -> None:
    """Begin an episode in `state`: draws it whenever a level is asked for."""
    engine = world.engine
    world.world.reset = lambda seed: engine.state.put(slice(None), state)
    world.reset(0)
    del world.world.reset


def flood(cells: np.ndarray, x: int, y: int) -> set[tuple[int, int]]:
    """Depth first, by recursion's stack: all that is neither wall nor lava."""
    found, stack = set(), [(x, y)]
    while stack:
        here = stack.pop()
        if here in found or cells[here] & 15 in (symbols.WALL, symbols.LAVA):
            continue
        found.add(here)
        stack += [(here[0] + dx, here[1] + dy) for dx, dy in ((0, 1), (1, 0), (0, -1), (-1, 0))]
    return found


def test_a_walk_by_hand():
    world = explored("Empty-6x6-v0", 1)
    world.reset(0)
    level = drawn(
        ["######",
         "#..#.#",
         "#K.D.#",
         "##L###",
         "#..BG#",
         "######"], 1, 1, 0, world.engine.state)  # fmt: skip
    loaded(world, level)
    out = outputs(world)
    # Six cells: two above, key, floor, door and the two behind it; the wall and the lava close off what is below.
    for action in (FORWARD, FORWARD, RIGHT, FORWARD, FORWARD):  # to (2, 1), into the wall, down to (2, 2), into lava
        world.step(np.array([action]), *out)
    assert out[3].all()
    drained = world.drain()
    assert drained["env"].tolist() == [0]
    assert drained["visited"].tolist() == [3]
    assert drained["reachable"].tolist() == [7]
    assert drained["coverage"].tolist() == [3 / 7]
    heat = np.zeros((6, 6), np.int64)
    heat[2, 1], heat[2, 2], heat[2, 3] = 3, 1, 1
    np.testing.assert_array_equal(drained["heat"], heat)
    nothing = world.drain()
    assert len(nothing["coverage"]) == 0
    assert nothing["heat"].sum() == 0


@pytest.mark.parametrize("level", ["FourRooms-v0", "MultiRoom-N2-S4-v0", "DoorKey-5x5-v0", "LavaGapS6-v0"])
@pytest.mark.parametrize("tv", ["off", "remote,k30,view,spot"])
def test_against_sets_of_positions(level, tv):
    world = explored(level, 16, tv)
    world.reset(1)
    rng = np.random.default_rng(0)
    state, out = world.engine.state, outputs(world)
    now = [{(int(a[X]), int(a[Y]))} for a in state.agent]
    reach = [flood(c, int(a[X]), int(a[Y])) for c, a in zip(state.cells, state.agent, strict=True)]
    expected, drained = [], []
    heat = np.zeros(state.cells.shape[1:], np.int64)
    steps = 3 * world.engine.max_steps // 2
    for t in range(steps):
        action = np.where(rng.random(16) < 0.5, FORWARD, rng.integers(7, size=16))
        before = state.take(slice(None))
        world.step(action, *out)
        for n in range(16):
            ended = bool(out[3][n] or out[4][n])
            place = out[0][n, world.columns["position"]].astype(int) - 1
            if not ended:
                assert tuple(place) == (state.agent[n, X], state.agent[n, Y])
                assert state.agent[n, STEPS] == before.agent[n, STEPS] + 1
            heat[tuple(place)] += 1
            now[n].add(tuple(place.tolist()))
            if ended:
                expected.append((n, len(now[n] & reach[n]), len(reach[n])))
                x, y = int(state.agent[n, X]), int(state.agent[n, Y])
                now[n], reach[n] = {(x, y)}, flood(state.cells[n], x, y)
        if t % 37 == 0:  # rollouts end anywhere: episodes go on
            drained.append(world.drain())
    drained.append(world.drain())
    whole = {name: np.concatenate([one[name] for one in drained]) for name in ("env", "visited", "reachable")}
    assert list(zip(*(whole[name].tolist() for name in whole), strict=True)) == expected
    assert len(expected) >= 16
    np.testing.assert_array_equal(sum(one["heat"] for one in drained), heat)
    assert heat.sum() == 16 * steps


def test_it_changes_nothing_and_goes_on_where_it_was_saved():
    actions = np.random.default_rng(2).integers(8, size=(120, 40))
    text = "remote,iid,view,spot"
    plain = with_tv(GridWorld(level_spec("MultiRoom-N2-S4-v0"), 40, channels=("position",)), TVSpec.parse(text), 3)
    whole, half = explored("MultiRoom-N2-S4-v0", 40, text), explored("MultiRoom-N2-S4-v0", 40, text)
    np.testing.assert_array_equal(plain.reset(4), whole.reset(4))
    half.reset(4)
    ours, theirs = outputs(whole), outputs(plain)
    for t, action in enumerate(actions):
        whole.step(action, *ours)
        plain.step(action, *theirs)
        for got, wanted in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(got, wanted)
        if t < 60:
            half.step(action, *theirs)
    later = explored("MultiRoom-N2-S4-v0", 40, text)
    later.load_state_dict(half.state_dict())
    for action in actions[60:]:
        later.step(action, *theirs)
    for got, wanted in zip(theirs, ours, strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert len(later.state_dict()["coverage.ended"]) > 40
    for name, array in later.state_dict().items():
        np.testing.assert_array_equal(array, whole.state_dict()[name])
    for one, other in zip(later.drain().values(), whole.drain().values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_state_coverage_of_an_empty_room():
    world = explored("Empty-5x5-v0", 2)
    world.reset(0)
    start = world.engine.state.take(slice(None))
    seen = [achieved_goal(start, direction=True)]
    out = outputs(world)
    for action in (RIGHT, RIGHT, LEFT, FORWARD, FORWARD):  # looks down and left, down again, walks two cells
        world.step(np.array([action, LEFT]), *out)
        seen.append(achieved_goal(world.engine.state, direction=True))
    visited, reachable = state_coverage(start, np.stack(seen), rule=world.engine.spec.rule)
    # Nine cells, each with four directions; onto the goal in the corner one comes looking right or down, and stays.
    assert reachable.tolist() == [34, 34]
    assert visited.tolist() == [5, 4]


def test_what_cannot_be_covered_is_said():
    with pytest.raises(ValueError, match="the world's channels are obs, expected 'position'"):
        Explored(GridWorld(level_spec("Empty-5x5-v0"), 2))
    world = explored("DoorKey-6x6-v0", 1)
    world.reset(0)
    state = world.engine.state
    seen = achieved_goal(state, direction=True)[None]
    with pytest.raises(UnmeasurableError, match="more than max_states = 100 states"):
        state_coverage(state, seen, rule=world.engine.spec.rule, max_states=100)
    obstacles = level_spec("Dynamic-Obstacles-5x5-v0")
    with pytest.raises(UnmeasurableError, match="walk by chance"):
        state_coverage(state, seen, rule=obstacles.rule)
    with pytest.raises(ValueError, match=r"visited is uint8 \[1, 40\], expected uint8 \[T, 1, G\]"):
        state_coverage(state, seen[0], rule=world.engine.spec.rule)
    with pytest.raises(ValueError, match=r"the state has no 'coverage\.marks'"):
        world.load_state_dict(world.world.state_dict())
