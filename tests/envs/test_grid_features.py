"""What grids measure of a state, against the state itself, and their states of success."""

import numpy as np
import pytest

from envs.errors import UnmeasurableError
from envs.grid.features import FEATURES
from envs.grid.fixed_levels import FixedLevels
from envs.grid.levels import level_spec
from envs.grid.state import CARRYING, OVER, X, Y
from envs.grid.symbols import DOOR, GOAL, KEY, OPEN, kind_of, state_of
from envs.grid.world import GridWorld

NAMES = tuple(FEATURES)


def counted(state, n):
    """The features of world n, cell by cell."""
    cells, agent = state.cells[n], state.agent[n]
    kinds = [(x, y, int(kind_of(cell)), int(state_of(cell))) for (x, y), cell in np.ndenumerate(cells)]
    ways = [abs(x - agent[X]) + abs(y - agent[Y]) for x, y, kind, _ in kinds if kind == GOAL]
    doors = sum(kind == DOOR and how == OPEN for _, _, kind, how in kinds)
    return [min(ways, default=0), doors, int(kind_of(agent[CARRYING]) == KEY)]


@pytest.mark.parametrize("level", ["DoorKey-5x5-v0", "LavaCrossingS9N2-v0", "Unlock-v0"])
def test_features_are_what_the_state_holds(level):
    """Of the worlds as they begin, and of successors that end nothing, which are the state after the step."""
    world = GridWorld(level_spec(level), 64, channels=("position", *NAMES))
    rows = world.reset(3)
    rng = np.random.default_rng(0)
    outcome = np.zeros(64), np.zeros(64, bool), np.zeros(64, bool)
    columns = [world.columns[name].start for name in NAMES]
    seen = set()
    for _ in range(150):
        expected = [counted(world.engine.state, n) for n in range(64)]
        np.testing.assert_array_equal(rows[:, columns], expected)
        after = np.empty_like(rows)
        world.step(rng.integers(0, 7, 64), after, rows, *outcome)
        going = ~(outcome[1] | outcome[2])
        np.testing.assert_array_equal(after[going], rows[going])
        solved = outcome[1] & (outcome[0] > 0)
        if level != "Unlock-v0":
            assert (after[solved, columns[0]] == 0).all()
        seen |= {tuple(row[1:]) for row in np.array(expected)}
    assert all(world.channel_spaces[name].nvec[0] > rows[:, world.columns[name].start].max() for name in NAMES)
    if level == "DoorKey-5x5-v0":
        assert {(0, 0), (0, 1)} <= seen


def test_measuring_changes_nothing_that_is_played():
    spec = level_spec("DoorKey-5x5-v0")
    plain, measured = GridWorld(spec, 8), GridWorld(spec, 8, channels=NAMES)
    np.testing.assert_array_equal(plain.reset(1), measured.reset(1)[:, measured.columns["obs"]])
    assert "state" in measured.columns  # what it is worked out from
    assert max(part.stop for part in measured.columns.values()) == measured.row_width
    before = measured.state_dict()
    np.testing.assert_array_equal(measured.rows_of(before), measured._rows())


@pytest.mark.parametrize("level", ["Empty-5x5-v0", "DoorKey-5x5-v0", "LavaGapS5-v0", "GoToDoor-5x5-v0"])
def test_states_of_success_are_solved(level):
    """Their worlds are over, and where there is a goal tile the agent stands on it."""
    spec = level_spec(level)
    world = GridWorld(spec, 48, channels=("state", "goal_distance"))
    rows = world.success_rows(7)
    assert 24 <= len(rows) <= 48  # some are lost to lava, or drop the key where it is in the way
    assert world.engine.state.agent[:, OVER].sum() >= len(rows)
    if level != "GoToDoor-5x5-v0":
        assert (rows[:, world.columns["goal_distance"]] == 0).all()
    assert len(np.unique(rows[:, world.columns["state"]], axis=0)) > 1
    np.testing.assert_array_equal(rows, world.success_rows(7))


def test_successes_are_of_the_levels_that_are_played():
    spec = level_spec("DoorKey-5x5-v0")
    world = GridWorld(spec, 16, channels=("state",), fixed=FixedLevels(spec, 1, 4))
    rows = world.success_rows(0)[:, world.columns["state"]]
    solved, walls = rows[:, :9] > 0, world.reset(9)[:, world.columns["state"]][:, :9] > 0
    assert len(np.unique(rows[:, 6:9], axis=0)) == 1  # the last column: walls and goal of the one level
    assert solved.shape[1:] == walls.shape[1:]


def test_where_balls_walk_by_chance_no_success_is_known():
    with pytest.raises(UnmeasurableError, match="by chance"):
        GridWorld(level_spec("Dynamic-Obstacles-5x5-v0"), 2).success_rows(0)
