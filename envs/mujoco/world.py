"""What a MuJoCo world is: a model, what is seen, what is paid, when it ends and how it starts. N at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import mujoco

    from envs.mujoco.draws import Draws


@dataclass(frozen=True)
class Reading:
    """A field of mjData that has a row for each body, besides positions and velocities: "xpos", "cfrc_ext", …

    body: one body's row; None: those of all bodies but the world's.

    After a step these are MuJoCo's own: as of the last evaluation of the forces within the last substep, not of the
    state that it led to. "cfrc_ext", the forces of contacts on bodies, is zero after a reset, as in Gymnasium.
    """

    field: str
    body: str | None


@dataclass(frozen=True)
class Moment:
    """M environments at one time.

    qpos: float64 [M, nq].  qvel: float64 [M, nv].  read: by name float64 [M, K], what the world `reads`.
    goal: float64 [M, G], what is desired, in worlds with goals (`envs.mujoco.goals`); G = 0 in others.
    Views of the engine's memory: what is kept longer must be copied.
    """

    qpos: np.ndarray
    qvel: np.ndarray
    read: Mapping[str, np.ndarray]
    goal: np.ndarray


class Feature(NamedTuple):
    """text: what it measures, with its unit. of: its number in each of M environments, [M]."""

    text: str
    of: Callable[[Moment], np.ndarray]


class World(ABC):
    """One kind of world, free of state. `dt` and `qpos0` (float64 [nq], the model's own pose) come from the model.

    mission: what is asked for, in a few words.
    frame_skip: MuJoCo's substeps in a step.  max_steps: steps until truncation.
    reads: what is needed beside positions and velocities, by name.
    watches: what its `features` need beside these.
    succeeds: whether an episode that terminates with a positive reward is a success.
    """

    mission: ClassVar[str]
    frame_skip: ClassVar[int]
    max_steps: ClassVar[int]
    reads: Mapping[str, Reading] = MappingProxyType({})
    watches: ClassVar[Mapping[str, Reading]] = {}
    succeeds: ClassVar[bool] = False

    @abstractmethod
    def model(self) -> mujoco.MjModel:
        """A model of its own."""

    @abstractmethod
    def observe(self, now: Moment) -> np.ndarray:
        """float64 [M, D], an array of its own."""

    @abstractmethod
    def reward(self, before: Moment, action: np.ndarray, after: Moment, dt: float) -> np.ndarray:
        """float64 [M]. action: float32 or float64 [M, nu], as it was given.  dt: seconds between the moments."""

    @abstractmethod
    def start(self, qpos0: np.ndarray, nv: int, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
        """Positions [M, nq] and velocities [M, nv] to begin episodes with, for the M environments of `draws`."""

    def features(self) -> dict[str, Feature]:
        """Numbers that can be measured of a state, by name, for rewards designed by hand. None, unless a world says."""
        return {}

    def draw_goal(self, qpos: np.ndarray, draws: Draws) -> np.ndarray:
        """float64 [M, G]: what is desired in episodes that begin in `qpos` [M, nq]. Nothing, unless a world says."""
        return np.empty((len(qpos), 0))

    def terminated(self, now: Moment) -> np.ndarray:
        """bool [M]: whether the episode is over, for a reason other than time. Never, unless a world says otherwise."""
        return np.zeros(len(now.qpos), bool)


def watching(world: World) -> World:
    """A `world` that also reads what its features need."""
    other = copy(world)
    other.reads = {**world.reads, **world.watches}
    return other


def touching(force: np.ndarray) -> np.ndarray:
    """bool [M]: whether anything touches a body, by its row of "cfrc_ext" [M, 6]."""
    return (force != 0).any(axis=1)


def squares(action: np.ndarray) -> np.ndarray:
    """The sum of squares of each row of `action` [M, nu], in its own type, as Gymnasium reckons the cost of control."""
    return np.square(action).sum(axis=1)
