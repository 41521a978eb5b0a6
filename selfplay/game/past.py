"""Past Alices: who learns only from the present one forgets what the earlier ones taught."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from selfplay.core.acting import Actor
from selfplay.core.learner import Learner
from selfplay.core.rng import rng_state, set_rng_state

POOL = 16
"""How many are remembered."""


class Past:
    """A pool of what the policy of `player` was after its updates, each as likely to be in it (a reservoir).

    OpenAI 2021 (arXiv 2101.04882) plays 20 % of the games against past opponents.
    """

    def __init__(self, player: Learner, seed: int) -> None:
        self.player = player
        self._rng = np.random.default_rng(seed)
        spaces = player.observation_space, player.action_space
        self._actor = Learner(*spaces, player.config, player.streams, seed, player.device)  # who never learns
        self._pool: list[dict[str, Tensor]] = []
        self._seen = 0
        self.keep()

    def keep(self) -> None:
        """Offer the player's present policy to the pool (Vitter 1985, algorithm R)."""
        self._seen += 1
        place = len(self._pool) if self._seen <= POOL else int(self._rng.integers(self._seen))
        if place < POOL:
            policy = {name: tensor.detach().clone() for name, tensor in self.player.policy.state_dict().items()}
            self._pool[place : place + 1] = [policy]

    def draw(self) -> Actor:
        """Somebody who acts by a policy drawn from the pool, until the next draw."""
        self._actor.policy.load_state_dict(self._pool[int(self._rng.integers(len(self._pool)))])
        return self._actor

    def state_dict(self) -> dict[str, Tensor | np.ndarray]:
        """The pool, how many were offered to it, and the random streams of draws and of actions."""
        pool = {f"{k}.{name}": tensor.cpu() for k, one in enumerate(self._pool) for name, tensor in one.items()}
        return {
            **pool,
            "seen": np.array(self._seen, np.int64),
            "rng": rng_state(self._rng),
            "actions": self._actor.generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Tensor | np.ndarray]) -> None:
        """Go on from `state_dict`."""
        self._seen = int(state["seen"])
        names = self.player.policy.state_dict().keys()
        self._pool = [
            {name: torch.as_tensor(state[f"{k}.{name}"]).clone() for name in names}
            for k in range(min(self._seen, POOL))
        ]
        set_rng_state(self._rng, np.asarray(state["rng"]))
        self._actor.generator.set_state(torch.as_tensor(state["actions"]))
