"""Levels: our generators draw what minigrid 3.2.0 draws. Two-sample chi-square, Bonferroni over what is compared."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import gymnasium
import minigrid  # noqa: F401 (registers its levels)
import numpy as np
import pytest
from scipy.stats import chi2

from envs.grid.jit import kernel
from envs.grid.levels import LEVELS, LevelSpec, MissionText, catalogue, level_spec, rules
from envs.grid.levels.dispatch import GENERATORS, generator_address
from envs.grid.levels.dispatch import draw as draw_level
from envs.grid.names import COLOURS
from envs.grid.state import (
    CARRYING,
    DIRECTION,
    MISSION,
    OTHER_X,
    OTHER_Y,
    STEPS,
    TARGET_X,
    TARGET_Y,
    GridState,
    X,
    Y,
)
from envs.grid.symbols import (
    BALL,
    BOX,
    DOOR,
    EMPTY,
    GOAL,
    KEY,
    LAVA,
    LOOK,
    SYMBOL,
    TARGET,
    TRIPLE,
    WALL,
)
from envs.rng import seed_streams

DRIVEN = (
    "BlockedUnlockPickup-v0",
    "Dynamic-Obstacles-Random-6x6-v0",
    "Fetch-8x8-N3-v0",
    "GoToDoor-8x8-v0",
    "GoToObject-6x6-N2-v0",
    "LockedRoom-v0",
    "MemoryS13Random-v0",
    "ObstructedMaze-2Dlhb-v0",
    "ObstructedMaze-2Q-v1",
    "Playground-v0",
    "PutNear-8x8-N3-v0",
    "RedBlueDoors-6x6-v0",
    "DoorKey-8x8-v0",
    "FourRooms-v0",
    "KeyCorridorS3R3-v0",
    "LavaCrossingS9N2-v0",
    "LavaGapS7-v0",
    "MultiRoom-N4-S5-v1",
    "MultiRoom-N6-v0",
    "SimpleCrossingS9N3-v0",
    "Unlock-v0",
)
NATIVE = [name for name, spec in LEVELS.items() if spec.has_native]
ALPHA = 1e-3  # chance of a false alarm in one test; the seeds are fixed


@kernel()
def _draw(address, params, cells, agent, stream):
    for n in range(cells.shape[0]):
        draw_level(address, params, cells[n], agent[n], stream[n])


def draw(spec: LevelSpec, count: int, seed: int = 0) -> GridState:
    state = GridState.zeros(count, spec.width, spec.height)
    state.agent[:] = -77  # generators must write all of it
    seed_streams(state.stream, seed, 0)
    _draw(generator_address(spec.family), spec.params_array(), state.cells, state.agent, state.stream)
    return state


class Sample:
    """Levels from either source: symbols uint8 [N, W, H], x, y, direction int [N], mission texts.

    hidden: for each level the symbols of what its boxes hold, sorted.
    """

    def __init__(self, symbols, x, y, direction, missions, hidden):
        self.symbols, self.x, self.y, self.direction, self.missions = symbols, x, y, direction, missions
        self.hidden = hidden
        self.kinds, self.colours, self.states = np.moveaxis(TRIPLE[symbols], -1, 0)


def ours(spec: LevelSpec, count: int) -> Sample:
    state = draw(spec, count, seed=5)
    missions = [spec.mission.text(codes) for codes in state.agent[:, MISSION:]]
    held = np.where(state.cells & 15 == BOX, (state.cells >> 9) & 63, 0)
    hidden = [tuple(sorted(level[level > 0].tolist())) for level in held]
    return Sample(SYMBOL[state.cells & LOOK], *state.agent[:, [X, Y, DIRECTION]].T, missions, hidden)


def theirs(spec: LevelSpec, count: int) -> Sample:
    env = gymnasium.make(spec.minigrid_id, disable_env_checker=True).unwrapped
    encodings, agents, missions, hidden = [], [], [], []
    for n in range(count):
        env.reset(seed=11 if n == 0 else None)
        encodings.append(env.grid.encode())
        agents.append((*env.agent_pos, env.agent_dir))
        missions.append(env.mission)
        held = [
            item.contains.encode()
            for item in env.grid.grid
            if item is not None and item.type == "box" and item.contains
        ]
        hidden.append(tuple(sorted(int(SYMBOL[kind | colour << 4]) for kind, colour, _ in held)))
    kind, colour, status = np.moveaxis(np.asarray(encodings, np.int64), -1, 0)
    return Sample(SYMBOL[kind | colour << 4 | status << 7], *np.asarray(agents, np.int64).T, missions, hidden)


def p_value(first: np.ndarray, second: np.ndarray) -> float:
    """Two-sample chi-square. first, second: counts [categories]; those seen fewer than ten times in all are pooled."""
    table = np.array([first, second], float)
    rare = table.sum(0) < 10
    table = np.column_stack([table[:, ~rare], table[:, rare].sum(1)])
    table = table[:, table.sum(0) >= 10]
    if table.shape[1] < 2:
        return 1.0
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    return float(chi2.sf(((table - expected) ** 2 / expected).sum(), table.shape[1] - 1))


def feature_p(first: list, second: list) -> float:
    counts = Counter(first), Counter(second)
    keys = sorted(set(counts[0]) | set(counts[1]), key=repr)
    return p_value(*(np.array([count[key] for key in keys]) for count in counts))


def where(sample: Sample, kind: int) -> list[tuple]:
    """For each level the sorted cells of one kind of object."""
    return [tuple(map(tuple, np.argwhere(level == kind))) for level in sample.kinds]


def colour_at(sample: Sample, kind: int) -> list[int]:
    """For each level the colour of its (first) object of a kind."""
    chosen = sample.kinds == kind
    return [int(colours[mask][0]) for colours, mask in zip(sample.colours, chosen, strict=True)]


def features(spec: LevelSpec, sample: Sample) -> dict[str, list]:
    """What lies across cells: joint features of a level, [N] each."""
    goals, keys, doors, balls = (where(sample, kind) for kind in (GOAL, KEY, DOOR, BALL))
    agents = list(zip(sample.x.tolist(), sample.y.tolist(), strict=True))
    distance = [
        abs(x - goal[0][0]) + abs(y - goal[0][1]) if goal else -1 for (x, y), goal in zip(agents, goals, strict=True)
    ]
    front_x = sample.x + (sample.direction == 0) - (sample.direction == 2)
    front_y = sample.y + (sample.direction == 1) - (sample.direction == 3)
    front = (
        sample.kinds[np.arange(len(agents)), front_x, front_y] * 4
        + sample.states[np.arange(len(agents)), front_x, front_y]
    )
    found: dict[str, list] = {
        "distance to goal": distance,
        "mission": sample.missions,
        "in front of the agent": front.tolist(),
    }
    walls = [int(count) for count in (sample.kinds == WALL).sum((1, 2))]
    if spec.rule not in (rules.RULE_GOAL, rules.RULE_UNLOCK) or spec.id in ("LockedRoom-v0", "Playground-v0"):
        found |= things(sample)
    if spec.id.startswith("DoorKey"):
        found["split column and door row"] = doors
        found["key and door"] = [(key, door[0][0]) for key, door in zip(keys, doors, strict=True)]
        found["agent to key"] = [
            (abs(x - key[0][0]), abs(y - key[0][1])) for (x, y), key in zip(agents, keys, strict=True)
        ]
    elif spec.id.startswith("Unlock"):
        found["door and key"] = [(door, key[0][1]) for door, key in zip(doors, keys, strict=True)]
        found["colours"] = list(zip(colour_at(sample, DOOR), colour_at(sample, KEY), strict=True))
        found["agent to key"] = [
            (x - key[0][0], y - key[0][1], d)
            for (x, y), key, d in zip(agents, keys, sample.direction.tolist(), strict=True)
        ]
    elif spec.id.startswith("KeyCorridor"):
        locked = (sample.kinds == DOOR) & (sample.states == 2)
        found["number of doors"] = [len(door) for door in doors]
        found["which doors"] = doors
        found["key and locked door"] = [
            (key, tuple(np.argwhere(mask)[0])) for key, mask in zip(keys, locked, strict=True)
        ]
        locked_colours = [int(c[mask][0]) for c, mask in zip(sample.colours, locked, strict=True)]
        found["ball, key and locked door colours"] = list(
            zip(colour_at(sample, BALL), colour_at(sample, KEY), locked_colours, strict=True)
        )
        found["ball"] = balls
    elif "Crossing" in spec.id:
        obstacle = LAVA if spec.id.startswith("Lava") else WALL
        inner = sample.kinds[:, 1:-1, 1:-1] == obstacle
        found["rivers"] = [
            (tuple(np.flatnonzero(level.mean(1) > 0.5)), tuple(np.flatnonzero(level.mean(0) > 0.5))) for level in inner
        ]
        found["a row and a column"] = [(level[:, 1].tobytes(), level[3].tobytes()) for level in inner]
        found["cells left"] = [int(level.sum()) for level in inner]
    elif spec.id.startswith("LavaGap"):
        found["lava"] = where(sample, LAVA)
    elif spec.id.startswith("MultiRoom"):
        found["walls"] = walls
        found["doors"] = [len(door) for door in doors]
        found["box of all"] = [
            (np.ptp(np.flatnonzero(level.any(1))), np.ptp(np.flatnonzero(level.any(0))))
            for level in sample.kinds == WALL
        ]
        found["colours of doors"] = [
            tuple(np.bincount(c[k == DOOR], minlength=6).tolist())
            for c, k in zip(sample.colours, sample.kinds, strict=True)
        ]
        found["first door seen from the agent"] = [
            (door[0][0] - x, door[0][1] - y) for (x, y), door in zip(agents, doors, strict=True)
        ]
    elif spec.id.startswith("FourRooms"):
        empty = sample.kinds != WALL
        found["gaps above and left"] = [
            (int(np.argmax(level[9, 1:9])), int(np.argmax(level[1:9, 9]))) for level in empty
        ]
        found["gaps below and right"] = [
            (int(np.argmax(level[9, 10:18])), int(np.argmax(level[10:18, 9]))) for level in empty
        ]
        found["rooms"] = [
            (x < 9, y < 9, goal[0][0] < 9, goal[0][1] < 9) for (x, y), goal in zip(agents, goals, strict=True)
        ]
    return found


def things(sample: Sample) -> dict[str, list]:
    """Joint features of keys, balls, boxes and doors: how many, of which colours, how far apart, what boxes hold."""
    colours, offsets, words = [], [], []
    for n, (kinds, shades) in enumerate(zip(sample.kinds, sample.colours, strict=True)):
        places = np.argwhere(np.isin(kinds, (KEY, BALL, BOX, DOOR)))
        listed = [(int(kinds[x, y]), int(shades[x, y])) for x, y in places]
        colours.append(tuple(sorted(listed))[:3])
        offsets.append(tuple((places[-1] - places[0]).tolist()) if len(places) > 1 else ())
        told = sample.missions[n].split()
        words.append(
            [
                f"{COLOURS[shade]} {('key', 'ball', 'box')[kind - KEY]}" in sample.missions[n]
                for kind, shade in listed
                if kind in (KEY, BALL, BOX)
            ]
            if len(told)
            else []
        )
    counts = [tuple(int((kinds == kind).sum()) for kind in (KEY, BALL, BOX, DOOR)) for kinds in sample.kinds]
    return {
        "numbers of things": counts,
        "kinds and colours": colours,
        "first to last thing": offsets,
        "which things the mission names": [tuple(word) for word in words],
        "what boxes hold": sample.hidden,
        "number of colours of doors": [
            (len(set(shades[kinds == DOOR].tolist())), len(set(shades[kinds == BALL].tolist())))
            for kinds, shades in zip(sample.kinds, sample.colours, strict=True)
        ],
    }


def compare(spec: LevelSpec, count: int) -> dict[str, float]:
    """Every comparison of one kind of level with its p-value."""
    mine, minigrids = ours(spec, 4 * count), theirs(spec, count)
    found = {}
    for x in range(spec.width):
        for y in range(spec.height):
            cells = (np.bincount(sample.symbols[:, x, y], minlength=64) for sample in (mine, minigrids))
            found[f"cell {x}, {y}"] = p_value(*cells)
    for name, size in (("x", 32), ("y", 32), ("direction", 4)):
        found[name] = p_value(*(np.bincount(getattr(s, name), minlength=size) for s in (mine, minigrids)))
    poses = ((s.x * spec.height + s.y) * 4 + s.direction for s in (mine, minigrids))
    found["pose"] = p_value(*(np.bincount(pose, minlength=spec.width * spec.height * 4) for pose in poses))
    second = features(spec, minigrids)
    for name, values in features(spec, mine).items():
        found[name] = feature_p(values, second[name])
    return found


@pytest.mark.parametrize("name", DRIVEN)
def test_levels_are_distributed_as_minigrids(name):
    found = compare(level_spec(name), 600)
    worst = min(found, key=found.__getitem__)
    assert found[worst] > ALPHA / len(found), f"{worst}: p = {found[worst]:.2e} of {len(found)}"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NATIVE if LEVELS[name].minigrid_id])
def test_5000_levels_of_every_id_are_distributed_as_minigrids(name):
    found = compare(level_spec(name), 5000)
    worst = min(found, key=found.__getitem__)
    assert found[worst] > ALPHA / len(found), f"{worst}: p = {found[worst]:.2e} of {len(found)}"


def test_the_comparison_notices_a_door_in_the_wrong_row():
    spec = level_spec("DoorKey-8x8-v0")
    mine, minigrids = ours(spec, 4000), theirs(spec, 1000)
    doors = [(column, row % 5 + 1) for ((column, row),) in where(mine, DOOR)]  # one row too low, wrapped round
    assert feature_p(where(mine, DOOR), where(minigrids, DOOR)) > 0.001
    assert feature_p([((c, r + 1),) if r == 5 else ((c, r),) for c, r in doors], where(minigrids, DOOR)) < 1e-6


@pytest.mark.parametrize("name", [name for name in NATIVE if LEVELS[name].minigrid_id])
def test_specs_say_what_minigrid_says(name):
    spec = level_spec(name)
    env = gymnasium.make(spec.minigrid_id, disable_env_checker=True).unwrapped
    env.reset(seed=0)
    assert (env.width, env.height, env.max_steps) == (spec.width, spec.height, spec.max_steps)
    assert env.see_through_walls == spec.see_through_walls
    assert env.action_space.n == spec.num_actions
    assert spec.mission.text(spec.mission.codes(env.mission)) == env.mission


@pytest.mark.parametrize("name", NATIVE)
def test_levels_are_whole(name):
    """One goal or target, the agent on an empty cell inside, its row written completely."""
    spec = level_spec(name)
    state = draw(spec, 50)
    kinds = state.cells & 15
    assert not (state.agent == -77).any()
    assert (state.agent[:, [CARRYING, STEPS]] == 0).all()
    for level, cells, row in zip(kinds, state.cells, state.agent, strict=True):
        assert level[row[X], row[Y]] == EMPTY
        marked = [int(cell) & LOOK for cell in cells[(cells & TARGET) != 0]]
        target, other = level[row[TARGET_X], row[TARGET_Y]], level[row[OTHER_X], row[OTHER_Y]]
        if spec.rule == rules.RULE_PICKUP_TARGET:
            kind = BOX if "UnlockPickup" in spec.id else BALL
            assert marked == [kind | (2 if "Maze" in spec.id else int(row[MISSION])) << 4]
        elif spec.rule == rules.RULE_FETCH:
            assert set(marked) == {int(row[MISSION + 2]) + KEY | int(row[MISSION + 1]) << 4}
        elif spec.rule == rules.RULE_PUT_NEAR:
            assert marked == [int(row[MISSION + 1]) + KEY | int(row[MISSION]) << 4]
            assert target == int(row[MISSION + 3]) + KEY
        elif spec.rule in (rules.RULE_UNLOCK, rules.RULE_RED_BLUE):
            assert target == DOOR
            assert spec.rule == rules.RULE_UNLOCK or (other == DOOR and row[OTHER_X] > row[TARGET_X])
        elif spec.rule == rules.RULE_DONE_BESIDE:
            assert target == (DOOR if "Door" in spec.id else int(row[MISSION + 1]) + KEY)
        elif spec.rule == rules.RULE_MEMORY:
            shown = level[1, spec.height // 2 - 1]
            rise = int(row[TARGET_Y]) - spec.height // 2
            assert abs(rise) == 1
            assert level[row[TARGET_X], row[TARGET_Y] + rise] == shown
            assert {level[row[OTHER_X], row[OTHER_Y] - rise], shown} == {KEY, BALL}
        else:
            assert (level == GOAL).sum() == (0 if spec.id == "Playground-v0" else 1)


def test_hallway_start_and_goal_are_uniform_and_differ():
    state = draw(level_spec("Hallway-25-v0"), 60_000)
    goal = np.argmax(state.cells[:, :, 1] == (GOAL | 1 << 4), axis=1)
    assert (state.cells[:, :, [0, 2]] & 15 == WALL).all()
    counts = np.zeros((27, 27))
    np.add.at(counts, (state.agent[:, X], goal), 1)
    assert (counts[np.arange(27), np.arange(27)] == 0).all()
    pairs = counts[1:26, 1:26][~np.eye(25, dtype=bool)]  # 600 equally likely pairs, 100 each
    assert pairs.sum() == 60_000
    assert chi2.sf(((pairs - 100) ** 2 / 100).sum(), 599) > ALPHA


def test_levels_depend_on_the_stream_alone():
    spec = level_spec("MultiRoom-N7-S8-v0")
    many, again = draw(spec, 20, seed=3), draw(spec, 7, seed=3)
    assert np.array_equal(many.cells[:7], again.cells)
    assert not np.array_equal(many.cells[:7], draw(spec, 7, seed=4).cells)


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        (catalogue.multiroom(3, 6, min_rooms=2, size=17), (17, 17)),
        (catalogue.empty(11, random_start=True), (11, 11)),
        (catalogue.doorkey(7), (7, 7)),
        (catalogue.keycorridor(5, 2), (13, 9)),
        (catalogue.crossing(13, 7, lava=True), (13, 13)),
        (catalogue.fourrooms(11), (11, 11)),
        (catalogue.hallway(9), (11, 3)),
    ],
)
def test_factories_make_other_sizes(spec, shape):
    state = draw(spec, 200)
    assert state.cells.shape[1:] == shape
    assert spec.minigrid_id is None
    assert spec.id not in LEVELS
    if spec.id.startswith("MultiRoom"):
        assert set((state.cells & 15 == DOOR).sum((1, 2))) == {1, 2}
    if spec.id.startswith("LavaCrossing"):
        assert _goal_can_be_walked_to(state)


def _goal_can_be_walked_to(state: GridState) -> bool:
    """Flood fill from the agent over empty cells and the goal."""
    kinds = state.cells & 15
    free = (kinds == 1) | (kinds == GOAL)
    reached = np.zeros_like(free)
    reached[np.arange(len(free)), state.agent[:, X], state.agent[:, Y]] = True
    for _ in range(free[0].size):
        grown = reached.copy()
        grown[:, 1:] |= reached[:, :-1]
        grown[:, :-1] |= reached[:, 1:]
        grown[:, :, 1:] |= reached[:, :, :-1]
        grown[:, :, :-1] |= reached[:, :, 1:]
        reached = grown & free
    return bool((reached & (kinds == GOAL)).any((1, 2)).all())


@pytest.mark.parametrize("name", ["FourRooms-v0", "SimpleCrossingS11N5-v0", "LavaCrossingS11N5-v0", "LavaGapS7-v0"])
def test_goal_can_be_walked_to(name):
    assert _goal_can_be_walked_to(draw(level_spec(name), 300))


SMALLEST = [
    catalogue.empty(4),
    catalogue.doorkey(5),
    catalogue.fourrooms(7),
    catalogue.multiroom(1, 4, size=7),
    catalogue.keycorridor(3, 1),
    catalogue.crossing(5, 0, lava=False),
    catalogue.lavagap(5),
    catalogue.hallway(2),
    catalogue.distshift(3),
    catalogue.dynamic_obstacles(5, 3, random_start=True),
    catalogue.gotodoor(5),
    catalogue.gotoobject(5, 4),
    catalogue.fetch(5, 4),
    catalogue.putnear(6, 2),
    catalogue.putnear(8, 4),
    catalogue.memory(7, random_length=True),
    catalogue.redbluedoors(5),
]


@pytest.mark.parametrize("spec", SMALLEST, ids=[spec.id for spec in SMALLEST])
def test_the_smallest_levels_can_always_be_drawn(spec):
    state = draw(spec, 1000)
    assert not (state.agent == -77).any()
    kinds = state.cells & 15
    assert (kinds[np.arange(1000), state.agent[:, X], state.agent[:, Y]] == EMPTY).all()


@pytest.mark.parametrize(
    ("factory", "arguments", "message"),
    [
        (catalogue.putnear, (5, 2), "PutNear: size is 5, expected 6..255"),
        (catalogue.gotoobject, (5, 5), "GoToObject: things is 5, expected 2..4"),
        (catalogue.fetch, (4, 2), "Fetch: size is 4, expected 5..255"),
        (catalogue.memory, (8,), "Memory: size is 8, expected an odd number in 7..255"),
        (catalogue.distshift, (6,), "DistShift: strip_row is 6, expected 2..5"),
        (catalogue.dynamic_obstacles, (6, 9), "Dynamic-Obstacles: obstacles is 9, expected 1..4 in size 6"),
        (catalogue.gotodoor, (4,), "GoToDoor: size is 4, expected 5..255"),
        (catalogue.redbluedoors, (128,), "RedBlueDoors: size is 128, expected 5..127"),
        (catalogue.empty, (3,), "Empty: size is 3, expected 4..255"),
        (catalogue.doorkey, (4,), "DoorKey: size is 4, expected 5..255"),
        (catalogue.crossing, (8, 1, True), "Crossing: size is 8, expected an odd number in 5..255"),
        (catalogue.crossing, (9, 7, True), "Crossing: crossings is 7, expected 0..6 in size 9"),
        (catalogue.multiroom, (0,), "MultiRoom: rooms is 0, expected at least 1"),
        (catalogue.multiroom, (3, 3), "MultiRoom: max_room_size is 3, expected 4..24"),
        (catalogue.hallway, (1,), "Hallway: length is 1, expected 2..253"),
    ],
)
def test_factories_refuse_bad_sizes(factory, arguments, message):
    with pytest.raises(ValueError, match="expected") as refusal:
        factory(*arguments)
    assert str(refusal.value) == message


def test_unknown_level_names_the_nearest():
    with pytest.raises(ValueError, match=r"^unknown level 'grid/Doorkey-8x8'; nearest is 'grid/DoorKey-8x8-v0'$"):
        level_spec("grid/Doorkey-8x8")
    with pytest.raises(ValueError, match="nearest is 'grid/DoorKey-6x6-v0'"):
        level_spec("MiniGrid-DoorKey-6x6-v0")
    assert level_spec("grid/Unlock-v0") is level_spec("Unlock-v0")


def test_mission_text_and_codes():
    mission = MissionText("put the {} near the {}", (("key", "ball"), COLOURS))
    assert mission.nvec == (2, 6)
    assert mission.text([1, 3, 0, 0]) == "put the ball near the purple"
    assert mission.codes("put the ball near the purple") == (1, 3)
    with pytest.raises(ValueError, match="does not fit"):
        mission.codes("put the ball near the pink")


def test_listing_levels_needs_no_numba():
    code = "import sys; from envs.grid.levels import LEVELS; assert LEVELS and 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_family_is_an_error():
    with pytest.raises(ValueError, match="level family 99 has no generator"):
        generator_address(99)
    assert {spec.family for spec in LEVELS.values() if spec.has_native} == set(GENERATORS)
