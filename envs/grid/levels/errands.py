"""Factories of levels in which something is to be done with things and doors: one a family. Free of numba.

Sizes, step limits and missions are those of minigrid 3.2.0 (Chevalier-Boisvert et al., 2023).
"""

from __future__ import annotations

from envs.grid.levels import rules
from envs.grid.levels.spec import LevelSpec, MissionText, need
from envs.grid.names import COLOURS

THINGS = ("key", "ball", "box")
MOST_THINGS = 16
_FETCH_WORDINGS = ("get a", "go get a", "fetch a", "go fetch a", "you must fetch a")


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
    need(3 <= room_size <= 64, f"KeyCorridor: room_size is {room_size}, expected 3..64")
    need(1 <= rows <= 16, f"KeyCorridor: rows is {rows}, expected 1..16")
    need((room_size - 1) * max(rows, 3) < 255, f"KeyCorridor: {rows} rows of rooms of side {room_size} pass 255 cells")
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
    need(0 <= quarters <= 4, f"ObstructedMaze: quarters is {quarters}, expected 0..4")
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


def redbluedoors(size: int = 8) -> LevelSpec:
    """A room between a red and a blue door: open the red one first."""
    need(5 <= size <= 127, f"RedBlueDoors: size is {size}, expected 5..127")
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


def gotodoor(size: int = 5) -> LevelSpec:
    """A room of random size, four doors of different colours; say `done` beside the one that is asked for."""
    need(5 <= size <= 255, f"GoToDoor: size is {size}, expected 5..255")
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
    need(5 <= size <= 255, f"{name}: size is {size}, expected 5..255")
    need(2 <= things <= most, f"{name}: things is {things}, expected 2..{most}")


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
    need(size >= 6, f"PutNear: size is {size}, expected 6..255")  # in 5 one thing may leave no room for another
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


def memory(size: int, random_length: bool = False) -> LevelSpec:
    """An object is shown first; at the end of a corridor one must turn to the same one."""
    need(size % 2 == 1 and 7 <= size <= 255, f"Memory: size is {size}, expected an odd number in 7..255")
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
