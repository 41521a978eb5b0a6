"""How far a goal is: in what unit, measured how, and what that is worth."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ruler:
    """What distances to goals are.

    name: such as "shortest path".  unit: such as "steps".
    exact: whether it is the length of a shortest way. Otherwise no way is shorter.
    edges: where a table by distance is cut, the first at or below the least distance.
    """

    name: str
    unit: str
    exact: bool
    edges: tuple[float, ...]

    @property
    def in_steps(self) -> bool:
        """Whether distances are environment steps, so that a turn can be compared with them."""
        return self.unit == "steps"


STEPS = Ruler("shortest path", "steps", True, (1, 3, 6, 11, 21, 41, 81))
WAY = Ruler("shortest way", "m", True, (0, 0.5, 1, 2, 4, 8, 16))
STRAIGHT = Ruler("straight distance", "m", False, (0, 0.25, 0.5, 1, 2))
