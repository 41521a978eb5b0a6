"""How what a player says becomes what a world is given: STOP is for the game alone."""

from __future__ import annotations

import numpy as np
import torch
from gymnasium import spaces

from selfplay.core.distributions import Gaussian, OrStop, distribution_for


class Moves:
    """The actions of one player in a world of `actions` (Discrete, or a flat Box of A numbers), with STOP or without.

    Where actions are chosen from a list, STOP is one more, the last. Where they are numbers, a player says STOP or A
    numbers (`selfplay.core.distributions.OrStop`); these are in the units of its policy, ±1 being the bounds.

    space: of what the player says.  chance: of STOP in a step before anything is learnt, where actions are numbers.
    """

    def __init__(self, actions: spaces.Space, stop: bool, chance: float = 0.02) -> None:
        self.actions, self.stop = actions, stop
        self.space = actions
        self._normal: Gaussian | None = None
        if isinstance(actions, spaces.Discrete):
            self.space = spaces.Discrete(int(actions.n) + int(stop))
        elif isinstance(actions, spaces.Box):
            normal = distribution_for(actions)
            assert isinstance(normal, Gaussian)
            self._normal = normal
            self.space = OrStop(actions, chance) if stop else actions
        else:
            raise ValueError(f"game: actions are {actions}, expected a Discrete space or a flat Box")

    def stops(self, said: np.ndarray) -> np.ndarray:
        """bool [M]: which of `said` [M, …] are STOP."""
        if not self.stop:
            return np.zeros(len(said), bool)
        if isinstance(self.actions, spaces.Discrete):
            return said == self.actions.n
        return said[:, -1] > 0.5

    def given(self, said: np.ndarray) -> np.ndarray:
        """What the world is given for `said` [M, …], none of them STOP: int64 [M], or float32 [M, A] in its units."""
        if self._normal is None:
            return said
        return self._normal.played(torch.from_numpy(self._numbers(said))).numpy()

    def shown(self, said: np.ndarray) -> np.ndarray:
        """`said` [M, …], none of them STOP, as a player without STOP would have said it, within its bounds."""
        if self._normal is None:
            return said
        return self._normal.inside(torch.from_numpy(self._numbers(said))).numpy()

    def _numbers(self, said: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(said[..., :-1] if self.stop else said)
