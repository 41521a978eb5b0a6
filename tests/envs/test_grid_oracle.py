"""The oracle against searches that share nothing with it: deep copies of minigrid, and plain Python over arrays."""

from __future__ import annotations

from collections import deque
from copy import deepcopy

import gymnasium
import minigrid  # noqa: F401 (registers its levels)
import numpy as np
import pytest
from scipy.stats import chi2

from envs.grid.goals import DEFAULT_PARTS, HEAD, PARTS, achieved_goal, reached
from envs.grid.jit import kernel
from envs.grid.kernel import transition
from envs.grid.levels import level_spec
from envs.grid.levels.dispatch import draw as draw_level
from envs.grid.levels.dispatch import generator_address
from envs.grid.levels.rules import RULE_GOAL, RULE_HALLWAY
from envs.grid.oracle import reachable_goals, sample_reachable_goals, shortest_paths, shortest_to_reward
from envs.grid.state import AGENT_FIELDS, CARRYING, STEPS, GridState, X, Y
from envs.grid.symbols import (
    BALL,
    BLUE,
    BOX,
    CLOSED,
    DOOR,
    EMPTY,
    GOAL,
    GREEN,
    GREY,
    KEY,
    LAVA,
    LOCKED,
    LOOK,
    RED,
    SYMBOL,
    TARGET,
    WALL,
    YELLOW,
    pack,
)
from envs.rng import seed_streams


@kernel()
def _draw(address, params, cells, agent, stream):
    for n in range(cells.shape[0]):
        draw_level(address, params, cells[n], agent[n], stream[n])


def draw(name: str, count: int, seed: int = 0) -> GridState:
    spec = level_spec(name)
    state = GridState.zeros(count, spec.width, spec.height)
    seed_streams(state.stream, seed, 0)
    _draw(generator_address(spec.family), spec.params_array(), state.cells, state.agent, state.stream)
    return state


def world(rows: list[str], x: int, y: int, **things: int) -> GridState:
    """One world from a picture; letters are looked up in `things`. Wall '#', floor '.'."""
    legend = {"#": int(pack(WALL, GREY)), ".": EMPTY, **things}
    state = GridState.zeros(1, len(rows[0]), len(rows))
    state.cells[0] = np.array([[legend[letter] for letter in row] for row in rows]).T
    state.agent[0, X], state.agent[0, Y] = x, y
    return state


def minigrid_state(env) -> GridState:
    """A fresh minigrid world as our arrays."""
    kind, colour, status = np.moveaxis(env.grid.encode().astype(np.int64), -1, 0)
    state = GridState.zeros(1, env.width, env.height)
    state.cells[0] = kind | colour << 4 | status << 7
    state.agent[0, :3] = *env.agent_pos, env.agent_dir
    return state


def minigrid_goal(env) -> tuple[int, ...]:
    """The achieved goal (with direction) of a minigrid world, from its own objects."""
    kind, colour, status = np.moveaxis(env.grid.encode().astype(np.int64), -1, 0)
    objects = np.where(np.isin(kind, (DOOR, KEY, BALL, BOX)), SYMBOL[kind | colour << 4 | status << 7], 0)
    carried = int(SYMBOL[pack(*env.carrying.encode())]) if env.carrying else 0
    x, y = env.agent_pos
    return 1 + int(x), 1 + int(y), 1 + int(env.agent_dir), carried, *objects.reshape(-1).tolist()


def minigrid_search(env) -> tuple[dict[tuple[int, ...], int], int]:
    """Steps to every achieved goal of a minigrid world, by stepping deep copies of it; and steps to its reward."""
    distances = {minigrid_goal(env): 0}
    queue = deque([(env, 0)])
    to_reward = -1
    while queue:
        here, depth = queue.popleft()
        for action in range(7):
            there = deepcopy(here)
            there.step_count = 0
            _, reward, terminated, _, _ = there.step(action)
            if reward > 0 and to_reward < 0:
                to_reward = depth + 1
            if terminated and reward == 0:
                continue
            goal = minigrid_goal(there)
            if goal not in distances:  # without boxes the goal with direction is the whole state
                distances[goal] = depth + 1
                queue.append((there, depth + 1))
    return distances, to_reward


def by_parts(distances: dict[tuple[int, ...], int], parts: tuple[str, ...]) -> dict[tuple[int, ...], int]:
    """The same distances, of what is left of the goals when only `parts` are looked at."""
    nearest: dict[tuple[int, ...], int] = {}
    for goal, distance in distances.items():
        key = tuple(
            byte
            for part, byte in zip(
                ("position", "position", "direction", "carried", *["objects"] * (len(goal) - HEAD)), goal, strict=True
            )
            if part in parts
        )
        nearest[key] = min(distance, nearest.get(key, distance))
    return nearest


@pytest.mark.parametrize(("name", "seed"), [("DoorKey-5x5-v0", 0), ("LavaGapS5-v0", 1), ("LavaGapS6-v0", 2)])
def test_reachable_goals_are_those_of_minigrid(name, seed):
    env = gymnasium.make(f"MiniGrid-{name}", disable_env_checker=True).unwrapped
    env.reset(seed=seed)
    env.gen_obs = dict  # not looked at, and most of the time otherwise
    expected, to_reward = minigrid_search(env)
    state = minigrid_state(env)
    for parts in (PARTS, DEFAULT_PARTS, ("position",), ("carried", "objects"), ("direction", "objects")):
        goals, distances = reachable_goals(state, 0, parts, rule=RULE_GOAL)
        found = {tuple(goal): int(distance) for goal, distance in zip(goals.tolist(), distances, strict=True)}
        assert len(by_parts(found, parts)) == len(goals)  # no goal twice
        assert by_parts(found, parts) == by_parts(expected, parts)
        assert (np.diff(distances) >= 0).all()
    desired = np.array(list(expected), np.uint8)
    many = state.take(np.zeros(len(desired), np.int64))
    assert shortest_paths(many, None, desired, PARTS, rule=RULE_GOAL).tolist() == list(expected.values())
    assert shortest_to_reward(state, rule=RULE_GOAL).tolist() == [to_reward]


def plain_search(
    state: GridState, rule: int, until_reward: bool = False
) -> tuple[dict[bytes, int], dict[tuple[int, ...], int], int]:
    """Steps to every state and to every achieved goal (with direction), and to the reward, over whole copies."""
    first = state.take([0])
    seen = {first.cells.tobytes() + first.agent.tobytes(): 0}
    goals = {tuple(achieved_goal(first, direction=True)[0].tolist()): 0}
    queue = deque([(first.cells[0], first.agent[0], 0)])
    to_reward = -1
    while queue:
        cells, agent, depth = queue.popleft()
        for action in range(2 if rule == RULE_HALLWAY else 7):
            there = GridState(cells[None].copy(), agent[None].copy(), first.stream)
            reward, terminated, _ = transition(there.cells[0], there.agent[0], action, rule, 1 << 20)
            there.agent[0, STEPS] = 0
            if reward > 0 and to_reward < 0:
                to_reward = depth + 1
                if until_reward:
                    return seen, goals, to_reward
            on_lava = there.cells[0, there.agent[0, X], there.agent[0, Y]] & 15 == LAVA
            if terminated and reward == 0 if until_reward else on_lava:
                continue
            key = there.cells.tobytes() + there.agent.tobytes()
            if key not in seen:
                seen[key] = depth + 1
                goals.setdefault(tuple(achieved_goal(there, direction=True)[0].tolist()), depth + 1)
                queue.append((there.cells[0], there.agent[0], depth + 1))
    return seen, goals, to_reward


def crowded() -> GridState:
    """A world with everything: a box with a key in it, an empty box, a ball to find, doors, lava and a goal tile."""
    return world(
        ["######", "#.B#.#", "#..L.#", "#.K#b#", "#v.Dg#", "######"],
        1,
        2,
        B=int(pack(BOX, RED)) | int(SYMBOL[pack(KEY, YELLOW)]) << 9,
        L=int(pack(DOOR, YELLOW, LOCKED)),
        K=int(pack(KEY, BLUE)),
        D=int(pack(DOOR, GREEN, CLOSED)),
        b=int(pack(BALL, BLUE)) | TARGET,
        v=int(pack(LAVA, RED)),
        g=int(pack(GOAL, GREEN)),
    )


@pytest.fixture(scope="module")
def crowded_search():
    # Two things less to move, so that plain Python is done in seconds; the box and its contents stay.
    state = crowded()
    state.cells[0][state.cells[0] == pack(KEY, BLUE)] = EMPTY
    state.cells[0][(state.cells[0] & LOOK) == pack(BALL, BLUE)] = EMPTY
    return state, *plain_search(state, RULE_GOAL)


def test_boxes_and_doors_against_plain_search(crowded_search):
    state, seen, expected, to_reward = crowded_search
    assert len(seen) > 2048  # the table has grown twice
    for parts in (PARTS, ("position", "objects"), ("objects",)):
        goals, distances = reachable_goals(state, 0, parts, rule=RULE_GOAL)
        found = {tuple(goal): int(distance) for goal, distance in zip(goals.tolist(), distances, strict=True)}
        assert by_parts(found, parts) == by_parts(expected, parts)
    assert shortest_to_reward(state, rule=RULE_GOAL).tolist() == [to_reward]


def test_max_states_counts_states_exactly(crowded_search):
    state, seen, expected, _ = crowded_search
    goals, _ = reachable_goals(state, 0, PARTS, rule=RULE_GOAL, max_states=len(seen))
    assert len(goals) == len(expected)
    with pytest.raises(ValueError, match=f"^world 0 has more than max_states = {len(seen) - 1} states"):
        reachable_goals(state, 0, PARTS, rule=RULE_GOAL, max_states=len(seen) - 1)


OTHER_RULES = (
    "Fetch-5x5-N2-v0",
    "GoToDoor-5x5-v0",
    "GoToObject-6x6-N2-v0",
    "MemoryS7-v0",
    "PutNear-6x6-N2-v0",
    "RedBlueDoors-6x6-v0",
)


@pytest.mark.parametrize(
    ("name", "count"), [("Unlock-v0", 1), ("KeyCorridorS3R1-v0", 4), *((name, 3) for name in OTHER_RULES)]
)
def test_steps_to_success_of_other_rules(name, count):
    spec = level_spec(name)
    state = draw(name, count)
    expected = [plain_search(state.take([n]), spec.rule, until_reward=True)[2] for n in range(count)]
    assert min(expected) > 0
    assert shortest_to_reward(state, rule=spec.rule).tolist() == expected


def test_hallway_distance_is_the_number_of_cells_between():
    starts, ends = (axis.reshape(-1) for axis in np.meshgrid(np.arange(1, 26), np.arange(1, 26)))
    state = draw("Hallway-25-v0", 1).take(np.zeros(625, np.int64))
    state.agent[:, X] = starts
    wish = state.take(slice(None))
    wish.agent[:, X] = ends
    found = shortest_paths(state, None, achieved_goal(wish), rule=RULE_HALLWAY)
    assert found.tolist() == np.abs(starts - ends).tolist()
    assert (reachable_goals(state, 3, rule=RULE_HALLWAY)[1] == np.sort(np.abs(np.arange(1, 26) - starts[3]))).all()


def test_a_walk_by_hand():
    """Facing right in the corner: the cell below is a turn and a step away, the one above it again two turns more."""
    state = world(["#####", "#...#", "#...#", "#####"], 1, 1)
    wish = state.take([0, 0, 0, 0])
    wish.agent[:, [X, Y]] = [[1, 1], [3, 1], [1, 2], [3, 2]]
    many = state.take([0, 0, 0, 0])
    assert shortest_paths(many, None, achieved_goal(wish), rule=RULE_GOAL).tolist() == [0, 2, 2, 4]
    back = achieved_goal(wish, direction=True)
    back[:, 2] = 3  # looking left
    assert shortest_paths(many, None, back, PARTS, rule=RULE_GOAL).tolist() == [2, 4, 3, 5]


def test_unreachable_goals_are_minus_one():
    state = draw("DoorKey-6x6-v0", 3)
    desired = achieved_goal(state)
    desired[1, :2] = 1  # inside the wall
    desired[2, HEAD:] = 0  # neither key nor door
    assert shortest_paths(state, None, desired, rule=RULE_GOAL).tolist() == [0, -1, -1]


def test_lava_is_no_goal_and_no_way():
    state = world(["#####", "#.v.#", "#####"], 1, 1, v=int(pack(LAVA, RED)))
    goals, distances = reachable_goals(state, 0, rule=RULE_GOAL)
    assert (len(goals), distances.tolist()) == (1, [0])
    desired, distance = sample_reachable_goals(state, np.random.default_rng(0), rule=RULE_GOAL)
    assert distance.tolist() == [-1]
    assert np.array_equal(desired, achieved_goal(state))


def test_goal_tiles_end_the_way_only_when_asked_to():
    state = world(["#####", "#.g.#", "#####"], 1, 1, g=int(pack(GOAL, GREEN)))
    assert reachable_goals(state, 0, rule=RULE_GOAL)[1].tolist() == [0, 1, 2]
    assert reachable_goals(state, 0, rule=RULE_GOAL, stop_at_goal_tile=True)[1].tolist() == [0, 1]
    beyond = state.take([0])
    beyond.agent[0, X] = 3
    assert shortest_paths(state, None, achieved_goal(beyond), rule=RULE_GOAL).tolist() == [2]
    assert shortest_paths(state, None, achieved_goal(beyond), rule=RULE_GOAL, stop_at_goal_tile=True).tolist() == [-1]


def test_max_distance_leaves_out_what_is_further():
    state = draw("DoorKey-6x6-v0", 1)
    goals, distances = reachable_goals(state, 0, rule=RULE_GOAL)
    near_goals, near = reachable_goals(state, 0, rule=RULE_GOAL, max_distance=5)
    assert distances.max() > 5
    assert np.array_equal(near, distances[distances <= 5])
    assert np.array_equal(near_goals, goals[distances <= 5])
    _, drawn = sample_reachable_goals(
        draw("DoorKey-6x6-v0", 50), np.random.default_rng(0), rule=RULE_GOAL, max_distance=5
    )
    assert drawn.max() == 5


def test_sampled_goals_are_uniform_and_their_distances_right():
    state = draw("DoorKey-5x5-v0", 1, seed=1).take(np.zeros(12_000, np.int64))
    goals, distances = reachable_goals(state, 0, rule=RULE_GOAL)
    index = {goal.tobytes(): n for n, goal in enumerate(goals)}
    drawn, steps = sample_reachable_goals(state, np.random.default_rng(7), rule=RULE_GOAL)
    which = np.array([index[goal.tobytes()] for goal in drawn])
    assert (steps == distances[which]).all()
    counts = np.bincount(which, minlength=len(goals))
    assert counts[0] == 0  # what is achieved already is not asked for
    expected = 12_000 / (len(goals) - 1)
    assert chi2.sf(((counts[1:] - expected) ** 2 / expected).sum(), len(goals) - 2) > 1e-3


def test_oracle_of_chosen_worlds_leaves_the_state_alone():
    state = draw("DoorKey-6x6-v0", 20, seed=3)
    before = state.take(slice(None))
    ids = np.array([17, 3, 3])
    goals, steps = sample_reachable_goals(state, np.random.default_rng(1), ids, rule=RULE_GOAL)
    alone, _ = sample_reachable_goals(state.take(ids), np.random.default_rng(1), rule=RULE_GOAL)
    assert np.array_equal(goals, alone)
    assert np.array_equal(shortest_paths(state, ids, goals, rule=RULE_GOAL), steps)
    for name in ("cells", "agent", "stream"):
        assert np.array_equal(getattr(state, name), getattr(before, name))


def test_steps_taken_do_not_matter_and_carried_objects_do():
    state = draw("DoorKey-6x6-v0", 2)
    state.agent[1, STEPS] = 359
    goals, steps = reachable_goals(state, 0, rule=RULE_GOAL)
    later, later_steps = reachable_goals(
        GridState(state.cells[[0, 0]], np.stack([state.agent[0], state.agent[0]]), state.stream), 1, rule=RULE_GOAL
    )
    assert np.array_equal(goals, later)
    assert np.array_equal(steps, later_steps)
    assert state.agent.shape[1] == AGENT_FIELDS
    holding = world(["####", "#..#", "####"], 1, 1)
    holding.agent[0, CARRYING] = int(pack(KEY, RED))
    goals, steps = reachable_goals(holding, 0, ("carried", "objects"), rule=RULE_GOAL)
    # Kept; dropped on the right cell; dropped on the left one after walking over and turning twice.
    assert steps.tolist() == [0, 1, 4]
    assert reached(goals[1:2], goals[2:3], ("carried",)).all()


def test_refusals_name_world_and_number():
    state = draw("DoorKey-8x8-v0", 4)
    goals = achieved_goal(state)
    goals[2, :2] = 1  # unreachable: all of world 2 would have to be searched
    with pytest.raises(ValueError, match=r"^world 2 has more than max_states = 50 states, too many to search$"):
        shortest_paths(state, None, goals, rule=RULE_GOAL, max_states=50)
    with pytest.raises(ValueError, match=r"^world 3 has more than max_states = 50 states"):
        sample_reachable_goals(state, np.random.default_rng(0), np.array([3]), rule=RULE_GOAL, max_states=50)
    with pytest.raises(ValueError, match=r"^max_states is 0, expected at least 1$"):
        shortest_to_reward(state, rule=RULE_GOAL, max_states=0)
    with pytest.raises(ValueError, match=r"^ids hold 9..9, expected 0..3$"):
        reachable_goals(state, 9, rule=RULE_GOAL)
    with pytest.raises(ValueError, match=r"^desired goals are uint8 \[4, 68\], expected uint8 \[2, 68\]$"):
        shortest_paths(state, np.array([0, 1]), goals, rule=RULE_GOAL)
    assert shortest_paths(state, np.array([0, 1]), goals[:2], rule=RULE_GOAL, max_states=1).tolist() == [0, 0]
