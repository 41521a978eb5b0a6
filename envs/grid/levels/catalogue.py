"""One factory a family of levels, and the table of all registered levels. Free of numba.

Sizes, step limits and missions are those of minigrid 3.2.0 (Chevalier-Boisvert et al., 2023).
"""

from __future__ import annotations

from envs.grid.levels import rules
from envs.grid.levels.spec import LevelSpec, MissionText
from envs.grid.names import COLOURS


def _need(good: bool, what: str) -> None:
    if not good:
        raise ValueError(what)


def empty(size: int = 8, random_start: bool = False) -> LevelSpec:
    """An empty room of `size` x `size` cells, the goal in the far corner; fixed or random start."""
    _need(4 <= size <= 255, f"Empty: size is {size}, expected 4..255")
    name = f"Empty-{'Random-' if random_start else ''}{size}x{size}-v0"
    return LevelSpec(
        id=name,
        minigrid_id=f"MiniGrid-{name}" if size in ((5, 6) if random_start else (5, 6, 8, 16)) else None,
        family=rules.FAMILY_EMPTY,
        params=(int(random_start),),
        width=size,
        height=size,
        max_steps=4 * size**2,
        rule=rules.RULE_GOAL,
        see_through_walls=True,
        num_actions=7,
        mission=MissionText("get to the green goal square"),
    )


def doorkey(size: int = 8) -> LevelSpec:
    """Two rooms, a locked door between them, its key in the first, the goal in the second."""
    _need(5 <= size <= 255, f"DoorKey: size is {size}, expected 5..255")
    return LevelSpec(
        id=f"DoorKey-{size}x{size}-v0",
        minigrid_id=f"MiniGrid-DoorKey-{size}x{size}-v0" if size in (5, 6, 8, 16) else None,
        family=rules.FAMILY_DOORKEY,
        params=(),
        width=size,
        height=size,
        max_steps=10 * size**2,
        rule=rules.RULE_GOAL,
        see_through_walls=False,
        num_actions=7,
        mission=MissionText("use the key to open the door and then get to the goal"),
    )


def fourrooms(size: int = 19) -> LevelSpec:
    """Four rooms joined by four gaps, agent and goal anywhere. MiniGrid's is 19; ours may have any odd size."""
    _need(size % 2 == 1 and 7 <= size <= 255, f"FourRooms: size is {size}, expected an odd number in 7..255")
    return LevelSpec(
        id="FourRooms-v0" if size == 19 else f"FourRooms-S{size}-v0",
        minigrid_id="MiniGrid-FourRooms-v0" if size == 19 else None,
        family=rules.FAMILY_FOURROOMS,
        params=(),
        width=size,
        height=size,
        max_steps=100,
        rule=rules.RULE_GOAL,
        see_through_walls=False,
        num_actions=7,
        mission=MissionText("reach the goal"),
    )


def multiroom(
    rooms: int, max_room_size: int = 10, min_rooms: int | None = None, size: int = 25, name: str | None = None
) -> LevelSpec:
    """A chain of `min_rooms`..`rooms` rooms of side 4..`max_room_size` on `size` x `size` cells.

    name: the id, where it is not MultiRoom-N<rooms>-S<max_room_size>-v0. N7-S4, N7-S8 and N12-S10 as in RIDE
    (Raileanu and Rocktaeschel, 2020, arXiv 2002.12292).
    """
    min_rooms = rooms if min_rooms is None else min_rooms
    _need(rooms >= 1, f"MultiRoom: rooms is {rooms}, expected at least 1")
    _need(1 <= min_rooms <= rooms, f"MultiRoom: min_rooms is {min_rooms}, expected 1..{rooms}")
    _need(4 <= max_room_size < size, f"MultiRoom: max_room_size is {max_room_size}, expected 4..{size - 1}")
    _need(size <= 255, f"MultiRoom: size is {size}, expected at most 255")
    standard = f"MultiRoom-N{rooms if min_rooms == rooms else f'{min_rooms}to{rooms}'}-S{max_room_size}"
    standard += "-v0" if size == 25 else f"-{size}x{size}-v0"
    name = standard if name is None else name
    return LevelSpec(
        id=name,
        minigrid_id=f"MiniGrid-{name}" if name in _MINIGRID_MULTIROOM else None,
        family=rules.FAMILY_MULTIROOM,
        params=(min_rooms, rooms, max_room_size),
        width=size,
        height=size,
        max_steps=20 * rooms,
        rule=rules.RULE_GOAL,
        see_through_walls=False,
        num_actions=7,
        mission=MissionText("traverse the rooms to get to the goal"),
    )


def unlock() -> LevelSpec:
    """Two rooms of side 6; the door between them is locked and has to be opened."""
    return LevelSpec(
        id="Unlock-v0",
        minigrid_id="MiniGrid-Unlock-v0",
        family=rules.FAMILY_UNLOCK,
        params=(6,),
        width=11,
        height=6,
        max_steps=8 * 6**2,
        rule=rules.RULE_UNLOCK,
        see_through_walls=False,
        num_actions=7,
        mission=MissionText("open the door"),
    )


def keycorridor(room_size: int, rows: int) -> LevelSpec:
    """A corridor between rooms: a ball behind a locked door on the right, its key in a room on the left."""
    _need(3 <= room_size <= 64, f"KeyCorridor: room_size is {room_size}, expected 3..64")
    _need(1 <= rows <= 16, f"KeyCorridor: rows is {rows}, expected 1..16")
    _need((room_size - 1) * max(rows, 3) < 255, f"KeyCorridor: {rows} rows of rooms of side {room_size} pass 255 cells")
    known = (room_size, rows) in ((3, 1), (3, 2), (3, 3), (4, 3), (5, 3), (6, 3))
    return LevelSpec(
        id=f"KeyCorridorS{room_size}R{rows}-v0",
        minigrid_id=f"MiniGrid-KeyCorridorS{room_size}R{rows}-v0" if known else None,
        family=rules.FAMILY_KEYCORRIDOR,
        params=(room_size, rows),
        width=3 * (room_size - 1) + 1,
        height=rows * (room_size - 1) + 1,
        max_steps=30 * room_size**2,
        rule=rules.RULE_PICKUP_TARGET,
        see_through_walls=False,
        num_actions=7,
        mission=MissionText("pick up the {} ball", (COLOURS,)),
    )


def crossing(size: int, crossings: int, lava: bool) -> LevelSpec:
    """A room crossed by `crossings` rivers of walls (SimpleCrossing) or lava (LavaCrossing), with a way through."""
    rivers = 2 * ((size - 3) // 2)
    _need(size % 2 == 1 and 5 <= size <= 255, f"Crossing: size is {size}, expected an odd number in 5..255")
    _need(0 <= crossings <= rivers, f"Crossing: crossings is {crossings}, expected 0..{rivers} in size {size}")
    name = f"{'Lava' if lava else 'Simple'}CrossingS{size}N{crossings}-v0"
    known = (size, crossings) in ((9, 1), (9, 2), (9, 3), (11, 5))
    start = "avoid the lava" if lava else "find the opening"
    return LevelSpec(
        id=name,
        minigrid_id=f"MiniGrid-{name}" if known else None,
        family=rules.FAMILY_CROSSING,
        params=(crossings, int(lava)),
        width=size,
        height=size,
        max_steps=4 * size**2,
        rule=rules.RULE_GOAL,
        see_through_walls=False,
        num_actions=7,
        mission=MissionText(f"{start} and get to the green goal square"),
    )


def lavagap(size: int) -> LevelSpec:
    """A strip of lava with one gap between the agent and the goal."""
    _need(5 <= size <= 255, f"LavaGap: size is {size}, expected 5..255")
    return LevelSpec(
        id=f"LavaGapS{size}-v0",
        minigrid_id=f"MiniGrid-LavaGapS{size}-v0" if size in (5, 6, 7) else None,
        family=rules.FAMILY_LAVAGAP,
        params=(),
        width=size,
        height=size,
        max_steps=4 * size**2,
        rule=rules.RULE_GOAL,
        see_through_walls=False,
        num_actions=7,
        mission=MissionText("avoid the lava and get to the green goal square"),
    )


def distshift(strip_row: int) -> LevelSpec:
    """Two strips of lava, one in the first row, one in `strip_row`; DistShift1 has it in row 2, DistShift2 in row 5."""
    _need(2 <= strip_row <= 5, f"DistShift: strip_row is {strip_row}, expected 2..5")
    known = {2: "DistShift1-v0", 5: "DistShift2-v0"}.get(strip_row)
    return LevelSpec(
        id=known or f"DistShift-R{strip_row}-v0",
        minigrid_id=f"MiniGrid-{known}" if known else None,
        family=rules.FAMILY_DISTSHIFT,
        params=(strip_row,),
        width=9,
        height=7,
        max_steps=4 * 9 * 7,
        rule=rules.RULE_GOAL,
        see_through_walls=True,
        num_actions=7,
        mission=MissionText("get to the green goal square"),
    )


def dynamic_obstacles(size: int = 8, obstacles: int = 4, random_start: bool = False) -> LevelSpec:
    """An empty room with balls that walk about; touching one costs 1 and ends the episode."""
    _need(5 <= size <= 255, f"Dynamic-Obstacles: size is {size}, expected 5..255")
    most = min(rules.MOST_OBSTACLES, size // 2 + 1)
    _need(1 <= obstacles <= most, f"Dynamic-Obstacles: obstacles is {obstacles}, expected 1..{most} in size {size}")
    usual = {5: 2, 6: 3, 8: 4, 16: 8}.get(size) == obstacles
    name = f"Dynamic-Obstacles-{'Random-' if random_start else ''}{size}x{size}{'' if usual else f'-N{obstacles}'}-v0"
    known = usual and size in ((5, 6) if random_start else (5, 6, 8, 16))
    return LevelSpec(
        id=name,
        minigrid_id=f"MiniGrid-{name}" if known else None,
        family=rules.FAMILY_DYNAMIC,
        params=(int(random_start), obstacles),
        width=size,
        height=size,
        max_steps=4 * size**2,
        rule=rules.RULE_OBSTACLES,
        see_through_walls=True,
        num_actions=3,
        mission=MissionText("get to the green goal square"),
    )


def gotodoor(size: int = 5) -> LevelSpec:
    """A room of random size, four doors of different colours; say `done` beside the one that is asked for."""
    _need(5 <= size <= 255, f"GoToDoor: size is {size}, expected 5..255")
    return LevelSpec(
        id=f"GoToDoor-{size}x{size}-v0",
        minigrid_id=f"MiniGrid-GoToDoor-{size}x{size}-v0" if size in (5, 6, 8) else None,
        family=rules.FAMILY_GOTODOOR,
        params=(),
        width=size,
        height=size,
        max_steps=4 * size**2,
        rule=rules.RULE_DONE_BESIDE,
        see_through_walls=True,
        num_actions=7,
        mission=MissionText("go to the {} door", (COLOURS,)),
    )


def _things(name: str, size: int, things: int, most: int) -> None:
    _need(5 <= size <= 255, f"{name}: size is {size}, expected 5..255")
    _need(2 <= things <= most, f"{name}: things is {things}, expected 2..{most}")


def gotoobject(size: int = 6, things: int = 2) -> LevelSpec:
    """A room with different things; say `done` beside the one that is asked for."""
    _things("GoToObject", size, things, min(MOST_THINGS, (size - 2) ** 2 // 2))
    name = f"GoToObject-{size}x{size}-N{things}-v0"
    return LevelSpec(
        id=name,
        minigrid_id=f"MiniGrid-{name}" if (size, things) in ((6, 2), (8, 2)) else None,
        family=rules.FAMILY_GOTOOBJECT,
        params=(things,),
        width=size,
        height=size,
        max_steps=5 * size**2,
        rule=rules.RULE_DONE_BESIDE,
        see_through_walls=True,
        num_actions=7,
        mission=MissionText("go to the {} {}", (COLOURS, THINGS)),
    )


def fetch(size: int = 8, things: int = 3) -> LevelSpec:
    """A room with keys and balls; pick up the one that is asked for and no other."""
    _things("Fetch", size, things, min(MOST_THINGS, (size - 2) ** 2 // 2))
    name = f"Fetch-{size}x{size}-N{things}-v0"
    return LevelSpec(
        id=name,
        minigrid_id=f"MiniGrid-{name}" if (size, things) in ((5, 2), (6, 2), (8, 3)) else None,
        family=rules.FAMILY_FETCH,
        params=(things,),
        width=size,
        height=size,
        max_steps=5 * size**2,
        rule=rules.RULE_FETCH,
        see_through_walls=True,
        num_actions=7,
        mission=MissionText("{} {} {}", (_FETCH_WORDINGS, COLOURS, THINGS[:2])),
    )


def putnear(size: int = 6, things: int = 2) -> LevelSpec:
    """A room with different things; drop one of them around another."""
    _things("PutNear", size, things, min(MOST_THINGS, max(2, (size - 2) ** 2 // 9)))
    name = f"PutNear-{size}x{size}-N{things}-v0"
    return LevelSpec(
        id=name,
        minigrid_id=f"MiniGrid-{name}" if (size, things) in ((6, 2), (8, 3)) else None,
        family=rules.FAMILY_PUTNEAR,
        params=(things,),
        width=size,
        height=size,
        max_steps=5 * size,
        rule=rules.RULE_PUT_NEAR,
        see_through_walls=True,
        num_actions=7,
        mission=MissionText("put the {} {} near the {} {}", (COLOURS, THINGS, COLOURS, THINGS)),
    )


def lockedroom() -> LevelSpec:
    """Six rooms along a corridor, the goal in a locked one, its key in another."""
    return LevelSpec(
        id="LockedRoom-v0",
        minigrid_id="MiniGrid-LockedRoom-v0",
        family=rules.FAMILY_LOCKEDROOM,
        params=(),
        width=19,
        height=19,
        max_steps=10 * 19,
        rule=rules.RULE_GOAL,
        see_through_walls=False,
        num_actions=7,
        mission=MissionText(
            "get the {} key from the {} room, unlock the {} door and go to the goal", (COLOURS, COLOURS, COLOURS)
        ),
    )


def memory(size: int, random_length: bool = False) -> LevelSpec:
    """An object is shown first; at the end of a corridor one must turn to the same one."""
    _need(size % 2 == 1 and 7 <= size <= 255, f"Memory: size is {size}, expected an odd number in 7..255")
    name = f"MemoryS{size}{'Random' if random_length else ''}-v0"
    return LevelSpec(
        id=name,
        minigrid_id=f"MiniGrid-{name}" if size in ((13, 17) if random_length else (7, 9, 11, 13)) else None,
        family=rules.FAMILY_MEMORY,
        params=(int(random_length),),
        width=size,
        height=size,
        max_steps=5 * size**2,
        rule=rules.RULE_MEMORY,
        see_through_walls=False,
        num_actions=7,
        mission=MissionText("go to the matching object at the end of the hallway"),
    )


def playground() -> LevelSpec:
    """Nine rooms full of things, and nothing asked for."""
    return LevelSpec(
        id="Playground-v0",
        minigrid_id="MiniGrid-Playground-v0",
        family=rules.FAMILY_PLAYGROUND,
        params=(),
        width=19,
        height=19,
        max_steps=100,
        rule=rules.RULE_GOAL,
        see_through_walls=False,
        num_actions=7,
        mission=MissionText(""),
    )


def redbluedoors(size: int = 8) -> LevelSpec:
    """A room between a red and a blue door: open the red one first."""
    _need(5 <= size <= 127, f"RedBlueDoors: size is {size}, expected 5..127")
    return LevelSpec(
        id=f"RedBlueDoors-{size}x{size}-v0",
        minigrid_id=f"MiniGrid-RedBlueDoors-{size}x{size}-v0" if size in (6, 8) else None,
        family=rules.FAMILY_REDBLUE,
        params=(),
        width=2 * size,
        height=size,
        max_steps=20 * size**2,
        rule=rules.RULE_RED_BLUE,
        see_through_walls=False,
        num_actions=7,
        mission=MissionText("open the red door then the blue door"),
    )


def unlockpickup(blocked: bool = False) -> LevelSpec:
    """Unlock, then pick up the box behind the door; in the blocked one a ball stands before the door."""
    name = f"{'Blocked' if blocked else ''}UnlockPickup-v0"
    return LevelSpec(
        id=name,
        minigrid_id=f"MiniGrid-{name}",
        family=rules.FAMILY_UNLOCKPICKUP,
        params=(6, int(blocked)),
        width=11,
        height=6,
        max_steps=(16 if blocked else 8) * 6**2,
        rule=rules.RULE_PICKUP_TARGET,
        see_through_walls=False,
        num_actions=7,
        mission=MissionText("pick up the {} box", (COLOURS,)),
    )


def obstructedmaze(
    name: str, quarters: int, rooms_visited: int, boxed: bool, blocked: bool, agent_room: tuple[int, int], version: int
) -> LevelSpec:
    """A blue ball behind locked doors; the name is minigrid's, such as "2Dlhb" (h: boxed keys, b: blocked doors).

    quarters: of the 3x3 maze in use, 0 for two rooms.  rooms_visited: what the time limit is reckoned by.
    """
    _need(0 <= quarters <= 4, f"ObstructedMaze: quarters is {quarters}, expected 0..4")
    level = f"ObstructedMaze-{name}-v{version}"
    return LevelSpec(
        id=level,
        minigrid_id=f"MiniGrid-{level}",
        family=rules.FAMILY_OBSTRUCTEDMAZE,
        params=(quarters, int(boxed), int(blocked), *agent_room, version),
        width=16 if quarters else 11,
        height=16 if quarters else 6,
        max_steps=4 * rooms_visited * 6**2,
        rule=rules.RULE_PICKUP_TARGET,
        see_through_walls=False,
        num_actions=7,
        mission=MissionText("pick up the blue ball"),
    )


def hallway(length: int = 25, max_steps: int = 30) -> LevelSpec:
    """The corridor of asymmetric self-play (Sukhbaatar et al., 2017, arXiv 1703.05407, 4.1): M cells, two moves.

    `length` cells in a row inside a wall; start and goal tile are two different uniform cells.
    """
    _need(2 <= length <= 253, f"Hallway: length is {length}, expected 2..253")
    _need(max_steps >= 1, f"Hallway: max_steps is {max_steps}, expected at least 1")
    return LevelSpec(
        id=f"Hallway-{length}-v0",
        minigrid_id=None,
        family=rules.FAMILY_HALLWAY,
        params=(),
        width=length + 2,
        height=3,
        max_steps=max_steps,
        rule=rules.RULE_HALLWAY,
        see_through_walls=False,
        num_actions=2,
        mission=MissionText("reach the goal"),
    )


def wfc(preset: str) -> LevelSpec:
    """Wave function collapse (Garcin et al., 2024), drawn by minigrid into a pool; see `envs.grid.wfc`, `.pool`."""
    return LevelSpec(
        id=f"WFC-{preset}-v0",
        minigrid_id=f"MiniGrid-WFC-{preset}-v0",
        family=rules.FAMILY_POOL,
        params=(),
        width=25,
        height=25,
        max_steps=500,
        rule=rules.RULE_GOAL,
        see_through_walls=False,
        num_actions=7,
        mission=MissionText("traverse the maze to get to the goal"),
        has_native=False,
    )


_WFC = ("MazeSimple", "DungeonMazeScaled", "RoomsFabric", "ObstaclesBlackdots", "ObstaclesAngular", "ObstaclesHogs3")
THINGS = ("key", "ball", "box")
MOST_THINGS = 16
_FETCH_WORDINGS = ("get a", "go get a", "fetch a", "go fetch a", "you must fetch a")

# MiniGrid's N4-S5-v0 has six rooms, a slip it keeps for old results; N4-S5-v1 has four.
_MINIGRID_MULTIROOM = ("MultiRoom-N2-S4-v0", "MultiRoom-N4-S5-v0", "MultiRoom-N4-S5-v1", "MultiRoom-N6-v0")

_ALL = (
    *(empty(size) for size in (5, 6, 8, 16)),
    *(empty(size, random_start=True) for size in (5, 6)),
    fourrooms(),
    *(doorkey(size) for size in (5, 6, 8, 16)),
    multiroom(2, 4),
    multiroom(6, 5, name="MultiRoom-N4-S5-v0"),
    multiroom(4, 5, name="MultiRoom-N4-S5-v1"),
    multiroom(6, 10, name="MultiRoom-N6-v0"),
    *(multiroom(rooms, size) for rooms, size in ((7, 4), (7, 8), (10, 4), (10, 10), (12, 10))),
    unlock(),
    *(keycorridor(size, rows) for size, rows in ((3, 1), (3, 2), (3, 3), (4, 3), (5, 3), (6, 3))),
    *(crossing(size, rivers, lava) for lava in (False, True) for size, rivers in ((9, 1), (9, 2), (9, 3), (11, 5))),
    *(lavagap(size) for size in (5, 6, 7)),
    distshift(2),
    distshift(5),
    *(dynamic_obstacles(size, count) for size, count in ((5, 2), (6, 3), (8, 4), (16, 8))),
    *(dynamic_obstacles(size, count, random_start=True) for size, count in ((5, 2), (6, 3))),
    *(fetch(size, things) for size, things in ((5, 2), (6, 2), (8, 3))),
    *(gotodoor(size) for size in (5, 6, 8)),
    *(gotoobject(size) for size in (6, 8)),
    *(putnear(size, things) for size, things in ((6, 2), (8, 3))),
    lockedroom(),
    *(memory(size) for size in (7, 9, 11, 13)),
    *(memory(size, random_length=True) for size in (13, 17)),
    playground(),
    *(redbluedoors(size) for size in (6, 8)),
    unlockpickup(),
    unlockpickup(blocked=True),
    *(obstructedmaze(f"1Dl{name}", 0, 2, bool(name), name == "hb", (0, 0), 0) for name in ("", "h", "hb")),
    *(obstructedmaze(f"2Dl{name}", 1, 4, bool(name), name == "hb", (2, 1), 0) for name in ("", "h", "hb")),
    *(
        obstructedmaze(name, quarters, visited, True, True, room, version)
        for name, quarters, visited, room, versions in (
            ("2Dlhb", 1, 4, (2, 1), (1,)),
            ("1Q", 1, 5, (1, 1), (0, 1)),
            ("2Q", 2, 11, (2, 1), (0, 1)),
            ("Full", 4, 25, (1, 1), (0, 1)),
        )
        for version in versions
    ),
    hallway(),
    *(wfc(preset) for preset in _WFC),
)

LEVELS: dict[str, LevelSpec] = {spec.id: spec for spec in _ALL}
"""Every registered level by its id."""
