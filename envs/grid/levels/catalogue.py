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


_ALL = (
    *(empty(size) for size in (5, 6, 8, 16)),
    *(empty(size, random_start=True) for size in (5, 6)),
    *(doorkey(size) for size in (5, 6, 8, 16)),
)

LEVELS: dict[str, LevelSpec] = {spec.id: spec for spec in _ALL}
"""Every registered level by its id."""
