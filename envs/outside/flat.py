"""Observations and actions of any shape as the flat ones that a rollout holds."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space, iterate

MOST = 100_000  # numbers in an observation; beyond, somebody has forgotten to make it smaller


class FlatObservations:
    """Batches of observations of `space` as float32 [N, D], or uint8 [N, P] where they are tokens already.

    A flat MultiDiscrete of at most 256 values each stays as it is. A Box is written out in C order, a Box of bytes as
    numbers in [0, 1]; everything else as `gymnasium.spaces.flatten` has it (one-hot numbers, parts of a Dict in the
    order of their keys). Text has no numbers and is left out of a Dict: `unseen` names it. `size` is D or P.

    ValueError for a space that is nothing but text, or of no fixed size.
    """

    def __init__(self, space: spaces.Space) -> None:
        self.unseen: list[str] = []
        kept = self._seen(space, "")
        if kept is None:
            raise ValueError(f"nothing in observation space {space} has numbers: text is not seen")
        self._kept = kept
        self._first: np.ndarray | None = None  # of tokens, what stands for 0
        if isinstance(kept, spaces.MultiDiscrete) and kept.nvec.ndim == 1 and kept.nvec.max() <= 256:
            self.space: spaces.Space = spaces.MultiDiscrete(kept.nvec)
            self._first, self.size = kept.start, len(kept.nvec)
            return
        if not kept.is_np_flattenable:
            raise ValueError(f"observation space {space} has no fixed size, expected numbers that can be laid flat")
        flat = spaces.flatten_space(kept)
        assert isinstance(flat, spaces.Box)
        self.size = int(np.prod(flat.shape))
        if not 1 <= self.size <= MOST:
            raise ValueError(f"an observation has {self.size:,} numbers, expected 1 to {MOST:,}")
        self._bytes = isinstance(kept, spaces.Box) and kept.dtype == np.uint8
        low, high = (np.asarray(bound, np.float32).reshape(-1) for bound in (flat.low, flat.high))
        self.space = spaces.Box(low / 255, high / 255) if self._bytes else spaces.Box(low, high, dtype=np.float32)

    def __call__(self, observations: Any) -> np.ndarray:
        """A batch as Gymnasium's vector environments give it, flat."""
        kept = _take(self._kept, observations)
        if self._first is not None:
            return (np.asarray(kept) - self._first).astype(np.uint8)
        if isinstance(self._kept, spaces.Box):
            rows = np.asarray(kept).reshape(len(kept), -1).astype(np.float32)
            return rows / 255 if self._bytes else rows
        count = len(next(iter(_leaves(kept))))
        each = iterate(batch_space(self._kept, count), kept)
        return np.stack([np.asarray(spaces.flatten(self._kept, one)) for one in each]).astype(np.float32)

    def _seen(self, space: spaces.Space, name: str) -> spaces.Space | None:
        """The space without its texts; None where nothing is left."""
        if _wordy(space):
            self.unseen.append(name or "the observation")
            return None
        if isinstance(space, spaces.Dict):
            parts = {key: self._seen(part, f"{name}.{key}" if name else key) for key, part in space.spaces.items()}
            kept = {key: part for key, part in parts.items() if part is not None}
            return spaces.Dict(kept) if kept else None
        return space


class FlatActions:
    """Actions of a rollout, int64 [N] or float32 [N, A], as the environments of `space` want them.

    ValueError for a space that no policy here has a distribution for.
    """

    def __init__(self, space: spaces.Space) -> None:
        self._space = space
        if isinstance(space, spaces.Discrete):
            self.space: spaces.Space = spaces.Discrete(int(space.n))
        elif isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating) and np.prod(space.shape) >= 1:
            low, high = (np.asarray(bound, np.float32).reshape(-1) for bound in (space.low, space.high))
            self.space = spaces.Box(low, high, dtype=np.float32)
        else:
            raise ValueError(f"no policy for action space {space}, expected Discrete or a Box of floats")

    def __call__(self, actions: np.ndarray) -> np.ndarray:
        """As the environments want them, [N, …]."""
        if isinstance(self._space, spaces.Discrete):
            return actions + self._space.start
        return actions.reshape(len(actions), *(self._space.shape or ())).astype(self._space.dtype)


def _wordy(space: spaces.Space) -> bool:
    """Whether it is text, or of a kind that Gymnasium does not know how to lay flat (a mission of MiniGrid's)."""
    if isinstance(space, spaces.Text):
        return True
    if isinstance(space, spaces.Dict | spaces.Tuple):
        return False
    try:
        space.is_np_flattenable  # noqa: B018
    except NotImplementedError:
        return True
    return False


def _take(space: spaces.Space, observations: Any) -> Any:
    """Of a batch the parts that `space` has."""
    if isinstance(space, spaces.Dict):
        return {key: _take(part, observations[key]) for key, part in space.spaces.items()}
    return observations


def _leaves(observations: Any) -> Any:
    """The arrays in a batch of a Dict or Tuple."""
    if isinstance(observations, dict):
        for part in observations.values():
            yield from _leaves(part)
    elif isinstance(observations, tuple) and observations and not np.isscalar(observations[0]):
        for part in observations:
            yield from _leaves(part)
    else:
        yield observations
