"""The processes that learn together, as a source of reward sees them. Importing this loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Group(Protocol):
    """R processes (ranks) that each play in worlds of their own and learn one thing from all of them.

    Every method has to be called by all ranks, in the same order and with tensors of the same shapes and kinds; all get
    the same bits back.
    """

    @property
    def rank(self) -> int:
        """Which of them this is, from 0."""
        ...

    @property
    def size(self) -> int:
        """R."""
        ...

    def gather(self, tensor: Tensor) -> Tensor:
        """What each rank gave, in the order of ranks: [R, …], on the CPU where R > 1."""
        ...

    def mean_(self, tensors: Sequence[Tensor]) -> None:
        """Put the mean over ranks into float32 tensors."""
        ...


class Alone:
    """The group of one process: nothing is sent, and nothing is changed."""

    rank, size = 0, 1

    def gather(self, tensor: Tensor) -> Tensor:
        """[1, …], a view."""
        return tensor[None]

    def mean_(self, tensors: Sequence[Tensor]) -> None:
        """Nothing: the mean of one."""


ALONE = Alone()


def united(group: Group, count: float, mean: Tensor, square: Tensor) -> tuple[float, Tensor, Tensor]:
    """Count, mean and Σ (x - mean)² of all ranks' numbers, from those of this rank's own.

    mean, square: float64 [...]. The sum over groups of Chan et al. 1979, in the order of ranks. Nobody has any: as is.
    """
    if group.size == 1:
        return count, mean, square
    import torch

    own = torch.cat([mean.new_full((1,), count).cpu(), mean.flatten().cpu(), square.flatten().cpu()])
    every = group.gather(own)
    counts, means, squares = every[:, :1], *every[:, 1:].chunk(2, 1)
    total = counts.sum()
    if total == 0:
        return count, mean, square
    middle = (counts * means).sum(0) / total
    around = (squares + counts * (means - middle).square()).sum(0)
    return float(total), middle.view_as(mean).to(mean.device), around.view_as(square).to(square.device)
