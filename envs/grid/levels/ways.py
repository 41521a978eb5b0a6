"""Factories of levels in which a way to the goal is to be found: one a family. Free of numba.

Sizes, step limits and missions are those of minigrid 3.2.0 (Chevalier-Boisvert et al., 2023).
"""

from __future__ import annotations

from envs.grid.levels import rules
from envs.grid.levels.spec import LevelSpec, MissionText, need

# MiniGrid's N4-S5-v0 has six rooms, a slip it keeps for old results; N4-S5-v1 has four.
_MINIGRID_MULTIROOM = ("MultiRoom-N2-S4-v0", "MultiRoom-N4-S5-v0", "MultiRoom-N4-S5-v1", "MultiRoom-N6-v0")


def empty(size: int = 8, random_start: bool = False) -> LevelSpec:
    """An empty room of `size` x `size` cells, the goal in the far corner; fixed or random start."""
    need(4 <= size <= 255, f"Empty: size is {size}, expected 4..255")
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
    need(5 <= size <= 255, f"DoorKey: size is {size}, expected 5..255")
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
    need(size % 2 == 1 and 7 <= size <= 255, f"FourRooms: size is {size}, expected an odd number in 7..255")
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
    need(rooms >= 1, f"MultiRoom: rooms is {rooms}, expected at least 1")
    need(1 <= min_rooms <= rooms, f"MultiRoom: min_rooms is {min_rooms}, expected 1..{rooms}")
    need(4 <= max_room_size < size, f"MultiRoom: max_room_size is {max_room_size}, expected 4..{size - 1}")
    need(size <= 255, f"MultiRoom: size is {size}, expected at most 255")
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


def crossing(size: int, crossings: int, lava: bool) -> LevelSpec:
    """A room crossed by `crossings` rivers of walls (SimpleCrossing) or lava (LavaCrossing), with a way through."""
    rivers = 2 * ((size - 3) // 2)
    need(size % 2 == 1 and 5 <= size <= 255, f"Crossing: size is {size}, expected an odd number in 5..255")
    need(0 <= crossings <= rivers, f"Crossing: crossings is {crossings}, expected 0..{rivers} in size {size}")
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
    need(5 <= size <= 255, f"LavaGap: size is {size}, expected 5..255")
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
    need(2 <= strip_row <= 5, f"DistShift: strip_row is {strip_row}, expected 2..5")
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
    need(5 <= size <= 255, f"Dynamic-Obstacles: size is {size}, expected 5..255")
    most = min(rules.MOST_OBSTACLES, size // 2 + 1)
    need(1 <= obstacles <= most, f"Dynamic-Obstacles: obstacles is {obstacles}, expected 1..{most} in size {size}")
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


def hallway(length: int = 25, max_steps: int = 30) -> LevelSpec:
    """The corridor of asymmetric self-play (Sukhbaatar et al., 2017, arXiv 1703.05407, 4.1): M cells, two moves.

    `length` cells in a row inside a wall; start and goal tile are two different uniform cells.
    """
    need(2 <= length <= 253, f"Hallway: length is {length}, expected 2..253")
    need(max_steps >= 1, f"Hallway: max_steps is {max_steps}, expected at least 1")
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
