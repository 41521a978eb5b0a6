"""What ends a level besides lava and time: the small integers `LevelSpec.rule` and `LevelSpec.family` may hold."""

RULE_GOAL = 0
"""Walking onto a goal tile pays and terminates (true of every rule)."""
RULE_UNLOCK = 1
"""After a toggle, the door at (TARGET_X, TARGET_Y) being open pays and terminates."""
RULE_PICKUP_TARGET = 2
"""After a pickup, carrying the cell marked TARGET pays and terminates."""
RULE_HALLWAY = 3
"""Two actions, 0: one cell towards -x, 1: one cell towards +x; there is no turning."""

(
    FAMILY_EMPTY,
    FAMILY_DOORKEY,
    FAMILY_FOURROOMS,
    FAMILY_MULTIROOM,
    FAMILY_UNLOCK,
    FAMILY_KEYCORRIDOR,
    FAMILY_CROSSING,
    FAMILY_LAVAGAP,
    FAMILY_HALLWAY,
) = range(9)

FAMILY_POOL = 1000
"""No generator: levels come out of a pool that minigrid fills (`envs.grid.pool`)."""
