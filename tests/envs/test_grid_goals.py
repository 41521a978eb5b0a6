"""Goals of grid worlds, on a hand-made 6 x 5 world."""

from __future__ import annotations

import numpy as np
import pytest

from envs.grid.goals import HEAD, OBJECT_SYMBOL, GoalTokens, achieved_goal, reached, satisfied
from envs.grid.levels import LevelSpec, MissionText
from envs.grid.state import CARRYING, DIRECTION, GridState, X, Y
from envs.grid.symbols import (
    BALL,
    BLUE,
    BOX,
    CLOSED,
    DOOR,
    EMPTY,
    FLOOR,
    GOAL,
    GREEN,
    GREY,
    KEY,
    LAVA,
    LOCKED,
    LOOK,
    OPEN,
    PURPLE,
    RED,
    SYMBOL,
    TARGET,
    WALL,
    YELLOW,
    pack,
)

SPEC = LevelSpec("Hand-v0", None, 0, (), 6, 5, 100, 0, False, 7, MissionText("none"))
SIZE = HEAD + 6 * 5


def symbol(kind, colour=0, state=0):
    return int(SYMBOL[pack(kind, colour, state)])


def hand_made(count=3) -> GridState:
    """Wall all round; a locked yellow door, a key, a ball marked as target, a box with a key inside, a goal, lava."""
    state = GridState.zeros(count, 6, 5)
    state.cells[:] = pack(WALL, GREY)
    state.cells[:, 1:5, 1:4] = EMPTY
    state.cells[:, 1, 2] = pack(DOOR, YELLOW, LOCKED)
    state.cells[:, 2, 1] = pack(KEY, YELLOW)
    state.cells[:, 3, 1] = pack(BALL, RED) | TARGET
    state.cells[:, 4, 1] = pack(BOX, BLUE) | symbol(KEY, GREEN) << 9
    state.cells[:, 4, 3] = pack(GOAL, GREEN)
    state.cells[:, 3, 3] = pack(LAVA)
    state.cells[:, 2, 3] = pack(FLOOR, PURPLE)
    state.agent[:, X], state.agent[:, Y] = 2, 2
    return state


def test_achieved_goal_by_hand():
    state = hand_made()
    state.agent[1, CARRYING] = int(pack(BALL, PURPLE)) | TARGET
    state.agent[:, DIRECTION] = 0, 3, 1
    goals = achieved_goal(state)
    assert goals.dtype == np.uint8
    assert goals.shape == (3, SIZE)
    assert goals[:, :HEAD].tolist() == [[3, 3, 0, 0], [3, 3, 0, symbol(BALL, PURPLE)], [3, 3, 0, 0]]
    expected = np.zeros((6, 5), np.uint8)
    expected[1, 2] = symbol(DOOR, YELLOW, LOCKED)
    expected[2, 1] = symbol(KEY, YELLOW)
    expected[3, 1] = symbol(BALL, RED)
    expected[4, 1] = symbol(BOX, BLUE)
    assert (goals[:, HEAD:] == expected.reshape(-1)).all()
    assert achieved_goal(state, direction=True)[:, 2].tolist() == [1, 4, 2]
    assert np.array_equal(achieved_goal(state, ids=np.array([1, 0])), goals[[1, 0]])
    assert achieved_goal(state, ids=np.array([], np.int64)).shape == (0, SIZE)
    out = np.full((3, SIZE), 9, np.uint8)
    assert achieved_goal(state, out=out) is out
    assert np.array_equal(out, goals)


def test_only_keys_balls_boxes_and_doors_are_objects():
    for look in range(LOOK + 1):
        assert OBJECT_SYMBOL[look] == (SYMBOL[look] if look & 15 in (DOOR, KEY, BALL, BOX) else 0)


def changed(change) -> tuple[GridState, GridState]:
    """A world and the same world after `change(cells, agent)`."""
    before, after = hand_made(1), hand_made(1)
    change(after.cells[0], after.agent[0])
    return before, after


CHANGES = {
    "moved": (lambda cells, agent: agent.__setitem__(X, 3), {"position"}),
    "turned": (lambda cells, agent: agent.__setitem__(DIRECTION, 2), {"direction"}),
    "carries a key": (lambda cells, agent: agent.__setitem__(CARRYING, int(pack(KEY, RED))), {"carried"}),
    "door opened": (lambda cells, agent: cells.__setitem__((1, 2), pack(DOOR, YELLOW, OPEN)), {"objects"}),
    "door closed": (lambda cells, agent: cells.__setitem__((1, 2), pack(DOOR, YELLOW, CLOSED)), {"objects"}),
    "key gone": (lambda cells, agent: cells.__setitem__((2, 1), EMPTY), {"objects"}),
    "ball elsewhere": (
        lambda cells, agent: (cells.__setitem__((3, 1), EMPTY), cells.__setitem__((3, 2), pack(BALL, RED))),
        {"objects"},
    ),
    "goal tile gone": (lambda cells, agent: cells.__setitem__((4, 3), EMPTY), set()),
    "wall instead of lava": (lambda cells, agent: cells.__setitem__((3, 3), pack(WALL, GREY)), set()),
    "other contents": (lambda cells, agent: cells.__setitem__((4, 1), pack(BOX, BLUE)), set()),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("part", ["position", "direction", "carried", "objects"])
def test_parts_notice_what_is_theirs(name, part):
    change, noticed = CHANGES[name]
    before, after = changed(change)
    goal, now = achieved_goal(before, direction=True), achieved_goal(after, direction=True)
    assert reached(now, goal, (part,)).tolist() == [part not in noticed]
    assert satisfied(after, goal, (part,)).tolist() == [part not in noticed]


def test_default_parts_leave_the_direction_out():
    before, after = changed(lambda cells, agent: agent.__setitem__(DIRECTION, 2))
    assert reached(achieved_goal(after), achieved_goal(before)).all()
    assert satisfied(after, achieved_goal(before)).all()


def test_satisfied_is_reached_of_achieved():
    rng = np.random.default_rng(0)
    state = hand_made(400)
    state.agent[:, X] = rng.integers(2, 4, 400)
    state.agent[:, DIRECTION] = rng.integers(0, 4, 400)
    state.agent[:, CARRYING] = rng.choice([0, int(pack(KEY, RED))], 400)
    state.cells[rng.random(400) < 0.5, 2, 1] = EMPTY
    desired = achieved_goal(state, direction=True)[rng.permutation(400)]
    ids = rng.permutation(400)[:150]
    for parts in (("position", "objects"), ("carried",), ("position", "direction", "carried", "objects")):
        expected = reached(achieved_goal(state, direction=True), desired, parts)
        assert 0 < expected.sum() < 400
        assert np.array_equal(satisfied(state, desired, parts), expected)
        assert np.array_equal(satisfied(state, desired, parts, ids), expected[ids])


def test_goal_tokens_by_hand():
    state = hand_made(4)
    state.agent[:, DIRECTION] = range(4)
    wish = hand_made(4)
    wish.agent[:, X], wish.agent[:, Y] = 4, 3  # two to the right of (2, 2), one down
    wish.agent[:, DIRECTION] = 1
    wish.agent[:, CARRYING] = int(pack(KEY, YELLOW))
    wish.cells[:, 2, 1] = EMPTY
    wish.cells[:, 1, 2] = pack(DOOR, YELLOW, OPEN)
    desired = achieved_goal(wish, direction=True)
    tokens = GoalTokens(SPEC, ("position", "direction", "carried", "objects"))
    assert tokens.names == ("mode", "position", "direction", "carried", "objects")
    assert tokens.width == 1 + 4 + 1 + 1 + 4 * 3
    out = np.full((4, tokens.width), 77, np.uint8)
    tokens.write(state, desired, out)
    assert out[:, 0].tolist() == [1, 1, 1, 1]
    # Looking right: 2 ahead, 1 to the right; down: 1 ahead, 2 to the left; left: -2, -1; up: -1, 2. L = 6.
    assert out[:, tokens.slices["position"]].tolist() == [[5, 4, 8, 7], [5, 4, 7, 4], [5, 4, 4, 5], [5, 4, 5, 8]]
    assert out[:, tokens.slices["direction"]].tolist() == [[2], [1], [4], [3]]
    assert out[:, tokens.slices["carried"]].tolist() == [[symbol(KEY, YELLOW)]] * 4
    expected = np.zeros((4, 3), np.uint8)
    expected[1, 0] = 1  # the key should be gone
    expected[0, 1] = 1 + symbol(DOOR, YELLOW, OPEN)
    assert (out[:, tokens.slices["objects"]] == expected.reshape(-1)).all()
    assert (out < tokens.nvec).all()


def test_goal_tokens_without_a_goal_and_of_chosen_worlds():
    state = hand_made(3)
    desired = achieved_goal(state)
    desired[1] = 0
    tokens = GoalTokens(SPEC, ("position", "objects"))
    out = np.full((3, tokens.width), 77, np.uint8)
    tokens.write(state, desired, out, ids=np.array([1, 2]))
    assert (out[0] == 77).all()
    assert (out[1] == 0).all()
    assert out[2].tolist() == [1, 3, 3, 6, 6] + [0] * 12


@pytest.mark.parametrize("parts", [("position",), ("position", "carried", "objects"), ("direction",)])
def test_goal_tokens_stay_below_nvec(parts):
    rng = np.random.default_rng(1)
    state = hand_made(300)
    state.agent[:, X], state.agent[:, Y] = rng.integers(0, 6, 300), rng.integers(0, 5, 300)
    state.agent[:, DIRECTION] = rng.integers(0, 4, 300)
    desired = achieved_goal(state, direction=True)[::-1].copy()
    tokens = GoalTokens(SPEC, parts)
    out = np.zeros((300, tokens.width), np.uint8)
    tokens.write(state, desired, out)
    assert (out < tokens.nvec).all()
    assert (out[:, [0]] == 1).all()


def test_bad_arguments_are_refused_in_one_line():
    state = hand_made()
    goals = achieved_goal(state)
    with pytest.raises(ValueError, match=r"^unknown goal part 'place', expected names from position, direction"):
        reached(goals, goals, ("place",))
    with pytest.raises(ValueError, match=r"^goal parts are \(\), expected a sequence"):
        satisfied(state, goals, ())
    with pytest.raises(ValueError, match=r"^achieved goals are uint8 \[3, 34\], expected uint8 \[2, 34\]$"):
        reached(goals, goals[:2])
    with pytest.raises(ValueError, match=r"^desired goals are int64 \[3, 34\], expected uint8 \[3, 34\]$"):
        satisfied(state, goals.astype(np.int64))
    with pytest.raises(ValueError, match=r"^ids hold 0..3, expected 0..2$"):
        achieved_goal(state, ids=np.array([0, 3]))
    with pytest.raises(ValueError, match=r"^out goals are uint8 \[3, 5\]"):
        GoalTokens(SPEC).write(state, goals, np.zeros((3, 5), np.uint8))
