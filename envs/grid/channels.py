"""What is written beside a policy's tokens for others to read: channels, their spaces, and what tokens look like."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from envs.grid.levels.spec import LevelSpec
from envs.grid.symbols import EMPTY, SYMBOL, TRIPLE
from envs.grid.tokens import RowLayout, TokenLayout, token_space

CHANNELS: dict[str, tuple[str, ...]] = {
    "position": ("position",),
    "state": ("full", "position", "direction", "carried"),
}
"""Name to the segments (`envs.grid.tokens`) it is made of. Both are privileged: no player sees them."""

_LARGEST = np.array([10.0, 5.0, 3.0], np.float32)  # object, colour, state


class ChannelLayout(RowLayout):
    """Wide rows: the policy's P tokens, then each channel's, in the order of `CHANNELS`.

    layouts: "obs" and the channels to their own `TokenLayout`.  columns: the same to their part of the row.
    """

    def __init__(self, spec: LevelSpec, policy: TokenLayout, channels: Sequence[str]) -> None:
        if isinstance(channels, str):
            raise ValueError(f"channels is {channels!r}, expected a sequence of names from {', '.join(CHANNELS)}")
        for name in channels:
            if name not in CHANNELS:
                nearest = difflib.get_close_matches(str(name), CHANNELS, n=1, cutoff=0.0)[0]
                raise ValueError(f"channels names {name!r}, expected names from {', '.join(CHANNELS)}, say {nearest!r}")
        self.layouts = {"obs": policy}
        for name, segments in CHANNELS.items():
            if name in channels:
                self.layouts[name] = TokenLayout(spec, segments, policy.view_size)
        self.columns: dict[str, slice] = {}
        plan: list[tuple[int, int]] = []
        width = 0
        # A mission takes what is left of the row, so what follows it must be written later: the plan keeps this order.
        for name, layout in self.layouts.items():
            self.columns[name] = slice(width, width + layout.width)
            plan += [(int(segment), width + int(offset)) for segment, offset in layout.plan]
            width += layout.width
        super().__init__(plan, width, policy.view_size)

    def spaces(self) -> dict[str, spaces.MultiDiscrete[Any]]:
        """Each channel's space, "obs" included."""
        return {name: token_space(layout.nvec) for name, layout in self.layouts.items()}

    def pixels(self) -> dict[str, np.ndarray]:
        """What each channel's tokens look like; see `token_pixels`."""
        return {name: token_pixels(layout) for name, layout in self.layouts.items()}


def token_pixels(layout: TokenLayout) -> np.ndarray:
    """What token v at place p looks like, float32 [P, V, 3] in [0, 1]; V is the largest of `layout.nvec`.

    A symbol is MiniGrid's (object / 10, colour / 5, state / 3), where the agent's direction is its state; token 0 is an
    empty cell where the segment leaves empty cells out. A plain number v below n is (v / (n - 1), 0, 0). Beyond n: 0.
    """
    table = np.zeros((layout.width, int(layout.nvec.max()), 3), np.float32)
    symbols = TRIPLE / _LARGEST
    for name, place in layout.slices.items():
        if name in ("view", "full", "carried"):
            table[place, : len(symbols)] = symbols
            if name != "view":
                table[place, 0] = symbols[SYMBOL[EMPTY]]
            continue
        for p in range(place.start, place.stop):
            count = int(layout.nvec[p])
            table[p, :count, 0] = np.arange(count) / (count - 1)
    return table
