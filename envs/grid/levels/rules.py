"""What ends a level besides lava and time: the small integers `LevelSpec.rule` and `LevelSpec.family` may hold.

The target and the other place are fields of the agent's row (`envs.grid.state`). TARGET is the mark on packed cells
(`envs.grid.symbols`). Goal tiles and lava end an episode under every rule; what a rule says of pay comes last.
"""

RULE_GOAL = 0
"""Walking onto a goal tile pays and terminates (true of every rule)."""
RULE_UNLOCK = 1
"""After a toggle, the door at the target being open pays and terminates."""
RULE_PICKUP_TARGET = 2
"""After a pickup, carrying the cell marked TARGET pays and terminates."""
RULE_HALLWAY = 3
"""Two actions, 0: one cell towards -x, 1: one cell towards +x; there is no turning."""
RULE_DONE_BESIDE = 4
"""`toggle` terminates; so does `done`, and pays where the target is one of the agent's four neighbours."""
RULE_FETCH = 5
"""Carrying anything terminates, and pays where it is marked TARGET."""
RULE_PUT_NEAR = 6
"""Picking up what is not marked TARGET terminates; so does a `drop`, and pays where it lands around the target."""
RULE_RED_BLUE = 7
"""The other place's door being open terminates, and pays where the target's door was open before the step."""
RULE_MEMORY = 8
"""Standing at the target pays and terminates, at the other place terminates; `pickup` toggles."""
RULE_OBSTACLES = 9
"""Three actions; balls walk at random; walking into what is in front (but the goal) costs 1 and terminates."""

MOST_OBSTACLES = 63
"""How many balls can walk: each keeps its number in six bits of its cell."""

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
    FAMILY_DISTSHIFT,
    FAMILY_DYNAMIC,
    FAMILY_FETCH,
    FAMILY_GOTODOOR,
    FAMILY_GOTOOBJECT,
    FAMILY_LOCKEDROOM,
    FAMILY_MEMORY,
    FAMILY_OBSTRUCTEDMAZE,
    FAMILY_PLAYGROUND,
    FAMILY_PUTNEAR,
    FAMILY_REDBLUE,
    FAMILY_UNLOCKPICKUP,
) = range(21)

FAMILY_POOL = 1000
"""No generator: levels come out of a pool that minigrid fills (`envs.grid.pool`)."""
