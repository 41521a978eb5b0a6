"""Reward streams: a source, how much it counts, and how far it looks ahead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from curiosity.group import ALONE, Group, united
from curiosity.source import RewardSource


@dataclass(frozen=True)
class Stream:
    """One reward with its own value head and discount.

    weight: factor of its advantage in the mix, ≥ 0. gamma: discount per step in [0, 1].
    rescale: divide the reward by the running deviation of its discounted sum (`ReturnScale`).
    """

    source: RewardSource
    weight: float = 1.0
    gamma: float = 0.99
    rescale: bool = False

    def __post_init__(self) -> None:
        name = getattr(self.source, "name", None)
        if not isinstance(name, str) or not name or "." in name or "/" in name:
            raise ValueError(f"stream: a source needs a name without '.' and '/', got {name!r}")
        if not math.isfinite(self.weight) or self.weight < 0:
            raise ValueError(f"stream {name!r}: weight must be a finite number ≥ 0, got {self.weight}")
        if not 0 <= self.gamma <= 1:
            raise ValueError(f"stream {name!r}: gamma must be in [0, 1], got {self.gamma}")


def check_streams(streams: Sequence[Stream]) -> tuple[Stream, ...]:
    """The streams of one learner; `ValueError` for none, for two of one name, or if no weight is above 0."""
    if not streams:
        raise ValueError("a learner needs at least one reward stream, got none")
    names = [stream.source.name for stream in streams]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"reward stream {name!r} is given {names.count(name)} times, expected once")
    if all(stream.weight == 0 for stream in streams):
        raise ValueError(f"every reward stream has weight 0 ({', '.join(names)}), expected one above 0")
    return tuple(streams)


class ReturnScale:
    """The running deviation of a discounted sum of rewards (Burda et al. 2018, arXiv 1810.12894, section 2.4).

    The sum is filtered forwards in time, R ← γR + r, separately for each environment; its variance is over all sums
    seen so far. It goes through episode ends for a return that does, as there; for an episodic one it begins anew, else
    steady pay would be divided by a deviation that falls for ever. A batch's sums go on from the last batch of the same
    place and width. The moments are those of all ranks' sums, the sums each rank's own.
    """

    def __init__(self, gamma: float, group: Group = ALONE) -> None:
        self.gamma, self.group = gamma, group
        self.count, self.mean, self.square = 0.0, 0.0, 0.0  # steps, their mean, Σ (sum - mean)²
        self.sums: dict[int, Tensor] = {}  # place of the batch in an update -> [N]

    def update(self, reward: Tensor, mask: Tensor, place: int, ends: Tensor | None = None) -> None:
        """Take in reward [T, N] where mask [T, N]; `place` is the number of the batch within an update.

        ends: bool [T, N], after which steps the sum begins anew.
        """
        sums = self.sums.get(place)
        if sums is None or len(sums) != reward.shape[1]:
            sums = torch.zeros(reward.shape[1], device=reward.device)
        seen = torch.empty_like(reward)
        for t in range(len(reward)):
            sums = torch.where(mask[t], self.gamma * sums + reward[t], sums)
            seen[t] = sums
            if ends is not None:
                sums = torch.where(ends[t] & mask[t], 0.0, sums)
        self.sums[place] = sums
        values = seen[mask].cpu().double()  # not every device has float64
        if len(values) == 0:
            return
        mean = values.mean().item()
        around = ((values - mean) ** 2).sum()
        count, middle, square = united(self.group, float(len(values)), values.new_tensor(mean), around)
        mean = middle.item()
        delta, total = mean - self.mean, self.count + count
        self.square += square.item() + delta**2 * self.count * count / total
        self.mean += delta * count / total
        self.count = total

    @property
    def deviation(self) -> float:
        """Standard deviation of the sums; 1 while it is not known or 0."""
        variance = self.square / self.count if self.count else 0.0
        return math.sqrt(variance) if variance > 0 else 1.0

    def state_dict(self) -> dict[str, Tensor]:
        """Flat mapping of tensors."""
        moments = torch.tensor([self.count, self.mean, self.square], dtype=torch.float64)
        return {"moments": moments, **{f"sums.{place}": sums.clone() for place, sums in self.sums.items()}}

    def load_state_dict(self, state: dict[str, Tensor], device: torch.device) -> None:
        """Take up what `state_dict` gave."""
        if "moments" not in state or state["moments"].shape != (3,):
            raise ValueError(f"the state of a return scale needs 'moments' [3], got {sorted(state)}")
        self.count, self.mean, self.square = state["moments"].tolist()
        self.sums = {
            int(key.removeprefix("sums.")): value.to(device, copy=True)
            for key, value in state.items()
            if key.startswith("sums.")
        }
