"""A small grid world written out as tables: every reachable state, and what every action does in it.

All of it comes from the engine's own steps: states are put into a batch of worlds, one world for each action, and
stepped. Nothing of the rules is repeated here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from envs.errors import UnmeasurableError
from envs.grid.engine import GridEngine
from envs.grid.levels.spec import LevelSpec
from envs.grid.state import OVER, STEPS, GridState
from envs.grid.tokens import RowLayout

MAX_STATES = 20_000
FAR = 2**30
"""A time limit that is never met; MiniGrid's pay, 1 - 0.9 · steps / limit, then is 1 whenever it is earned."""

_LATE = 10_000  # steps at which a pay that does not depend on time is looked at again
_SLACK = 1e-4


@dataclass(frozen=True)
class TransitionTable:
    """S states and A actions of a world without chance.

    next: int64 [S, A], the state that follows; a step that terminates stays where it is, nothing follows there.
    reward: float64 [S, A] or, with a time limit of H steps, [H, S, A] by the number of steps taken before.
    terminated: bool [S, A].
    start: int64 [M], the states that episodes begin in, each as likely as the others.
    """

    next: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    start: np.ndarray

    def __post_init__(self) -> None:
        shape = self.next.shape
        if len(shape) != 2 or self.terminated.shape != shape or self.reward.shape[-2:] != shape:
            raise ValueError(
                f"transition table: next and terminated must be [S, A], reward [S, A] or [H, S, A], got "
                f"{list(shape)}, {list(self.terminated.shape)} and {list(self.reward.shape)}"
            )
        if self.reward.ndim not in (2, 3) or len(self.reward) == 0:
            raise ValueError(f"transition table: reward must be [S, A] or [H, S, A], got {list(self.reward.shape)}")
        for name, states in (("next", self.next), ("start", self.start)):
            if states.size == 0 or states.min() < 0 or states.max() >= shape[0]:
                raise ValueError(f"transition table: {name} must name states 0 to {shape[0] - 1}, and some")

    @property
    def horizon(self) -> int | None:
        """H, the steps after which an episode is over; None without a limit."""
        return len(self.reward) if self.reward.ndim == 3 else None


def tabulate(
    spec: LevelSpec, start: GridState, *, limited: bool = True, max_states: int = MAX_STATES
) -> tuple[TransitionTable, GridState]:
    """The table of all that can be reached from the M worlds of `start`, and its states as S worlds (0 steps taken).

    limited: with the level's own time limit, by which its pay also falls; False: as if the limit were `FAR`, so that
    the table is the same at all times (give a `GridWorld` that is compared with it `max_steps=FAR`).

    `UnmeasurableError`: a step draws random numbers, or there are more than `max_states` states.
    """
    limit = spec.max_steps if limited else FAR
    begin = start.take(slice(None))
    begin.agent[:, STEPS] = begin.agent[:, OVER] = 0
    index: dict[bytes, int] = {}
    first = [index.setdefault(key, len(index)) for key in _keys(begin)]
    frontier = begin.take(np.unique(np.array(first), return_index=True)[1])
    found, nexts, ends = [], [], []
    while len(frontier.cells):
        found.append(frontier)
        successor, _, terminated = step_all(spec, frontier, limit)
        successor.agent[:, STEPS] = successor.agent[:, OVER] = 0
        known = len(index)
        stay = np.repeat(np.arange(known - len(frontier.cells), known), spec.num_actions)
        new: list[int] = []
        to = stay.copy()
        for k, key in enumerate(_keys(successor)):
            if terminated[k]:
                continue
            if key not in index:
                new.append(k)
            to[k] = index.setdefault(key, len(index))
        if len(index) > max_states:
            raise UnmeasurableError(f"{spec.id} has more than max_states = {max_states} states, too many to write out")
        nexts.append(to)
        ends.append(terminated)
        frontier = successor.take(np.array(new, np.int64))
    states = GridState(*(np.concatenate([getattr(s, f) for s in found]) for f in ("cells", "agent", "stream")))
    shape = len(states.cells), spec.num_actions
    pay = _rewards(spec, states, limit, limit if limited else None)
    table = TransitionTable(
        np.concatenate(nexts).reshape(shape), pay, np.concatenate(ends).reshape(shape), np.array(first)
    )
    return table, states


def observations(spec: LevelSpec, states: GridState, layout: RowLayout) -> np.ndarray:
    """What is seen in each of S worlds, rows of `layout`, uint8 [S, P]."""
    engine = GridEngine(spec, len(states.cells), layout)
    engine.state.put(slice(None), states)
    out = np.empty((len(states.cells), layout.width), np.uint8)
    engine.write(out)
    return out


def _rewards(spec: LevelSpec, states: GridState, limit: int, horizon: int | None) -> np.ndarray:
    """float64 [H, S, A], or [S, A] where no horizon is given; ValueError if that does not do."""
    shape = len(states.cells), spec.num_actions

    def at(step: int) -> np.ndarray:
        now = states.take(slice(None))
        now.agent[:, STEPS] = step
        return step_all(spec, now, limit)[1].reshape(shape)

    if horizon is not None:
        return np.stack([at(step) for step in range(horizon)])
    early, late = at(0), at(_LATE)
    if np.abs(early - late).max() > _SLACK:
        raise ValueError(f"{spec.id} pays differently at different times, expected limited=True")
    return early


def step_all(spec: LevelSpec, states: GridState, limit: int) -> tuple[GridState, np.ndarray, np.ndarray]:
    """Every action in every state: the S · A worlds after it, reward and terminated [S · A], actions side by side."""
    actions = spec.num_actions
    engine = GridEngine(spec, len(states.cells) * actions, max_steps=limit)
    before = states.take(np.repeat(np.arange(len(states.cells)), actions))
    engine.state.put(slice(None), before)
    reward = np.zeros(engine.num_envs)
    terminated, truncated = np.zeros(engine.num_envs, bool), np.zeros(engine.num_envs, bool)
    engine.step(np.tile(np.arange(actions), len(states.cells)), reward, terminated, truncated)
    if (engine.state.stream != before.stream).any():
        raise UnmeasurableError(f"{spec.id} has steps that draw random numbers, expected a world without chance")
    return engine.state.take(slice(None)), reward, terminated


def _keys(states: GridState) -> Iterator[bytes]:
    """All that tells two states of one level apart; the time is no part of it."""
    agent = np.delete(states.agent, [STEPS, OVER], axis=1)
    for cells, body in zip(states.cells, agent, strict=True):
        yield cells.tobytes() + body.tobytes()
