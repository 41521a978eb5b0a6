"""What the game asks of a batch of worlds. `envs.grid.field.GridField` is one; nothing here knows which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces

from envs.ruler import Ruler


class PlayingField(Protocol):
    """N worlds that can be copied, put back, looked at with a goal in mind, and compared with a goal.

    `ids` is int [M], the worlds meant. Arrays over all worlds have N rows, of which only rows `ids` are read or
    written. G is the size of an achieved goal, P of an observation.
    """

    @property
    def num_envs(self) -> int:
        """N."""

    @property
    def observation_space(self) -> spaces.Space:
        """Of one player in one world: the world and the goal, flat."""

    @property
    def action_space(self) -> spaces.Space:
        """Of one world, Discrete or a flat Box. Alice's STOP is none of them (`selfplay.game.moves`)."""

    @property
    def max_steps(self) -> int:
        """The task's own time limit, environment steps."""

    def generate(self, ids: np.ndarray) -> None:
        """Draw fresh levels."""

    def snapshot(self) -> Any:
        """A copy of the state of all worlds, random streams included."""

    def restore(self, state: Any, ids: np.ndarray) -> None:
        """Put worlds `ids` back to what they were in `state` (a snapshot of all worlds)."""

    def achieved(self) -> np.ndarray:
        """What is achieved now, [N, G]."""

    def reached(self, desired: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """bool [M]: does world `ids[m]` satisfy `desired[ids[m]]` (desired: [N, G])?"""

    def observe(self, desired: np.ndarray | None, out: np.ndarray, ids: np.ndarray) -> None:
        """Write rows `ids` of `out` [N, P]; `desired` None: an empty goal and the flag of the target task."""

    def step(
        self, action: np.ndarray, ids: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Step worlds `ids` with `action`; (task reward float64, terminated, truncated, dead, lost), [N] each.

        action: int64 [N], or float32 [N, A] within the bounds.
        dead: terminated by a mishap. The reward cannot tell: a task completed after its own time limit may pay nothing.
        lost: what simulates the world broke down in this step, which nobody meant. The world is as it was before the
        step, is paid nothing and is not terminated; whoever plays there cannot go on.
        """


class CurriculumField(PlayingField, Protocol):
    """A playing field that can also name, measure, draw and paint goals, and be saved."""

    @property
    def ruler(self) -> Ruler:
        """How distances are measured."""

    @property
    def tolerance(self) -> float:
        """How far from a goal is near enough to have reached it, as `ruler` measures; 0: it must be reached exactly."""

    @property
    def cells(self) -> int | None:
        """In how many cells of the plane goals can lie; None where that differs from level to level."""

    @property
    def pixels(self) -> Mapping[str, np.ndarray]:
        """ "obs" to what tokens look like, for Alice's bonuses (`curiosity.source.Surroundings`); may be empty."""

    @property
    def shape(self) -> tuple[int, int]:
        """(W, H) of the plane that goals are drawn on."""

    @property
    def wall_cells(self) -> np.ndarray | None:
        """bool [W, H]: the walls of that plane; None where there are none, or others in every level."""

    @property
    def y_up(self) -> bool:
        """Whether y grows upwards in pictures of the worlds."""

    def difficulty(self, state: Any, desired: np.ndarray, ids: np.ndarray, parts: tuple[str, ...]) -> np.ndarray:
        """Distance from worlds `ids` of snapshot `state` to `desired` [N, G]: [M], −1 unreachable; see `ruler`.

        UnmeasurableError where the worlds have too many states to search.
        """

    def sample_goals(self, rng: np.random.Generator, parts: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """A goal for every world, uniform over all reachable ones but its present one: ([N, G], distance [N]).

        Distance 0 where there is none. UnmeasurableError where the worlds have too many states to search.
        """

    def describe(self, goal: np.ndarray) -> dict:
        """One goal [G] in words and numbers, for a line of JSON."""

    def goal_cells(self, goals: np.ndarray) -> np.ndarray:
        """Where goals [M, G] lie on the plane: int64 [M, 2]."""

    @property
    def step_seconds(self) -> float | None:
        """Simulated time of a step; None where steps have no length."""

    def place(self, index: int) -> np.ndarray | None:
        """Where the agent of one world is, float [2], for a trail; None where pictures show none."""

    def frame(self, index: int, desired: np.ndarray | None = None, trail: np.ndarray | None = None) -> np.ndarray:
        """A picture of one world, uint8 [H, W, 3]; `desired` [G] and `trail` [K, 2] are marked where the field can."""

    def goal_picture(self, goals: np.ndarray, colours: np.ndarray) -> np.ndarray | None:
        """Goals [M, G] in the plane, in `colours` uint8 [M, 3]; None where they are cells: a map says it better."""

    def state_dict(self) -> dict[str, np.ndarray]:
        """All worlds as arrays."""

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on from `state_dict`."""
