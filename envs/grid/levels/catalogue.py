"""The table of all registered levels, and the factories that make others. Free of numba."""

from __future__ import annotations

from envs.grid.levels.errands import (
    fetch,
    gotodoor,
    gotoobject,
    keycorridor,
    lockedroom,
    memory,
    obstructedmaze,
    playground,
    putnear,
    redbluedoors,
    unlock,
    unlockpickup,
)
from envs.grid.levels.spec import LevelSpec
from envs.grid.levels.ways import (
    crossing,
    distshift,
    doorkey,
    dynamic_obstacles,
    empty,
    fourrooms,
    hallway,
    lavagap,
    multiroom,
    wfc,
)

_WFC = ("MazeSimple", "DungeonMazeScaled", "RoomsFabric", "ObstaclesBlackdots", "ObstaclesAngular", "ObstaclesHogs3")

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
