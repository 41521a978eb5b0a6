"""Compared segments as tensors: what a reward is fitted to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from selfplay.core.transitions import Transitions
from selfplay.label.events import Comparison
from selfplay.label.segments import ClipStore


@dataclass(frozen=True)
class Pairs:
    """P comparisons of two of the M segments in `steps` [H, M, …].

    left, right: int64 [P], columns of `steps`. target: float32 [P], the probability that the left one is better: 1, 0,
    or ½ for equal. group: int64 [P], what is never parted in a bootstrap: the pairs of a ranking, an asked pair and its
    re-asking. held_out: bool [P], only evaluated on.
    """

    steps: Transitions
    left: Tensor
    right: Tensor
    target: Tensor
    group: Tensor
    held_out: Tensor

    def __post_init__(self) -> None:
        count, segments = len(self.left), self.steps.mask.shape[1]
        kinds = {"left": torch.int64, "right": torch.int64, "target": torch.float32, "group": torch.int64}
        for name, dtype in (kinds | {"held_out": torch.bool}).items():
            tensor = getattr(self, name)
            if tensor.shape != (count,) or tensor.dtype != dtype:
                raise ValueError(f"pairs: {name} must be {dtype} [{count}], got {tensor.dtype} {list(tensor.shape)}")
        for name in ("left", "right"):
            columns = getattr(self, name)
            if count and not 0 <= int(columns.min()) <= int(columns.max()) < segments:
                raise ValueError(f"pairs: {name} must be columns 0 … {segments - 1} of the steps")
        if not bool(((self.target >= 0) & (self.target <= 1)).all()):
            raise ValueError("pairs: target must be in [0, 1]")
        mixed = set(self.group[self.held_out].tolist()) & set(self.group[~self.held_out].tolist())
        if mixed:
            raise ValueError(f"pairs: group {min(mixed)} is held out in part")

    def __len__(self) -> int:
        """P."""
        return len(self.left)

    def where(self, chosen: Tensor) -> Pairs:
        """Those that `chosen` (bool [P]) names, of the same segments."""
        fields = ("left", "right", "target", "group", "held_out")
        return replace(self, **{name: getattr(self, name)[chosen] for name in fields})

    def to(self, device: torch.device | str) -> Pairs:
        """The same on `device`; shares memory where nothing has to move."""
        fields = ("steps", "left", "right", "target", "group", "held_out")
        return replace(self, **{name: getattr(self, name).to(device) for name in fields})


def load_pairs(comparisons: Sequence[Comparison], clips: ClipStore, reads: str = "obs") -> Pairs:
    """The comparisons with the segments they are about; `ValueError` for none, or a clip that is missing or damaged.

    reads: the channel that is looked at, the only one that is loaded. The clips may be of several lengths.
    """
    if not comparisons:
        raise ValueError("pairs: there are no comparisons yet")
    columns = {id: m for m, id in enumerate(_clips_of(comparisons))}
    groups = {id: g for g, id in enumerate(dict.fromkeys(one.group for one in comparisons))}
    return Pairs(
        clips.load(list(columns), {reads}).steps,
        torch.tensor([columns[one.left] for one in comparisons]),
        torch.tensor([columns[one.right] for one in comparisons]),
        torch.tensor([one.target for one in comparisons]),
        torch.tensor([groups[one.group] for one in comparisons]),
        torch.tensor([one.held_out for one in comparisons]),
    )


def alike(comparisons: Sequence[Comparison], clips: ClipStore, reads: str = "obs") -> list[Comparison]:
    """Those that `load_pairs` can load together: their clips show `reads`, and are of the kind that most are of.

    A ledger is only added to, and anybody may have asked about clips of another world in it, or without that channel.
    """
    kinds = {id: clips.kind(id, {reads}) for id in _clips_of(comparisons)}
    if reads != "obs":
        kinds = {id: kind for id, kind in kinds.items() if f"channel.{reads}.now" in dict(kind)}
    usual = Counter(kinds[id] for one in comparisons for id in (one.left, one.right) if id in kinds).most_common(1)
    return [one for one in comparisons if usual and kinds.get(one.left) == kinds.get(one.right) == usual[0][0]]


def _clips_of(comparisons: Sequence[Comparison]) -> list[str]:
    """The ids of all clips that are compared, each once."""
    return list(dict.fromkeys(id for one in comparisons for id in (one.left, one.right)))
