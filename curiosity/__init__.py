"""What is interesting: reward sources that pay a learner for more than its task. Knows no environment by name.

`curiosity.catalogue` lists the sources. Nothing here loads torch before a name of `curiosity.source` is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curiosity.source import Batch, RewardSource, Rows, Surroundings

__all__ = ["Batch", "RewardSource", "Rows", "Surroundings"]


def __getattr__(name: str) -> object:
    """The contract's types, loaded when they are asked for."""
    if name in __all__:
        from curiosity import source

        return getattr(source, name)
    raise AttributeError(f"module 'curiosity' has no attribute {name!r}")
